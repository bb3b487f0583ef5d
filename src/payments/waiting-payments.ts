import type { WaitingPayment, WaitingPayments } from "#authentications/index.ts";
import { countersKey, noCounters, resetCounters, scaCounters, standingOrders } from "#authentications/index.ts";
import type { Need, View, Working } from "#commit/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { StandingOrderId, TransactionId } from "#kernel/ids.ts";
import { isId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Account, Transaction } from "#ledger/index.ts";
import { accounts, mayInitiate, readTransaction, transactionKey, transactions } from "#ledger/index.ts";
import type { RiskContext } from "#risk/index.ts";
import { deviceIdIn, riskDevices, riskProfiles } from "#risk/index.ts";
import { putAccounts } from "./commands/payment.ts";
import type { ActionState } from "./decide/action.ts";
import { abandonAction, completeAction, waitsAt } from "./decide/action.ts";
import { learntLater } from "./decide/learn-later.ts";
import type { PaymentDeps } from "./deps.ts";
import type { PaymentAction } from "./payment-action.ts";
import { actionKey, openContext, paymentActions } from "./payment-action.ts";
import { reviews } from "./review.ts";
import { approvedPayment, countSeries } from "./sca-plan.ts";

type Deps = Pick<PaymentDeps, "store" | "vault" | "ids" | "clock">;

/** The payments that wait for their payers, as the room of authentications sees them. */
export function createWaitingPayments(deps: Deps): WaitingPayments {
  return {
    async read(organisationId, id) {
      const item = await deps.store.get(paymentActions.table, actionKey(id));
      const action = item === undefined ? undefined : paymentActions.fromItem(item);
      if (action === undefined || action.organisationId !== organisationId || !waitsAt(action, deps.clock.now())) return undefined;
      const transaction = await readTransaction(deps.store, organisationId, id);
      invariant(transaction, "what waits is a stored transaction");
      return waitingPayment(deps, action, transaction, await openContext(deps.vault, action));
    },
  };
}

function waitingPayment(deps: Deps, action: PaymentAction, transaction: Transaction, context: RiskContext): WaitingPayment {
  const { organisationId, transactionId, userId, fromAccountId, toAccountId } = action;
  const key = transactionKey(organisationId, transactionId);
  const eventId = deps.ids.next("event");
  // Drawn now, because reviews are listed by their ids in the order in which they are opened.
  const reviewId = action.reviewId === null ? null : deps.ids.next("review");
  const orderId = orderOf(transaction);
  const deviceId = deviceIdIn(organisationId, context);
  // The profile of a user's account is the user's.
  const profileKey = { hash: userId };
  const needs: Need[] = [
    { collection: paymentActions, key: actionKey(transactionId), mode: "write" },
    { collection: transactions, key, mode: "write" },
    { collection: accounts, key: { hash: fromAccountId }, mode: "write" },
    { collection: accounts, key: { hash: toAccountId }, mode: "write" },
    { collection: riskProfiles, key: profileKey, mode: "write" },
    { collection: scaCounters, key: countersKey(userId), mode: "write" },
  ];
  if (deviceId !== undefined) needs.push({ collection: riskDevices, key: { hash: deviceId }, mode: "read" });
  if (orderId !== undefined) needs.push({ collection: standingOrders, key: { hash: orderId }, mode: "write" });

  return {
    payment: approvalOf(transaction),
    expiresAt: action.expiresAt,
    needs,
    stillWaiting(work, at) {
      const stored = loadAction(work, transactionId);
      return waitsAt(stored.action, at) ? approvalOf(stored.transaction) : undefined;
    },
    mayBeApprovedBy: (work, approver) => mayInitiate(loadAction(work, transactionId).payer, approver),
    complete(work, authenticationId, at) {
      const state = loadAction(work, transactionId);
      const opening = { ...state, action: { ...state.action, reviewId } };
      const completed = completeAction(opening, authenticationId, eventId, at);
      if (!completed.ok) return completed;
      let { payee } = completed;
      if (completed.review === undefined) {
        const profile = work.get(riskProfiles, profileKey);
        const device = deviceId === undefined ? undefined : work.get(riskDevices, { hash: deviceId });
        const learnt = learntLater(state.transaction, context, { payer: state.payer, payee: state.payee, profile, device }, at);
        if (learnt !== undefined) {
          work.put(riskProfiles, learnt.profile);
          payee = { ...payee, incoming: learnt.incoming };
        }
      } else work.put(reviews, completed.review);
      work.put(paymentActions, completed.action);
      work.put(transactions, completed.transaction);
      putAccounts(work, completed.payer);
      // A payment that goes to a review leaves its payee as it is.
      if (payee.version > state.payee.version) putAccounts(work, payee);
      settle(work, state, orderId, at);
      work.tell(completed.event);
      return { ok: true };
    },
    giveUp(work, why, at) {
      const abandoned = abandonAction(loadAction(work, transactionId), why, eventId, at);
      work.put(paymentActions, abandoned.action);
      work.put(transactions, abandoned.transaction);
      putAccounts(work, abandoned.payer);
      work.tell(abandoned.event);
    },
  };
}

/** The counters begin anew with an authenticated payment, and the series has one more. */
function settle(work: Working, { action, transaction }: ActionState, orderId: StandingOrderId | undefined, at: number): void {
  if (transaction.sca?.["mode"] === "psd2") {
    const before = work.get(scaCounters, countersKey(action.userId)) ?? noCounters(action.organisationId, action.userId);
    work.put(scaCounters, resetCounters(before, at));
  }
  if (orderId !== undefined) countSeries(work, orderId, transaction, true);
}

/** The records of a waiting payment as the decision has loaded them. */
function loadAction(view: View, id: TransactionId): ActionState {
  const action = view.get(paymentActions, actionKey(id));
  const transaction = action && view.get(transactions, transactionKey(action.organisationId, id));
  const payer: Account | undefined = action && view.get(accounts, { hash: action.fromAccountId });
  const payee: Account | undefined = action && view.get(accounts, { hash: action.toAccountId });
  invariant(action && transaction && payer && payee, "a waiting payment has its transaction and accounts");
  return { action, transaction, payer, payee };
}

/** The payment as its payer approves it; the payee's name belongs to the authentication. */
function approvalOf(transaction: Transaction) {
  const { type } = transaction;
  invariant(type === "transfer" || type === "withdrawal", "only transfers and withdrawals wait for their payer");
  return approvedPayment({ ...transaction, type }, null);
}

/** The standing order that a payment named. */
export function orderOf({ sca }: Pick<Transaction, "sca">): StandingOrderId | undefined {
  const inputs = sca?.["inputs"] as JsonObject | undefined;
  const id = inputs?.["standing_order_id"];
  return isId("standingOrder", id) ? id : undefined;
}
