import type { ScaPolicy } from "#authentications/index.ts";
import type { Need, Outcome, Reply, View, Working } from "#commit/index.ts";
import { refused, replied } from "#commit/index.ts";
import type { AccountId, OrganisationId, TransactionId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency } from "#kernel/money.ts";
import { minorFromWire } from "#kernel/money.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Account } from "#ledger/index.ts";
import { accounts, transactions } from "#ledger/index.ts";
import type { RiskContext } from "#risk/index.ts";
import { deviceIdIn, riskDevices, riskProfiles } from "#risk/index.ts";
import type { AccountFacts } from "../account-facts.ts";
import type { Governance } from "../decide/judge.ts";
import type { PaymentDecision, PaymentRequest, PaymentState } from "../decide/payment.ts";
import { decidePayment } from "../decide/payment.ts";
import type { PaymentDeps } from "../deps.ts";
import type { Metadata } from "#vault/index.ts";
import { paymentActions } from "../payment-action.ts";
import { presentTransaction } from "../present.ts";
import { reviews } from "../review.ts";
import type { ScaFields, ScaPlan } from "../sca-plan.ts";
import { useShown } from "../sca-plan.ts";
import type { PostingParams } from "#ledger/index.ts";

/** A transfer as a client asks for it. Amount in minor units. */
export interface TransferBody extends ScaFields {
  readonly from_account_id: AccountId;
  readonly to_account_id: AccountId;
  readonly amount: number;
  readonly currency: Currency;
  readonly reference?: string;
  readonly metadata?: Metadata;
  readonly context?: RiskContext;
}

/** How often what is in force is asked for again where it was waited for. */
const MAX_ASKED_AGAIN = 2;

/**
 * What the organisation has in force now, for the decision that follows; from memory as a rule, and then at once. Rejects with
 * StoreUnavailableError: no payment is decided without it.
 */
export function governanceOf(deps: InForceDeps, organisationId: OrganisationId): PaymentGovernance | Promise<PaymentGovernance> {
  const found = inForce(deps, organisationId);
  return found instanceof Promise ? whenRead(deps, organisationId, found) : found;
}

type InForceDeps = Pick<PaymentDeps, "policies" | "models" | "sca">;

function inForce(deps: InForceDeps, organisationId: OrganisationId): PaymentGovernance | Promise<PaymentGovernance> {
  const policy = deps.policies.of(organisationId);
  const models = deps.models.of(organisationId);
  const sca = deps.sca.of(organisationId);
  if (policy instanceof Promise || models instanceof Promise || sca instanceof Promise)
    return Promise.all([policy, models, sca]).then(([rules, found, terms]) => ({ policy: rules, models: found, sca: terms }));
  return { policy, models, sca };
}

/** One of them may have been waited for so long that the others are too old by now: they are asked for again, from memory as a rule. */
async function whenRead(
  deps: InForceDeps,
  organisationId: OrganisationId,
  reading: Promise<PaymentGovernance>,
): Promise<PaymentGovernance> {
  let read = await reading;
  for (let times = 0; times < MAX_ASKED_AGAIN; times++) {
    const again = inForce(deps, organisationId);
    if (!(again instanceof Promise)) return again;
    read = await again;
  }
  return read;
}

/** How payments are judged, and how their payers are authenticated. */
export interface PaymentGovernance extends Governance {
  readonly sca: ScaPolicy;
}

/** Draws the ids of a transfer and puts its parts into the decision's terms. */
export function transferRequest(
  deps: PaymentDeps,
  organisationId: OrganisationId,
  body: TransferBody,
  seal: (transactionId: string, metadata: Metadata) => JsonObject,
): PaymentRequest {
  const transactionId = deps.ids.next("transaction");
  const context = body.context ?? {};
  return {
    organisationId,
    transactionId,
    reviewId: deps.ids.next("review"),
    eventId: deps.ids.next("event"),
    type: "transfer",
    fromAccountId: body.from_account_id,
    toAccountId: body.to_account_id,
    amount: minorFromWire(body.amount),
    currency: body.currency,
    reference: body.reference ?? null,
    metadata: body.metadata === undefined ? null : seal(transactionId, body.metadata),
    context,
    deviceId: deviceIdIn(organisationId, context),
  };
}

/** What a decision has to know of a payment to name the records it needs. */
type Parties = Pick<PaymentRequest, "fromAccountId" | "toAccountId" | "deviceId">;

/** The records a payment's decision needs. Accounts that are not the organisation's own are not even locked. */
export function paymentNeeds(request: Parties, payer: AccountFacts | undefined, payee: AccountFacts | undefined): Need[] {
  const needs: Need[] = [];
  if (payer !== undefined) {
    needs.push({ collection: accounts, key: { hash: request.fromAccountId }, mode: "write" });
    needs.push({ collection: riskProfiles, key: { hash: payer.profileId }, mode: "write" });
  }
  if (payer !== undefined && request.deviceId !== undefined)
    needs.push({ collection: riskDevices, key: { hash: request.deviceId }, mode: "write" });
  if (payee !== undefined) needs.push({ collection: accounts, key: { hash: request.toAccountId }, mode: "write" });
  return needs;
}

/** The state of a payment, as far as its needs could be named. */
export function paymentState(view: View, request: Parties, payer: AccountFacts | undefined, payee: AccountFacts | undefined): PaymentState {
  return {
    payer: payer === undefined ? undefined : view.get(accounts, { hash: request.fromAccountId }),
    payee: payee === undefined ? undefined : view.get(accounts, { hash: request.toAccountId }),
    profile: payer === undefined ? undefined : view.get(riskProfiles, { hash: payer.profileId }),
    device: payer === undefined || request.deviceId === undefined ? undefined : view.get(riskDevices, { hash: request.deviceId }),
  };
}

/** Puts a decided payment into the working state. */
export function applyPayment(work: Working, decision: PaymentDecision): void {
  work.put(transactions, decision.transaction);
  if (decision.outcome !== "blocked") putAccounts(work, decision.payer, decision.payee);
  work.put(riskProfiles, decision.profile);
  if (decision.device !== undefined) work.put(riskDevices, decision.device);
  if (decision.review !== undefined) work.put(reviews, decision.review);
  if (decision.action !== undefined) work.put(paymentActions, decision.action);
  work.tell(decision.event);
}

/** A payment with everything that belongs to its decision, in the order in which that is done. */
export interface PaymentCommand {
  readonly request: PaymentRequest;
  readonly state: (work: Working) => PaymentState;
  readonly governance: PaymentGovernance;
  readonly params: PostingParams;
  readonly plan: ScaPlan | undefined;
  /** Called with a decision before anything of it is put into the working state. */
  readonly onDecided?: (decision: PaymentDecision) => void;
}

/** `changed`: the refusal has put an end to an authentication that was given for something else, which has to be committed with it. */
export interface NotPerformed {
  readonly ok: false;
  readonly refusal: Refusal;
  readonly changed: boolean;
}

/** Decides one payment and puts it into the working state, with the authentication it comes with, the counters and the series. */
export function perform(
  work: Working,
  { request, state, governance, params, plan, onDecided }: PaymentCommand,
  at: number,
): PaymentDecision | NotPerformed {
  const parties = state(work);
  // What names nobody is no payment that anything could have been approved for, so it voids nothing.
  const used = parties.payer === undefined || parties.payee === undefined ? undefined : useShown(work, plan, parties.payer, at);
  if (used?.ok === false) return used;
  const read = plan?.facts(work);
  if (read?.ok === false) return { ok: false, refusal: read, changed: false };
  const side = read === undefined ? undefined : { facts: read.facts, context: plan?.context ?? null };
  const decision = decidePayment(request, parties, governance, at, params, side);
  if (!decision.ok) return { ok: false, refusal: decision, changed: false };
  onDecided?.(decision);
  applyPayment(work, decision);
  settleSca(work, plan, decision, at);
  // Also a payment that risk blocks has used the authentication up: it was accepted once.
  if (used !== undefined) used.consume(work, request.transactionId);
  return decision;
}

/** The outcome of a payment that was not performed. */
export function notPerformed(work: Working, { refusal, changed }: NotPerformed, requestId: string | null): Outcome {
  const outcome = refused(refusal, requestId);
  return changed ? work.outcome(outcome.reply) : outcome;
}

/** Writes what a payment that goes on has changed of counters and series. One that waits for its payer does so once it goes on. */
function settleSca(work: Working, plan: ScaPlan | undefined, { sca, outcome }: PaymentDecision, at: number): void {
  if (plan === undefined || sca === undefined || outcome === "blocked" || sca.outcome === "required") return;
  plan.settle(work, sca.countersAfter, sca.outcome === "authenticated" ? "authenticated" : "exempt", at);
}

/** What the asker is told of a decided payment: 201 when it posted, 202 when it waits, 422 when it is blocked. */
export function replyOf({ outcome, transaction }: PaymentDecision, metadata: Metadata, requestId: string | null): Reply {
  if (outcome === "blocked") return refused(blocked(transaction.id), requestId).reply;
  return replied(outcome === "held" ? 202 : 201, presentTransaction(transaction, metadata));
}

/** The refusal of a blocked payment. It names the record, so that whoever asks back can be told more. */
export function blocked(id: TransactionId): Refusal {
  return refuse("risk_declined", undefined, `Nothing was moved. The decision is kept as ${id}.`);
}

export function putAccounts(work: Working, ...changed: readonly Account[]): void {
  for (const account of changed) work.put(accounts, account);
}
