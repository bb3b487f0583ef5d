import type { OrganisationId, TransactionId } from "#kernel/ids.ts";
import { invariant } from "#kernel/assert.ts";
import type { Judgement, RiskLabel } from "./label.ts";
import { labelIdOf } from "./label.ts";

/** The most judgements on one transaction that clients may make; a review's own comes on top. */
export const MAX_JUDGEMENTS = 50;

/**
 * Puts a judgement on top of what was known of a transaction. Times never go back, though the clocks of nodes differ:
 * the later commit is the later judgement.
 */
export function judged(
  before: RiskLabel | undefined,
  of: { readonly organisationId: OrganisationId; readonly transactionId: TransactionId },
  judgement: Judgement,
): RiskLabel {
  const { organisationId, transactionId } = of;
  if (before === undefined) {
    const createdAt = judgement.decidedAt;
    return { id: labelIdOf(transactionId), organisationId, transactionId, current: judgement, superseded: [], createdAt, version: 1 };
  }
  invariant(before.organisationId === organisationId && before.transactionId === transactionId, "a label stays with its transaction");
  return {
    ...before,
    current: { ...judgement, decidedAt: Math.max(judgement.decidedAt, before.current.decidedAt) },
    superseded: [...before.superseded, before.current],
    version: before.version + 1,
  };
}
