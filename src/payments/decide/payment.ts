import type { EventDraft, EventType } from "#audit/index.ts";
import type { AccountId, EventId, OrganisationId, ReviewId, TransactionId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import { ZERO } from "#kernel/money.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Account, Leg, PostingParams, Transaction, TransactionType } from "#ledger/index.ts";
import { checkFunds, checkParties, note, post, reserve } from "#ledger/index.ts";
import type { RiskContext, RiskProfile } from "#risk/index.ts";
import { assess, assessmentToItem, REVIEW_ABOVE } from "#risk/index.ts";
import type { Review } from "../review.ts";

/** A payment asked for. All ids and sealed values are drawn before the decision, which may be taken more than once. */
export interface PaymentRequest {
  readonly organisationId: OrganisationId;
  readonly transactionId: TransactionId;
  readonly reviewId: ReviewId;
  readonly eventId: EventId;
  readonly type: Extract<TransactionType, "transfer" | "withdrawal">;
  readonly fromAccountId: AccountId;
  readonly toAccountId: AccountId;
  readonly amount: Minor;
  readonly currency: Currency;
  readonly reference: string | null;
  /** Sealed. */
  readonly metadata: JsonObject | null;
  readonly context: RiskContext;
}

/** The state the decision is taken over. Accounts of another organisation count as absent. */
export interface PaymentState {
  readonly payer: Account | undefined;
  readonly payee: Account | undefined;
  readonly profile: RiskProfile | undefined;
}

export interface PaymentDecision {
  readonly ok: true;
  readonly transaction: Transaction;
  readonly payer: Account;
  readonly payee: Account;
  readonly profile: RiskProfile;
  /** Present when the payment waits for a review. */
  readonly review: Review | undefined;
  readonly event: EventDraft;
}

/** Whose behaviour is judged: the customer, or the account itself when it has none. */
export function profileIdOf(payer: Pick<Account, "id" | "userId">): string {
  return payer.userId ?? payer.id;
}

/**
 * Decides a payment: parties, funds, then the risk assessment, then either the posting or the wait for
 * a review with the funds reserved. Pure; every refusal leaves everything as it was.
 */
export function decidePayment(request: PaymentRequest, state: PaymentState, at: number, params: PostingParams): PaymentDecision | Refusal {
  const { organisationId, amount, transactionId } = request;
  const { payer, payee } = state;
  if (payer === undefined || payer.organisationId !== organisationId) return refuse("account_not_found", params.payer);
  if (payee === undefined || payee.organisationId !== organisationId) return refuse("account_not_found", params.payee);
  if (payer.type === "settlement") return refuse("account_type_not_allowed", params.payer);
  if (request.type === "transfer" && payee.type === "settlement") return refuse("account_type_not_allowed", params.payee);
  if (payer.currency !== request.currency) return refuse("currency_mismatch", "currency");
  const refusal = checkParties(payer, payee, params) ?? checkFunds(payer, amount, at);
  if (refusal !== undefined) return refusal;

  const assessed = assess({
    profile: state.profile,
    ownerId: profileIdOf(payer),
    amount,
    currency: request.currency,
    payeeAccountId: payee.id,
    context: request.context,
    at,
  });
  const assessment = assessmentToItem(assessed.assessment);

  if (assessed.assessment.score > REVIEW_ABOVE) {
    const reserved = reserve(payer, { id: transactionId, amount, expiresAt: null }, at);
    if (!reserved.ok) return reserved;
    const noted = note(transactionId, reserved.account, payee, at);
    return {
      ok: true,
      transaction: transactionOf(request, assessment, noted.legs, at, null),
      payer: noted.payer,
      payee: noted.payee,
      profile: assessed.profile,
      review: reviewOf(request, assessment, at),
      event: eventOf(request, payer, `${request.type}.pending_review`, undefined),
    };
  }

  const posted = post({ transactionId, payer, payee, amount, at }, params);
  if (!posted.ok) return posted;
  return {
    ok: true,
    transaction: transactionOf(request, assessment, posted.legs, at, posted.at),
    payer: posted.payer,
    payee: posted.payee,
    profile: assessed.profile,
    review: undefined,
    event: eventOf(request, payer, `${request.type}.posted`, posted.legs),
  };
}

function transactionOf(
  request: PaymentRequest,
  assessment: JsonObject,
  legs: readonly Leg[],
  createdAt: number,
  postedAt: number | null,
): Transaction {
  return {
    id: request.transactionId,
    organisationId: request.organisationId,
    type: request.type,
    status: postedAt === null ? "pending_review" : "posted",
    fromAccountId: request.fromAccountId,
    toAccountId: request.toAccountId,
    amount: request.amount,
    currency: request.currency,
    reference: request.reference,
    metadata: request.metadata,
    assessment,
    reviewId: postedAt === null ? request.reviewId : null,
    holdId: null,
    reverses: null,
    reversedAmount: ZERO,
    legs,
    createdAt,
    postedAt,
    version: 1,
  };
}

function reviewOf(request: PaymentRequest, assessment: JsonObject, at: number): Review {
  return {
    id: request.reviewId,
    organisationId: request.organisationId,
    transactionId: request.transactionId,
    fromAccountId: request.fromAccountId,
    toAccountId: request.toAccountId,
    amount: request.amount,
    currency: request.currency,
    status: "open",
    assessment,
    createdAt: at,
    decidedAt: null,
    decidedBy: null,
    version: 1,
  };
}

function eventOf(request: PaymentRequest, payer: Account, type: EventType, legs: readonly Leg[] | undefined): EventDraft {
  return {
    id: request.eventId,
    type,
    objectId: request.transactionId,
    userId: payer.userId ?? undefined,
    transactionId: request.transactionId,
    amount: request.amount,
    currency: request.currency,
    entries: legs === undefined ? undefined : entriesOf(legs),
  };
}

/** The entries of legs, as the audit event tells them. */
export function entriesOf(legs: readonly Leg[]): { accountId: string; amount: Minor }[] {
  const entries: { accountId: string; amount: Minor }[] = [];
  for (const { accountId, entry } of legs) if (entry !== null) entries.push({ accountId, amount: entry.amount });
  return entries;
}
