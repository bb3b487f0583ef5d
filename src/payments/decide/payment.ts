import type { EventDraft, EventType } from "#audit/index.ts";
import type { AccountId, EventId, OrganisationId, ReviewId, TransactionId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import { ZERO } from "#kernel/money.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Account, Leg, PostingParams, Transaction, TransactionStatus, TransactionType } from "#ledger/index.ts";
import { checkFunds, checkParties, note, post, reserve } from "#ledger/index.ts";
import type { RiskContext, RiskDevice, RiskProfile } from "#risk/index.ts";
import type { Review } from "../review.ts";
import type { Governance, PaymentOutcome } from "./judge.ts";
import { judge, learnt } from "./judge.ts";

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
  /** Where the context's device is kept; `undefined` when it names none. */
  readonly deviceId: string | undefined;
}

/** The state the decision is taken over. Accounts of another organisation count as absent. */
export interface PaymentState {
  readonly payer: Account | undefined;
  readonly payee: Account | undefined;
  readonly profile: RiskProfile | undefined;
  readonly device: RiskDevice | undefined;
}

export interface PaymentDecision {
  readonly ok: true;
  readonly outcome: PaymentOutcome;
  readonly transaction: Transaction;
  /** As they were, where the payment is blocked. */
  readonly payer: Account;
  readonly payee: Account;
  readonly profile: RiskProfile;
  /** Only where something is new to write. */
  readonly device: RiskDevice | undefined;
  /** Present when the payment waits for a review. */
  readonly review: Review | undefined;
  readonly event: EventDraft;
}

/**
 * Decides a payment: parties, funds, then the risk judgement, then the posting, the wait for a review with the funds reserved, or
 * the block, of which only the record stays. Pure; every refusal leaves everything as it was.
 */
export function decidePayment(
  request: PaymentRequest,
  state: PaymentState,
  governance: Governance,
  at: number,
  params: PostingParams,
): PaymentDecision | Refusal {
  const { organisationId, amount, transactionId } = request;
  const { payer, payee } = state;
  if (payer === undefined || payer.organisationId !== organisationId) return refuse("account_not_found", params.payer);
  if (payee === undefined || payee.organisationId !== organisationId) return refuse("account_not_found", params.payee);
  if (payer.type === "settlement") return refuse("account_type_not_allowed", params.payer);
  if (request.type === "transfer" && payee.type === "settlement") return refuse("account_type_not_allowed", params.payee);
  if (payer.currency !== request.currency) return refuse("currency_mismatch", "currency");
  const refusal = checkParties(payer, payee, params) ?? checkFunds(payer, amount, at);
  if (refusal !== undefined) return refusal;

  const over = { payer, payee, profile: state.profile, device: state.device };
  const judged = judge(request, over, governance, at);
  const { action, assessment } = judged;

  if (action === "block") {
    const { profile, device } = learnt(judged, request, over, "blocked");
    return {
      ok: true,
      outcome: "blocked",
      transaction: transactionOf(request, assessment, "blocked", [], at, null),
      payer,
      payee,
      profile,
      device,
      review: undefined,
      event: eventOf(request, payer, `${request.type}.blocked`, undefined),
    };
  }

  // A challenge is answered by a review until there is another way to answer it.
  if (action !== "allow") {
    const reserved = reserve(payer, { id: transactionId, amount, expiresAt: null }, at);
    if (!reserved.ok) return reserved;
    const { profile, incoming, device } = learnt(judged, request, over, "held");
    const noted = note(transactionId, reserved.account, { ...payee, incoming }, at);
    return {
      ok: true,
      outcome: "held",
      transaction: transactionOf(request, assessment, "pending_review", noted.legs, at, null),
      payer: noted.payer,
      payee: noted.payee,
      profile,
      device,
      review: reviewOf(request, assessment, at),
      event: eventOf(request, payer, `${request.type}.pending_review`, undefined),
    };
  }

  const { profile, incoming, device } = learnt(judged, request, over, "posted");
  const posted = post({ transactionId, payer, payee: { ...payee, incoming }, amount, at }, params);
  if (!posted.ok) return posted;
  return {
    ok: true,
    outcome: "posted",
    transaction: transactionOf(request, assessment, "posted", posted.legs, at, posted.at),
    payer: posted.payer,
    payee: posted.payee,
    profile,
    device,
    review: undefined,
    event: eventOf(request, payer, `${request.type}.posted`, posted.legs),
  };
}

function transactionOf(
  request: PaymentRequest,
  assessment: JsonObject,
  status: TransactionStatus,
  legs: readonly Leg[],
  createdAt: number,
  postedAt: number | null,
): Transaction {
  return {
    id: request.transactionId,
    organisationId: request.organisationId,
    type: request.type,
    status,
    fromAccountId: request.fromAccountId,
    toAccountId: request.toAccountId,
    amount: request.amount,
    currency: request.currency,
    reference: request.reference,
    metadata: request.metadata,
    assessment,
    reviewId: status === "pending_review" ? request.reviewId : null,
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
