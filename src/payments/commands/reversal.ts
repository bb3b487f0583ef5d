import type { Asked, Executed } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import type { TransactionId } from "#kernel/ids.ts";
import { minorFromWire } from "#kernel/money.ts";
import { refuse } from "#kernel/problems.ts";
import { accounts, readTransaction, transactionKey, transactions } from "#ledger/index.ts";
import { invariant } from "#kernel/assert.ts";
import { decideReversal } from "../decide/reversal.ts";
import type { PaymentDeps } from "../deps.ts";
import type { Metadata } from "#vault/index.ts";
import { sealOptional } from "#vault/index.ts";
import { presentTransaction } from "../present.ts";
import { putAccounts } from "./payment.ts";

export interface ReversalBody {
  readonly amount?: number;
  readonly reference?: string;
  readonly metadata?: Metadata;
}

/** POST /v1/transactions/{id}/reversals. */
export async function reverse(deps: PaymentDeps, asked: Asked, id: TransactionId, body: ReversalBody): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const transactionId = deps.ids.next("transaction");
  const eventId = deps.ids.next("event");
  const metadata = await sealOptional(deps.vault, organisationId, "smartfinance-transactions", transactionId, body.metadata);
  // Read first because it tells the accounts, which never change; everything else is judged on what the commit loads.
  const found = await readTransaction(deps.store, organisationId, id);
  const key = transactionKey(organisationId, id);
  const parties = found === undefined ? [] : [found.fromAccountId, found.toAccountId];
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    privateReply: body.metadata !== undefined,
    needs:
      found === undefined
        ? []
        : [
            { collection: transactions, key, mode: "write" },
            ...parties.map((hash) => ({ collection: accounts, key: { hash }, mode: "write" as const })),
          ],
    decide(view, at) {
      if (found === undefined) return refused(refuse("not_found"), requestId);
      const work = workOn(view);
      const original = work.get(transactions, key);
      const payer = work.get(accounts, { hash: found.fromAccountId });
      const payee = work.get(accounts, { hash: found.toAccountId });
      invariant(original && payer, "a stored transaction has its payer");
      const decision = decideReversal(
        {
          organisationId,
          transactionId,
          eventId,
          amount: body.amount === undefined ? undefined : minorFromWire(body.amount),
          reference: body.reference ?? null,
          metadata,
        },
        original,
        payer,
        payee,
        at,
      );
      if (!decision.ok) return refused(decision, requestId);
      work.put(transactions, decision.original);
      work.put(transactions, decision.reversal);
      putAccounts(work, decision.payer, decision.payee);
      work.tell(decision.event);
      return work.outcome(replied(201, presentTransaction(decision.reversal, body.metadata ?? {})));
    },
  });
}
