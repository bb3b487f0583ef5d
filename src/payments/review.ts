import type { AccountId, OrganisationId, ReviewId, TransactionId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import { minorFromWire, minorToWire } from "#kernel/money.ts";
import type { Collection } from "#storage/index.ts";

export const reviewStatuses = ["open", "approved", "rejected"] as const;
export type ReviewStatus = (typeof reviewStatuses)[number];

/** The manual review of one suspicious payment. Decided once. */
export interface Review {
  readonly id: ReviewId;
  readonly organisationId: OrganisationId;
  readonly transactionId: TransactionId;
  readonly fromAccountId: AccountId;
  readonly toAccountId: AccountId;
  readonly amount: Minor;
  readonly currency: Currency;
  readonly status: ReviewStatus;
  readonly assessment: JsonObject;
  readonly createdAt: number;
  readonly decidedAt: number | null;
  /** The API key that decided. */
  readonly decidedBy: string | null;
  readonly version: number;
}

export const reviews: Collection<Review> = {
  table: "smartfinance-reviews",
  keyOf: (review) => ({ hash: review.id }),
  toItem: (review) => ({
    id: review.id,
    organisation_id: review.organisationId,
    status_key: `${review.organisationId}#${review.status}`,
    transaction_id: review.transactionId,
    from_account_id: review.fromAccountId,
    to_account_id: review.toAccountId,
    amount: minorToWire(review.amount),
    currency: review.currency,
    status: review.status,
    assessment: review.assessment,
    created_at: review.createdAt,
    decided_at: review.decidedAt,
    decided_by: review.decidedBy,
    version: review.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredReview;
    return {
      id: stored.id,
      organisationId: stored.organisation_id,
      transactionId: stored.transaction_id,
      fromAccountId: stored.from_account_id,
      toAccountId: stored.to_account_id,
      amount: minorFromWire(stored.amount),
      currency: stored.currency,
      status: stored.status,
      assessment: stored.assessment,
      createdAt: stored.created_at,
      decidedAt: stored.decided_at,
      decidedBy: stored.decided_by,
      version: stored.version,
    };
  },
};

interface StoredReview {
  readonly id: ReviewId;
  readonly organisation_id: OrganisationId;
  readonly transaction_id: TransactionId;
  readonly from_account_id: AccountId;
  readonly to_account_id: AccountId;
  readonly amount: number;
  readonly currency: Currency;
  readonly status: ReviewStatus;
  readonly assessment: JsonObject;
  readonly created_at: number;
  readonly decided_at: number | null;
  readonly decided_by: string | null;
  readonly version: number;
}
