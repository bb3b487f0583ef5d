import type { EventDraft, EventType } from "#audit/index.ts";
import type { ScaAnswer, ScaFacts } from "#authentications/index.ts";
import { requirementOf } from "#authentications/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { AccountId, EventId, OrganisationId, ReviewId, TransactionId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import { ZERO } from "#kernel/money.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { PaymentAction } from "../payment-action.ts";
import { ACTION_LIFE_MS } from "../payment-action.ts";
import type { Account, Leg, PostingParams, Transaction, TransactionStatus, TransactionType } from "#ledger/index.ts";
import { checkFunds, checkParties, holdersOf, isOwner, note, post, reserve } from "#ledger/index.ts";
import type { RiskContext, RiskDevice, RiskProfile } from "#risk/index.ts";
import { decideAction } from "#rules/index.ts";
import type { Review } from "../review.ts";
import type { Governance, Judged, PaymentOutcome } from "./judge.ts";
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

/** What strong authentication brings to a decision, where anything of it was loaded. */
export interface ScaSide {
  readonly facts: ScaFacts;
  /** The circumstances of the payment, sealed, in case it has to wait for its payer. */
  readonly context: JsonObject | null;
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
  /** Present when the payment waits for its payer. */
  readonly action: PaymentAction | undefined;
  /** What was decided about authentication; absent where nothing of it was loaded, and for a blocked payment. */
  readonly sca: ScaAnswer | undefined;
  readonly event: EventDraft;
}

/**
 * Decides a payment: parties, funds, then the risk judgement and whether the payer has to be authenticated, then the posting, the wait for
 * the payer or for a review with the funds reserved, or the block, of which only the record stays. Pure; every refusal leaves
 * everything as it was.
 */
export function decidePayment(
  request: PaymentRequest,
  state: PaymentState,
  governance: Governance,
  at: number,
  params: PostingParams,
  side?: ScaSide,
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
      action: undefined,
      sca: undefined,
      event: eventOf(request, payer, `${request.type}.blocked`, undefined),
    };
  }

  const sca = side === undefined ? undefined : requirementOf(side.facts, scaPaymentOf(judged, governance.policy, payer, payee, request));
  if (sca?.ok === false) return sca;
  if (sca?.outcome === "required") {
    invariant(side?.facts.userId, "only a user is authenticated");
    const expiresAt = at + ACTION_LIFE_MS;
    // Free again at that very millisecond, whether or not anybody has noted it by then.
    const reserved = reserve(payer, { id: transactionId, amount, expiresAt }, at);
    if (!reserved.ok) return reserved;
    const { profile, incoming, device } = learnt(judged, request, over, "held");
    const noted = note(transactionId, reserved.account, { ...payee, incoming }, at);
    return {
      ok: true,
      outcome: "held",
      transaction: { ...transactionOf(request, assessment, "requires_action", noted.legs, at, null), ...scaOf(sca, expiresAt) },
      payer: noted.payer,
      payee: noted.payee,
      profile,
      device,
      review: undefined,
      action: {
        transactionId,
        organisationId,
        userId: side.facts.userId,
        fromAccountId: payer.id,
        toAccountId: payee.id,
        reviewId: action === "review" ? request.reviewId : null,
        status: "open",
        context: side.context,
        expiresAt,
        createdAt: at,
        version: 1,
      },
      sca,
      event: eventOf(request, payer, `${request.type}.requires_action`, undefined),
    };
  }

  // A challenge that the payer cannot answer, or that nobody is to answer, is answered by a review.
  if (action === "review" || (action === "challenge" && sca?.outcome !== "authenticated")) {
    const reserved = reserve(payer, { id: transactionId, amount, expiresAt: null }, at);
    if (!reserved.ok) return reserved;
    const { profile, incoming, device } = learnt(judged, request, over, "held");
    const noted = note(transactionId, reserved.account, { ...payee, incoming }, at);
    return {
      ok: true,
      outcome: "held",
      transaction: { ...transactionOf(request, assessment, "pending_review", noted.legs, at, null), ...scaOf(sca) },
      payer: noted.payer,
      payee: noted.payee,
      profile,
      device,
      review: reviewOf(request, assessment, at),
      action: undefined,
      sca,
      event: eventOf(request, payer, `${request.type}.pending_review`, undefined),
    };
  }

  const { profile, incoming, device } = learnt(judged, request, over, "posted");
  const posted = post({ transactionId, payer, payee: { ...payee, incoming }, amount, at }, params);
  if (!posted.ok) return posted;
  return {
    ok: true,
    outcome: "posted",
    transaction: { ...transactionOf(request, assessment, "posted", posted.legs, at, posted.at), ...scaOf(sca) },
    payer: posted.payer,
    payee: posted.payee,
    profile,
    device,
    review: undefined,
    action: undefined,
    sca,
    event: eventOf(request, payer, `${request.type}.posted`, posted.legs),
  };
}

/** What the question of authentication is judged by. Only a payment that is not blocked comes to it. */
export function scaPaymentOf(
  { action, score, assessment }: Pick<Judged, "action" | "score" | "assessment">,
  { thresholds }: Pick<Governance["policy"], "thresholds">,
  payer: Account,
  payee: Account,
  { amount, currency }: Pick<PaymentRequest, "amount" | "currency">,
) {
  invariant(action !== "block", "nobody is authenticated for a blocked payment");
  const reasons = (assessment["reasons"] ?? []) as readonly string[];
  // A rule may let a payment pass whose score alone would not: that makes it no small risk.
  const lifted = action === "allow" && decideAction(score, thresholds, undefined) !== "allow";
  const riskFlags = lifted ? [...reasons, "score_above_threshold"] : reasons;
  return { amount, currency, action, score, riskFlags, ownAccount: isSamePerson(payer, payee) };
}

/** Whether both accounts are owned by the same people, no more and no fewer: a joint account is not one's own to the other owner. */
function isSamePerson(payer: Account, payee: Account): boolean {
  if (payer.userId === null || payer.userId !== payee.userId) return false;
  if (payer.holders === null && payee.holders === null) return true;
  const owners = (account: Account): string =>
    holdersOf(account)
      .flatMap(({ userId, role }) => (isOwner(role) ? [userId] : []))
      .sort((a, b) => (a < b ? -1 : 1))
      .join(" ");
  return owners(payer) === owners(payee);
}

/** The record's part about authentication; nothing where nothing was asked. @param expiresAt until when it waits, ms */
function scaOf(sca: ScaAnswer | undefined, expiresAt?: number): Pick<Transaction, "sca"> {
  if (sca?.evidence === undefined) return {};
  return { sca: expiresAt === undefined ? sca.evidence : { ...sca.evidence, expires_at: expiresAt } };
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

export function reviewOf(
  request: Pick<PaymentRequest, "reviewId" | "organisationId" | "transactionId" | "fromAccountId" | "toAccountId" | "amount" | "currency">,
  assessment: JsonObject,
  at: number,
): Review {
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
