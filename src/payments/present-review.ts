import type { ReviewTerms } from "#identity/index.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { JsonObject } from "#kernel/json.ts";
import { minorToWire } from "#kernel/money.ts";
import { presentStored } from "./present.ts";
import type { Review } from "./review.ts";
import { workOf } from "./review.ts";
import { dueAt, expiresAt, isOverdue, statusAt } from "./review-times.ts";

const timeOrNull = (at: number | null | undefined): string | null => (at === null || at === undefined ? null : toTimestamp(at));

/** The review as it stands at `at`; why the payment waits is in `risk.reasons`. */
export function presentReview(review: Review, terms: ReviewTerms, at: number): JsonObject {
  const { assignment, firstApproval, reasonCode, notes } = workOf(review);
  const status = statusAt(review, terms, at);
  const lapsed = status === "expired" && review.decidedAt === null;
  return {
    id: review.id,
    object: "review",
    status,
    transaction_id: review.transactionId,
    from_account_id: review.fromAccountId,
    to_account_id: review.toAccountId,
    amount: minorToWire(review.amount),
    currency: review.currency,
    risk: presentStored(review.assessment),
    assigned_to: assignment?.to ?? null,
    assigned_by: assignment?.by ?? null,
    assigned_at: timeOrNull(assignment?.at),
    note_count: notes,
    due_at: toTimestamp(dueAt(review, terms)),
    overdue: isOverdue(review, terms, at),
    expires_at: toTimestamp(expiresAt(review, terms)),
    first_approved_by: firstApproval?.by ?? null,
    first_approved_at: timeOrNull(firstApproval?.at),
    reason_code: reasonCode,
    created_at: toTimestamp(review.createdAt),
    decided_at: timeOrNull(lapsed ? expiresAt(review, terms) : review.decidedAt),
    decided_by: review.decidedBy,
  };
}
