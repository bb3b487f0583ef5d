import type { AccountId, OrganisationId, ReviewId, TransactionId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import { minorFromWire, minorToWire } from "#kernel/money.ts";
import type { Collection, Told } from "#storage/index.ts";
import type { ReasonCode } from "./review-reasons.ts";

/** `approved_once` waits for a second key; `expired` was not decided in time, which rejects the payment. */
export const reviewStatuses = ["open", "approved_once", "approved", "rejected", "expired"] as const;
export type ReviewStatus = (typeof reviewStatuses)[number];

/** Who has a review in hand. */
export interface Assignment {
  /** The organisation's own id of a person, or the id of an API key. */
  readonly to: string;
  readonly by: string | null;
  readonly at: number;
}

/** The first of two approvals. */
export interface FirstApproval {
  readonly by: string | null;
  /** The key it came by, also where that belongs to the operator who `by` says; `null`: a session, or an earlier release wrote it. */
  readonly apiKeyId: string | null;
  readonly at: number;
  /** The `wordEpoch` of whoever gave it; `null` for a key that belongs to nobody, and where an earlier release wrote it. */
  readonly epoch: number | null;
  readonly reasonCode: ReasonCode;
}

/** What analysts have done with a review so far. */
export interface ReviewWork {
  readonly assignment: Assignment | null;
  readonly firstApproval: FirstApproval | null;
  /** Set when it is decided by somebody. */
  readonly reasonCode: ReasonCode | null;
  readonly notes: number;
}

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
  /** Absent until somebody has touched it. */
  readonly work?: ReviewWork;
  readonly createdAt: number;
  readonly decidedAt: number | null;
  /** The API key that decided. */
  readonly decidedBy: string | null;
  readonly version: number;
}

const UNTOUCHED: ReviewWork = { assignment: null, firstApproval: null, reasonCode: null, notes: 0 };

export function workOf(review: Review): ReviewWork {
  return review.work ?? UNTOUCHED;
}

/** Whether it is stored as undecided; `statusAt` tells whether its time is over. */
export function isUndecided(status: ReviewStatus): boolean {
  return status === "open" || status === "approved_once";
}

/** The hash values of the index of undecided reviews: the last character of an id is random. */
export const WAITING_SHARDS: readonly string[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ".split("");

/** What the audit log is told of reviews: whose payment it is, and who has decided. */
const reviewsTold: Told<Review> = {
  prefix: "rev_",
  keyOf: (_organisationId, id) => ({ hash: id }),
  facts: (review) => ({
    organisation_id: review.organisationId,
    transaction_id: review.transactionId,
    from_account_id: review.fromAccountId,
    to_account_id: review.toAccountId,
    amount: minorToWire(review.amount),
    currency: review.currency,
    status: review.status,
    first_approval_by: workOf(review).firstApproval?.by ?? null,
    decided_by: review.decidedBy,
  }),
};

export const reviews: Collection<Review> = {
  table: "smartfinance-reviews",
  told: reviewsTold,
  keyOf: (review) => ({ hash: review.id }),
  toItem: (review) => ({
    id: review.id,
    organisation_id: review.organisationId,
    status_key: `${review.organisationId}#${review.status}`,
    ...(isUndecided(review.status) ? { waiting: review.id.slice(-1) } : {}),
    transaction_id: review.transactionId,
    from_account_id: review.fromAccountId,
    to_account_id: review.toAccountId,
    amount: minorToWire(review.amount),
    currency: review.currency,
    status: review.status,
    assessment: review.assessment,
    ...(review.work === undefined ? {} : { work: storedWork(review.work) }),
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
      ...(stored.work === undefined ? {} : { work: workFromItem(stored.work) }),
      createdAt: stored.created_at,
      decidedAt: stored.decided_at,
      decidedBy: stored.decided_by,
      version: stored.version,
    };
  },
};

function storedFirst({ by, apiKeyId, at, epoch, reasonCode }: FirstApproval): JsonObject {
  return {
    by,
    ...(apiKeyId === null ? {} : { api_key_id: apiKeyId }),
    at,
    ...(epoch === null ? {} : { epoch }),
    reason_code: reasonCode,
  };
}

function storedWork({ assignment, firstApproval, reasonCode, notes }: ReviewWork): JsonObject {
  return {
    assignment: assignment === null ? null : { to: assignment.to, by: assignment.by, at: assignment.at },
    first_approval: firstApproval === null ? null : storedFirst(firstApproval),
    reason_code: reasonCode,
    notes,
  };
}

function workFromItem(stored: StoredWork): ReviewWork {
  const first = stored.first_approval;
  return {
    assignment: stored.assignment,
    firstApproval:
      first === null
        ? null
        : { by: first.by, apiKeyId: first.api_key_id ?? null, at: first.at, epoch: first.epoch ?? null, reasonCode: first.reason_code },
    reasonCode: stored.reason_code,
    notes: stored.notes,
  };
}

interface StoredWork {
  readonly assignment: Assignment | null;
  readonly first_approval: {
    readonly by: string | null;
    readonly api_key_id?: string;
    readonly at: number;
    readonly epoch?: number;
    readonly reason_code: ReasonCode;
  } | null;
  readonly reason_code: ReasonCode | null;
  readonly notes: number;
}

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
  readonly work?: StoredWork;
  readonly created_at: number;
  readonly decided_at: number | null;
  readonly decided_by: string | null;
  readonly version: number;
}
