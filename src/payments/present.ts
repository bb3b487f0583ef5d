import { toTimestamp } from "#kernel/clock.ts";
import type { JsonObject, JsonValue } from "#kernel/json.ts";
import { minorToWire } from "#kernel/money.ts";
import type { Hold, Transaction } from "#ledger/index.ts";
import { remainingOf, statusAt } from "#ledger/index.ts";
import { assessmentFromItem, presentAssessment } from "#risk/index.ts";
import type { Metadata } from "#vault/index.ts";
import type { RiskReason } from "./review-reasons.ts";
import { riskReasons } from "./review-reasons.ts";

/**
 * The transaction as the API shows it. `metadata` is the opened one.
 * @param at the time it is shown for, ms: a payment whose payer did not come in time is rejected from that millisecond on, whether or not
 * anybody has written it down. As it is stored where absent.
 */
export function presentTransaction(stored: Transaction, metadata: Metadata, at?: number): JsonObject {
  const t = at === undefined ? stored : transactionAt(stored, at);
  const assessment = presentStored(t.assessment);
  return {
    id: t.id,
    object: "transaction",
    type: t.type,
    status: t.status,
    from_account_id: t.fromAccountId,
    to_account_id: t.toAccountId,
    amount: minorToWire(t.amount),
    currency: t.currency,
    reference: t.reference,
    metadata,
    risk_score: assessment === null ? null : (assessment.risk_score ?? null),
    risk: assessment,
    risk_reason: riskReasonOf(t),
    sca: presentSca(t),
    requires_action: t.status === "requires_action" ? presentAction(t) : null,
    review_id: t.reviewId,
    hold_id: t.holdId,
    reverses: t.reverses,
    reversed_amount: minorToWire(t.reversedAmount),
    created_at: toTimestamp(t.createdAt),
    posted_at: t.postedAt === null ? null : toTimestamp(t.postedAt),
  };
}

/** The transaction as it stands at `at`, ms. */
export function transactionAt(t: Transaction, at: number): Transaction {
  const until = t.status === "requires_action" ? Number(t.sca?.["expires_at"]) : Number.POSITIVE_INFINITY;
  if (at < until) return t;
  const expired: RiskReason = "declined_expired";
  return { ...t, status: "rejected", assessment: { ...t.assessment, risk_reason: expired } };
}

/** Why the payer had to be authenticated, or had not: what was decided, and by what. */
function presentSca({ sca }: Transaction): JsonObject | null {
  if (sca === undefined) return null;
  const { mode, outcome, exemption, authentication_id, inputs, counters_before, counters_after } = sca;
  return {
    mode,
    outcome,
    exemption,
    authentication_id,
    // Member by member: not every store gives an object's members back in the order in which it got them.
    inputs: inOrder(inputs, INPUTS),
    counters_before: inOrder(counters_before, COUNTERS),
    counters_after: inOrder(counters_after, COUNTERS),
  };
}

const INPUTS = [
  "action",
  "risk_score",
  "risk_flags",
  "own_account",
  "trusted_beneficiary",
  "standing_order_id",
  "fraud_rate_ppm",
  "exemption_threshold",
] as const;
const COUNTERS = ["count", "amount"] as const;

function inOrder(stored: JsonValue | undefined, names: readonly string[]): JsonObject {
  const members = stored as JsonObject;
  const shown: Record<string, JsonValue> = {};
  for (const name of names) {
    const value = members[name];
    if (value !== undefined) shown[name] = value;
  }
  return shown;
}

/** What the payment waits for. */
function presentAction({ id, sca }: Transaction): JsonObject {
  return {
    type: "authenticate",
    user_id: sca?.["user_id"],
    transaction_id: id,
    expires_at: toTimestamp(Number(sca?.["expires_at"])),
  };
}

/** What customers may know of why a payment waited or did not go through; `null` where there is nothing to tell. */
function riskReasonOf({ status, assessment }: Transaction): RiskReason | null {
  if (status === "pending_review") return "under_review";
  if (status === "requires_action") return "authentication_required";
  if (status === "blocked") return "declined_security";
  return riskReasons.find((reason) => reason === assessment?.risk_reason) ?? null;
}

/** A stored assessment as the API shows it. */
export function presentStored(assessment: JsonObject | null): JsonObject | null {
  return assessment === null ? null : { ...presentAssessment(assessmentFromItem(assessment)) };
}

/** The hold as it stands at `at`. */
export function presentHold(hold: Hold, metadata: Metadata, at: number): JsonObject {
  const status = statusAt(hold, at);
  return {
    id: hold.id,
    object: "hold",
    status,
    from_account_id: hold.fromAccountId,
    to_account_id: hold.toAccountId,
    amount: minorToWire(hold.amount),
    captured_amount: minorToWire(hold.capturedAmount),
    remaining_amount: status === "active" ? minorToWire(remainingOf(hold)) : 0,
    currency: hold.currency,
    reference: hold.reference,
    metadata,
    risk_score: presentStored(hold.assessment)?.risk_score ?? null,
    expires_at: toTimestamp(hold.expiresAt),
    created_at: toTimestamp(hold.createdAt),
    updated_at: toTimestamp(hold.updatedAt),
  };
}
