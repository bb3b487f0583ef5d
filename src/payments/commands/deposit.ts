import type { Asked, Executed } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import type { AccountId } from "#kernel/ids.ts";
import type { Currency } from "#kernel/money.ts";
import { minorFromWire } from "#kernel/money.ts";
import { refuse } from "#kernel/problems.ts";
import { accounts, post, transactions } from "#ledger/index.ts";
import { recordMovement } from "../decide/movement.ts";
import type { PaymentDeps } from "../deps.ts";
import type { Metadata } from "#vault/index.ts";
import { sealOptional } from "#vault/index.ts";
import { presentTransaction } from "../present.ts";
import { putAccounts } from "./payment.ts";
import { settlementAccount, settlementNeed } from "./settlement.ts";

/** Money that enters or leaves through the settlement account. Amount in minor units. */
export interface DepositBody {
  readonly account_id: AccountId;
  readonly amount: number;
  readonly currency: Currency;
  readonly reference?: string;
  readonly metadata?: Metadata;
}

/** What a deposit takes: it is neither scored nor authenticated. */
export type DepositDeps = Pick<PaymentDeps, "store" | "queue" | "vault" | "ids" | "facts">;

/** POST /v1/deposits: debits the settlement account, credits the customer's. */
export async function deposit(deps: DepositDeps, asked: Asked, body: DepositBody): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const transactionId = deps.ids.next("transaction");
  const eventId = deps.ids.next("event");
  const openedEventId = deps.ids.next("event");
  const metadata = await sealOptional(deps.vault, organisationId, "smartfinance-transactions", transactionId, body.metadata);
  const amount = minorFromWire(body.amount);
  const facts = await deps.facts.of(organisationId, body.account_id);
  const own = facts === undefined ? [] : [{ collection: accounts, key: { hash: body.account_id }, mode: "write" as const }];
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    privateReply: body.metadata !== undefined,
    needs: [...own, settlementNeed(organisationId, body.currency)],
    decide(view, at) {
      const work = workOn(view);
      const payee = facts === undefined ? undefined : work.get(accounts, { hash: body.account_id });
      if (payee === undefined) return refused(refuse("account_not_found", "account_id"), requestId);
      if (payee.type === "settlement") return refused(refuse("account_type_not_allowed", "account_id"), requestId);
      if (payee.currency !== body.currency) return refused(refuse("currency_mismatch", "currency"), requestId);
      const settlement = settlementAccount(work, organisationId, body.currency, openedEventId, at);
      const params = { payer: "currency", payee: "account_id" };
      const posted = post({ transactionId, payer: settlement.account, payee, amount, at }, params);
      if (!posted.ok) return refused(posted, requestId);
      const { transaction, event } = recordMovement(
        {
          organisationId,
          transactionId,
          eventId,
          type: "deposit",
          amount,
          reference: body.reference ?? null,
          metadata,
          assessment: null,
          holdId: null,
          reverses: null,
        },
        posted,
        payee,
        at,
      );
      settlement.opened();
      putAccounts(work, posted.payer, posted.payee);
      work.put(transactions, transaction);
      work.tell(event);
      return work.outcome(replied(201, presentTransaction(transaction, body.metadata ?? {})));
    },
  });
}
