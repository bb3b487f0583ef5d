import type { Id, OrganisationId, TransactionId } from "#kernel/ids.ts";
import { derivedId } from "#kernel/ids.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection } from "#storage/index.ts";

export const labelValues = ["fraud", "legitimate"] as const;
export type LabelValue = (typeof labelValues)[number];
/** `review`: an analyst decided. `dispute`: the customer complained. `confirmed`: an investigation has ended. */
export const labelSources = ["review", "dispute", "confirmed"] as const;
export type LabelSource = (typeof labelSources)[number];

/** One judgement on a transaction: what it was, who said so and when. */
export interface Judgement {
  readonly label: LabelValue;
  readonly source: LabelSource;
  /** Milliseconds. */
  readonly decidedAt: number;
  /** The API key that judged. */
  readonly decidedBy: string | null;
}

export type LabelId = Id<"label">;

/** What is known of a transaction's honesty. There is at most one per transaction; a later judgement supersedes, and the earlier ones stay. */
export interface RiskLabel {
  readonly id: LabelId;
  readonly organisationId: OrganisationId;
  readonly transactionId: TransactionId;
  readonly current: Judgement;
  /** Those superseded, oldest first. */
  readonly superseded: readonly Judgement[];
  readonly createdAt: number;
  readonly version: number;
}

export const LABELS_TABLE = "smartfinance-risk-labels";
export const LABELS_INDEX = "OrganisationLabelsIndex";

/** The id of the one label that a transaction can have. */
export function labelIdOf(transactionId: TransactionId): LabelId {
  return derivedId("label", transactionId, "risk-label");
}

/** The last millisecond whose text has four digits for the year; later ones (by their offset from UTC) would sort before all others. */
const LAST_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** The range value of the index: labels by the time of their latest judgement. */
export function decidedKey(at: number, id = ""): string {
  return `${toTimestamp(Math.min(at, LAST_MS))}#${id}`;
}

const toStored = ({ label, source, decidedAt, decidedBy }: Judgement): JsonObject => ({
  label,
  source,
  decided_at: decidedAt,
  decided_by: decidedBy,
});

interface StoredJudgement {
  readonly label: LabelValue;
  readonly source: LabelSource;
  readonly decided_at: number;
  readonly decided_by: string | null;
}

const fromStored = (stored: StoredJudgement): Judgement => ({
  label: stored.label,
  source: stored.source,
  decidedAt: stored.decided_at,
  decidedBy: stored.decided_by,
});

export const riskLabels: Collection<RiskLabel> = {
  table: LABELS_TABLE,
  keyOf: (label) => ({ hash: label.id }),
  toItem: (label) => ({
    id: label.id,
    organisation_id: label.organisationId,
    decided_key: decidedKey(label.current.decidedAt, label.id),
    transaction_id: label.transactionId,
    ...toStored(label.current),
    superseded: label.superseded.map(toStored),
    created_at: label.createdAt,
    version: label.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredLabel;
    return {
      id: stored.id,
      organisationId: stored.organisation_id,
      transactionId: stored.transaction_id,
      current: fromStored(stored),
      superseded: stored.superseded.map(fromStored),
      createdAt: stored.created_at,
      version: stored.version,
    };
  },
};

interface StoredLabel extends StoredJudgement {
  readonly id: LabelId;
  readonly organisation_id: OrganisationId;
  readonly transaction_id: TransactionId;
  readonly superseded: readonly StoredJudgement[];
  readonly created_at: number;
  readonly version: number;
}
