import type { Executed } from "#commit/index.ts";
import { workOn } from "#commit/index.ts";
import { invariant } from "#kernel/assert.ts";
import { accounts, transactionKey, transactions } from "#ledger/index.ts";
import { abandonAction, waitsAt } from "../decide/action.ts";
import type { PaymentAction } from "../payment-action.ts";
import { actionKey, paymentActions } from "../payment-action.ts";
import { putAccounts } from "./payment.ts";
import type { ExpiryDeps } from "./review-expiry.ts";

const DONE = { status: 204, body: "" };

/**
 * Writes down that a payment's payer did not come in time, in the installation's own name. Its funds have been free since that
 * millisecond. Any number of nodes may try at the same time, and beside the payer: exactly one of them changes it.
 */
export function expireAction({ queue, ids }: ExpiryDeps, found: PaymentAction): Promise<Executed> {
  const { organisationId, transactionId, fromAccountId } = found;
  const eventId = ids.next("event");
  const key = actionKey(transactionId);
  return queue.execute({
    actor: { organisationId, apiKeyId: null, ip: null, userAgent: null, requestId: null },
    needs: [
      { collection: paymentActions, key, mode: "write" },
      { collection: transactions, key: transactionKey(organisationId, transactionId), mode: "write" },
      { collection: accounts, key: { hash: fromAccountId }, mode: "write" },
    ],
    appends: 1,
    decide(view, at) {
      const work = workOn(view);
      const action = work.get(paymentActions, key);
      const transaction = work.get(transactions, transactionKey(organisationId, transactionId));
      const payer = work.get(accounts, { hash: fromAccountId });
      invariant(action && transaction && payer, "a waiting payment has its transaction and payer");
      if (action.status !== "open" || waitsAt(action, at)) return work.outcome(DONE);
      const expired = abandonAction({ action, transaction, payer }, "authentication_expired", eventId, at);
      work.put(paymentActions, expired.action);
      work.put(transactions, expired.transaction);
      putAccounts(work, expired.payer);
      work.tell(expired.event);
      return work.outcome(DONE);
    },
  });
}
