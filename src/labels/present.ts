import { toTimestamp } from "#kernel/clock.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Judgement, RiskLabel } from "./label.ts";

const presentJudgement = ({ label, source, decidedAt, decidedBy }: Judgement): JsonObject => ({
  label,
  source,
  decided_at: toTimestamp(decidedAt),
  decided_by: decidedBy,
});

/** The label as the API shows it. */
export function presentLabel(label: RiskLabel): JsonObject {
  return {
    id: label.id,
    object: "risk_label",
    transaction_id: label.transactionId,
    ...presentJudgement(label.current),
    superseded: label.superseded.map(presentJudgement),
    created_at: toTimestamp(label.createdAt),
  };
}
