import type { LowValueCounters, ScaFacts, ScaPolicy, ShownAuthentication, StandingOrder, Used } from "#authentications/index.ts";
import {
  beneficiaries,
  beneficiaryIdOf,
  countersKey,
  isLaterPayment,
  NO_COUNTERS,
  noCounters,
  resetCounters,
  scaCounters,
  shownNeed,
  standingOrders,
  useAuthentication,
  withApproved,
  withPayment,
} from "#authentications/index.ts";
import type { Need, View, Working } from "#commit/index.ts";
import type { AccountId, AuthenticationId, HoldId, OrganisationId, StandingOrderId, TransactionId, UserId } from "#kernel/ids.ts";
import { isId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import { minorToWire } from "#kernel/money.ts";
import type { Refusal } from "#kernel/problems.ts";
import type { Account } from "#ledger/index.ts";
import { accounts, holdersOf, mayInitiate, readAccount } from "#ledger/index.ts";
import { refuse } from "#kernel/problems.ts";
import type { RiskContext } from "#risk/index.ts";
import type { PolicySnapshot } from "#rules/index.ts";
import type { AccountFacts } from "./account-facts.ts";
import type { PaymentDeps } from "./deps.ts";
import { sealContext } from "./payment-action.ts";

/** What a request says beside the payment itself. */
export interface ScaFields {
  readonly authentication_id?: AuthenticationId;
  readonly standing_order_id?: StandingOrderId;
  /** As the payer was shown it. */
  readonly payee_name?: string;
}

/** A payment as far as strong authentication is concerned. */
export interface ScaRequest {
  readonly organisationId: OrganisationId;
  /** Of the payment, or of the hold. */
  readonly transactionId: TransactionId | HoldId;
  readonly type: "transfer" | "withdrawal" | "hold";
  readonly fromAccountId: AccountId;
  readonly toAccountId: AccountId;
  readonly amount: Minor;
  readonly currency: Currency;
  readonly reference: string | null;
  readonly context: RiskContext;
}

/** What was gathered before the decision. Without a plan nothing is loaded and nothing asked: the way of nearly all payments. */
export interface ScaPlan {
  readonly needs: readonly Need[];
  readonly shown: ShownAuthentication | undefined;
  /** The circumstances, sealed, in case the payment has to wait. */
  readonly context: JsonObject | null;
  /** What the decision is taken by, from what it has loaded. */
  facts(view: View): { readonly ok: true; readonly facts: ScaFacts } | Refusal;
  /** Writes what a payment that goes on has changed of it. @param at milliseconds */
  settle(work: Working, counters: LowValueCounters, outcome: "authenticated" | "exempt", at: number): void;
}

/** What the payments of one batch have in common. */
export interface Together {
  /** All or none: none of them can wait. */
  readonly atomic: boolean;
  /** The authentication of the whole batch, which is checked and used up once, by the batch. */
  readonly authenticationId: AuthenticationId | undefined;
  /** Which users have factors, as far as it has been asked. */
  readonly able: Map<UserId, Promise<boolean>>;
}

function knownOrAsked(
  deps: Pick<PaymentDeps, "canAuthenticate">,
  organisationId: OrganisationId,
  userId: UserId,
  policy: ScaPolicy,
  all: Together | undefined,
): Promise<boolean> {
  const asked = all?.able.get(userId) ?? deps.canAuthenticate(organisationId, userId, policy);
  all?.able.set(userId, asked);
  return asked;
}

/**
 * Somebody who may start payments from the account and has a factor: its first owner, else another holder. Who holds it is read for that
 * alone; that whoever comes may still pay then is asked when the payment is approved.
 */
async function findApprover(
  deps: PlanDeps,
  { organisationId, fromAccountId }: ScaRequest,
  userId: UserId,
  terms: ScaPolicy,
  all: Together | undefined,
): Promise<UserId | undefined> {
  if (await knownOrAsked(deps, organisationId, userId, terms, all)) return userId;
  const payer = await readAccount(deps.store, organisationId, fromAccountId);
  if (payer === undefined) return undefined;
  for (const { userId: holder } of holdersOf(payer))
    if (holder !== userId && mayInitiate(payer, holder) && (await knownOrAsked(deps, organisationId, holder, terms, all))) return holder;
  return undefined;
}

/** Whether score or rules of an organisation can ask for a challenge at all. */
function mayChallenge({ thresholds, ruleSetId }: PolicySnapshot): boolean {
  return thresholds.challengeAbove !== null || ruleSetId !== null;
}

/** The user behind an account, whose id its risk profile has. */
function userOf(payer: AccountFacts | undefined): UserId | null {
  const id = payer?.profileId;
  return isId("user", id) ? id : null;
}

/**
 * Gathers what strong authentication needs to know of a payment. In the mode `psd2` that is the payer's counters and list; otherwise, where
 * risk may challenge, whether the payer has a factor.
 * @returns at once `undefined` where neither is so and no authentication is shown: nothing is loaded, and nobody waits
 */
export function planSca(
  deps: PlanDeps,
  request: ScaRequest,
  fields: ScaFields,
  payer: AccountFacts | undefined,
  governance: { readonly policy: PolicySnapshot; readonly sca: ScaPolicy },
  all?: Together,
): Promise<ScaPlan> | undefined {
  const { sca: terms, policy } = governance;
  const authenticationId = fields.authentication_id ?? all?.authenticationId;
  const asks = terms.mode === "psd2" || (terms.mode === "risk_only" && mayChallenge(policy));
  if (!asks && authenticationId === undefined && fields.standing_order_id === undefined) return undefined;
  const userId = userOf(payer);
  const ruled = terms.mode === "psd2" && userId !== null ? userId : undefined;
  const challengeable = asks && userId !== null;
  if (!challengeable && authenticationId === undefined && fields.standing_order_id === undefined) return undefined;
  return gather(deps, request, fields, { terms, userId, ruled, challengeable, authenticationId, all });
}

type PlanDeps = Pick<PaymentDeps, "store" | "vault" | "ids" | "canAuthenticate">;

interface Applies {
  readonly terms: ScaPolicy;
  readonly userId: UserId | null;
  /** The user whose payments are authenticated unless they are exempt; `undefined` where that is not so. */
  readonly ruled: UserId | undefined;
  /** The payer may be asked at all. */
  readonly challengeable: boolean;
  readonly authenticationId: AuthenticationId | undefined;
  readonly all: Together | undefined;
}

async function gather(deps: PlanDeps, request: ScaRequest, fields: ScaFields, applies: Applies): Promise<ScaPlan> {
  const { terms, userId, ruled, challengeable, authenticationId, all } = applies;
  const { organisationId } = request;
  const { standing_order_id: orderId, payee_name = null } = fields;
  const mayWait = challengeable && authenticationId === undefined && request.type !== "hold" && all?.atomic !== true;
  const approverId = userId !== null && challengeable ? await findApprover(deps, request, userId, terms, all) : undefined;
  const canAuthenticate = approverId !== undefined;
  const context =
    mayWait && canAuthenticate
      ? sealContext(deps.vault, await deps.vault.dataKey(organisationId), request.transactionId, request.context)
      : null;
  const shown: ShownAuthentication | undefined =
    fields.authentication_id === undefined
      ? undefined
      : await withApproved(deps, {
          organisationId,
          id: fields.authentication_id,
          approval: { purpose: "payment", transaction_id: null, payment: approvedPayment(request, payee_name) },
          eventId: deps.ids.next("event"),
        });
  // A withdrawal goes to somebody outside, whom its settlement account does not name: trusting that account would be trusting everybody.
  const listed = ruled !== undefined && request.type !== "withdrawal";
  const trustedKey = listed ? { hash: beneficiaryIdOf(ruled, request.toAccountId) } : undefined;
  const needs: Need[] = [];
  if (shown !== undefined) needs.push(shownNeed(shown));
  if (ruled !== undefined) needs.push({ collection: scaCounters, key: countersKey(ruled), mode: "write" });
  if (trustedKey !== undefined) needs.push({ collection: beneficiaries, key: trustedKey, mode: "read" });
  if (orderId !== undefined) needs.push({ collection: standingOrders, key: { hash: orderId }, mode: "write" });

  return {
    needs,
    shown,
    context,
    facts(view) {
      const order = orderId === undefined ? undefined : view.get(standingOrders, { hash: orderId });
      if (orderId !== undefined) {
        const payerNow = userId === null ? undefined : view.get(accounts, { hash: request.fromAccountId });
        const refusal = checkOrder(order, payerNow);
        if (refusal !== undefined) return refusal;
      }
      const counters = ruled === undefined ? undefined : view.get(scaCounters, countersKey(ruled));
      const trusted = trustedKey !== undefined && view.get(beneficiaries, trustedKey)?.status === "active";
      const facts: ScaFacts = {
        terms,
        userId,
        canAuthenticate,
        approverId,
        authenticationId: authenticationId ?? null,
        trusted,
        standingOrderId: orderId ?? null,
        recurring: order !== undefined && isLaterPayment(order, request),
        counters: counters === undefined ? NO_COUNTERS : { count: counters.count, amount: counters.amount },
      };
      return { ok: true, facts };
    },
    settle(work, after, outcome, at) {
      if (orderId !== undefined) countSeries(work, orderId, request, outcome === "authenticated");
      if (ruled === undefined) return;
      const before = work.get(scaCounters, countersKey(ruled)) ?? noCounters(organisationId, ruled);
      if (outcome === "authenticated") work.put(scaCounters, resetCounters(before, at));
      else if (after.count !== before.count || after.amount !== before.amount)
        work.put(scaCounters, { ...before, count: after.count, amount: after.amount, version: before.version + 1 });
    },
  };
}

/**
 * Whether a payment may name a series: one of its account, made by somebody who may still start payments from it. Any other is as unknown
 * as one that does not exist, unless whoever made it holds this account as well and has only named the wrong one.
 */
function checkOrder(order: StandingOrder | undefined, payer: Account | undefined): Refusal | undefined {
  if (order === undefined || payer === undefined || order.organisationId !== payer.organisationId)
    return refuse("not_found", "standing_order_id");
  const acts = mayInitiate(payer, order.userId);
  if (!acts && order.fromAccountId !== payer.id) return refuse("not_found", "standing_order_id");
  if (order.status === "canceled") return refuse("standing_order_not_active", "standing_order_id");
  if (acts) return undefined;
  return refuse("standing_order_not_active", "standing_order_id", "Whoever made it may not start payments from the account.");
}

/**
 * One more payment of a series, where it is one: another amount, or another payee, is a payment of its own. A series is begun by an
 * authenticated payment only (RTS Art 14(1)), so what another exemption covered, or nobody was asked for, does not begin it.
 */
export function countSeries(
  work: Working,
  orderId: StandingOrderId,
  payment: Pick<ScaRequest, "fromAccountId" | "toAccountId" | "amount" | "currency">,
  authenticated: boolean,
): void {
  const order = work.get(standingOrders, { hash: orderId });
  if (order === undefined || (order.payments === 0 && !authenticated)) return;
  if (isLaterPayment({ ...order, payments: 1 }, payment)) work.put(standingOrders, withPayment(order));
}

/** The payment as its payer approves it. */
export function approvedPayment(
  request: Pick<ScaRequest, "type" | "fromAccountId" | "toAccountId" | "amount" | "currency" | "reference">,
  payeeName: string | null,
) {
  return {
    type: request.type,
    from_account_id: request.fromAccountId,
    to_account_id: request.toAccountId,
    amount: minorToWire(request.amount),
    currency: request.currency,
    reference: request.reference,
    payee_name: payeeName,
  };
}

/** Checks the authentication that a payment comes with, where it comes with one: of somebody who may start payments from the account. */
export function useShown(work: Working, plan: ScaPlan | undefined, payer: Account, at: number): Used | undefined {
  return plan?.shown === undefined ? undefined : useAuthentication(work, plan.shown, (userId) => mayInitiate(payer, userId), at);
}
