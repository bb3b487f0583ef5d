import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import {
  described,
  idField,
  listOf,
  pageOf,
  pageParameters,
  readPage,
  readTimes,
  ref,
  sendExecuted,
  sendObject,
  sendRefusal,
  timeParameter,
} from "#http/index.ts";
import type { ProblemCode } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Transaction } from "#ledger/index.ts";
import { readTransaction, transactionStatuses, transactionTypes } from "#ledger/index.ts";
import { openMetadata } from "#vault/index.ts";
import { checkContext } from "./check-context.ts";
import { deposit } from "./commands/deposit.ts";
import { reverse } from "./commands/reversal.ts";
import { transferBatch } from "./commands/transfer-batch.ts";
import { transfer } from "./commands/transfer.ts";
import { withdrawal } from "./commands/withdrawal.ts";
import type { PaymentDeps } from "./deps.ts";
import { examples } from "./examples.ts";
import { holdRoutes } from "./hold-routes.ts";
import { listTransactions } from "./list-transactions.ts";
import { presentTransaction } from "./present.ts";
import { reviewRoutes } from "./review-routes.ts";
import { linkedSchema, noteSchema, reviewSchema } from "./review-schema.ts";
import { scaProblems } from "./sca-problems.ts";
import {
  batchBody,
  batchSchema,
  depositBody,
  holdSchema,
  reversalBody,
  transactionSchema,
  transferBody,
  withdrawalBody,
} from "./schema.ts";

/** What any movement of money may be refused with. */
export const moneyProblems = [
  "account_not_found",
  "account_frozen",
  "account_restricted",
  "account_closed",
  "account_type_not_allowed",
  "currency_mismatch",
  "insufficient_funds",
  "balance_overflow",
  "contention",
] as const satisfies readonly ProblemCode[];

/** Routes of transfers, deposits, withdrawals, transactions, holds and reviews. */
export function paymentRoutes(app: HttpServer, deps: PaymentDeps): void {
  for (const schema of [transactionSchema, holdSchema, reviewSchema, noteSchema, linkedSchema, batchSchema]) app.addSchema(schema);
  moneyRoutes(app, deps);
  transactionRoutes(app, deps);
  holdRoutes(app, deps);
  reviewRoutes(app, deps);
}

function moneyRoutes(app: HttpServer, deps: PaymentDeps): void {
  const waits = { 201: ref("Transaction"), 202: ref("Transaction", [examples.waiting, examples.pending]) };

  app.post(
    "/v1/transfers",
    {
      config: {
        access: "key",
        scope: "transfers:write",
        idempotent: true,
        problems: [...moneyProblems, ...scaProblems, "standing_order_not_active", "same_account", "too_many_holds", "risk_declined"],
      },
      schema: {
        operationId: "createTransfer",
        tags: ["Transfers"],
        summary: "Transfer money",
        description:
          "Judged for fraud before it posts, by score and rules. 201: posted. 202: the funds are held, and either a review is open (a score above " +
          "0.8, unless the organisation has it otherwise; `risk.reasons` tells why), or the payer has to approve it (`requires_action`): POST " +
          "/v1/authentications with its `transaction_id`, within 15 minutes. 422 `risk_declined`: blocked, nothing moved, and a transaction " +
          "with the status `blocked` tells why. With `authentication_id` the payer has approved it before: it has to be the same payment to the " +
          "character. A repetition of a transfer that posted at once shows it as it was then; only an update of the server that shows transactions " +
          "in another way changes the bytes.",
        body: transferBody,
        response: waits,
      },
    },
    async (request, reply) => {
      const refusal = checkContext(request.body);
      if (refusal !== undefined) return sendRefusal(reply, refusal);
      return sendExecuted(reply, await transfer(deps, askedBy(request), request.body));
    },
  );

  app.post(
    "/v1/transfers/batch",
    {
      config: {
        access: "key",
        scope: "transfers:write",
        cost: 20,
        idempotent: true,
        problems: [
          ...moneyProblems,
          ...scaProblems,
          "standing_order_not_active",
          "authentication_required",
          "same_account",
          "too_many_holds",
          "risk_declined",
        ],
      },
      schema: {
        operationId: "createTransferBatch",
        tags: ["Transfers"],
        summary: "Transfer money many times",
        description:
          "`independent`: up to 1,000 transfers, decided in order, a result each (200). `atomic`: up to 10, all or none (201); a transfer " +
          "that would wait for a review, or be blocked, refuses the batch. `authentication_id` approves an atomic batch: its total, and its payments " +
          "in their order. Without one a transfer whose payer has to be authenticated refuses the batch (`authentication_required`). 504 " +
          "`outcome_unknown`: the batch was interrupted; `detail` tells which transfers are decided, which are not done by this request and which are in " +
          "doubt, and the same request under the same key finishes them.",
        body: batchBody,
        response: { 200: ref("TransferBatch"), 201: ref("TransferBatch") },
      },
    },
    async (request, reply) => {
      for (const [index, one] of request.body.transfers.entries()) {
        const refusal = checkContext(one, `transfers.${index}.context`);
        if (refusal !== undefined) return sendRefusal(reply, refusal);
      }
      return sendExecuted(reply, await transferBatch(deps, askedBy(request), request.body));
    },
  );

  app.post(
    "/v1/deposits",
    {
      config: { access: "key", scope: "deposits:write", idempotent: true, problems: moneyProblems },
      schema: {
        operationId: "createDeposit",
        tags: ["Deposits and withdrawals"],
        summary: "Credit an account from outside",
        description: "Moves money from the organisation's settlement account of the currency. Not scored.",
        body: depositBody,
        response: { 201: ref("Transaction", [examples.deposit]) },
      },
    },
    async (request, reply) => sendExecuted(reply, await deposit(deps, askedBy(request), request.body)),
  );

  app.post(
    "/v1/withdrawals",
    {
      config: {
        access: "key",
        scope: "withdrawals:write",
        idempotent: true,
        sensitive: true,
        problems: [...moneyProblems, ...scaProblems, "too_many_holds", "risk_declined"],
      },
      schema: {
        operationId: "createWithdrawal",
        tags: ["Deposits and withdrawals"],
        summary: "Debit an account to the outside",
        description: "Moves money to the organisation's settlement account of the currency. Judged for fraud like a transfer.",
        body: withdrawalBody,
        response: waits,
      },
    },
    async (request, reply) => {
      const refusal = checkContext(request.body);
      if (refusal !== undefined) return sendRefusal(reply, refusal);
      return sendExecuted(reply, await withdrawal(deps, askedBy(request), request.body));
    },
  );

  app.post(
    "/v1/transactions/:id/reversals",
    {
      config: {
        access: "key",
        scope: "reversals:write",
        idempotent: true,
        bodyOptional: true,
        problems: [...moneyProblems, "not_found", "transaction_not_reversible", "reversal_exceeds_original"],
      },
      schema: {
        operationId: "createReversal",
        tags: ["Transactions"],
        summary: "Reverse a transaction, wholly or in part",
        description:
          "Moves the money back as a further transaction, because entries never change. Several reversals may give back parts; together " +
          "they never exceed the original. Without a body, all that has not been reversed yet.",
        params: Type.Object({ id: idField("transaction", "The transaction to reverse.") }),
        body: reversalBody,
        response: { 201: ref("Transaction", [examples.reversal]) },
      },
    },
    async (request, reply) => sendExecuted(reply, await reverse(deps, askedBy(request), request.params.id, request.body)),
  );
}

function transactionRoutes(app: HttpServer, deps: PaymentDeps): void {
  const tags = ["Transactions"];
  const present = async (t: Transaction) =>
    presentTransaction(
      t,
      await openMetadata(deps.vault, t.organisationId, "smartfinance-transactions", t.id, t.metadata),
      deps.clock.now(),
    );

  app.get(
    "/v1/transactions/:id",
    {
      config: { access: "key", scope: "transactions:read", problems: ["not_found"] },
      schema: {
        operationId: "getTransaction",
        tags,
        summary: "Get a transaction",
        description: "As it stands now: of a payment that waited for a review, what became of it.",
        params: Type.Object({ id: idField("transaction") }),
        response: { 200: ref("Transaction") },
      },
    },
    async (request, reply) => {
      const found = await readTransaction(deps.store, request.caller.principal.organisationId, request.params.id);
      return found === undefined ? sendRefusal(reply, refuse("not_found")) : sendObject(reply, await present(found));
    },
  );

  app.get(
    "/v1/transactions",
    {
      config: { access: "key", scope: "transactions:read", cost: 2, problems: ["invalid_cursor", "account_not_found", "user_not_found"] },
      schema: {
        operationId: "listTransactions",
        tags,
        summary: "List transactions, newest first",
        description:
          "Of the organisation, or of one account, or of all accounts of one user. A page may hold fewer than `limit` items " +
          "while `has_more` is true, when a filter keeps little. A list up to a time that is past misses what was created before it by a server " +
          "whose clock had been set back by more than two minutes and had not caught up by then; a list up to now, or without `created_to`, has it.",
        querystring: Type.Object(
          {
            ...pageParameters,
            account_id: Type.Optional(idField("account", "Only transactions of this account. Not together with `user_id`.")),
            user_id: Type.Optional(idField("user", "Only transactions of this user's accounts. Not together with `account_id`.")),
            status: Type.Optional(
              Type.Unsafe<Transaction["status"]>(
                Type.String({ enum: [...transactionStatuses], description: "Only those of this status." }),
              ),
            ),
            type: Type.Optional(
              Type.Unsafe<Transaction["type"]>(Type.String({ enum: [...transactionTypes], description: "Only those of this type." })),
            ),
            created_from: described(timeParameter, "Only those created at this time or later, RFC 3339."),
            created_to: described(timeParameter, "Only those created at this time or earlier, RFC 3339."),
          },
          { additionalProperties: false },
        ),
        response: { 200: pageOf("Transaction") },
      },
    },
    async (request, reply) => {
      const { limit, cursor } = readPage(request.query);
      const { account_id, user_id, status, type, created_from, created_to } = request.query;
      const asked = readTimes({ created_from, created_to });
      if (!asked.ok) return sendRefusal(reply, asked);
      const { created_from: from, created_to: to } = asked.times;
      const filter = { accountId: account_id, userId: user_id, status, type, from, to, limit, cursor, at: deps.clock.now() };
      const page = await listTransactions(deps.store, request.caller.principal.organisationId, filter);
      if (!page.ok) return sendRefusal(reply, page);
      return sendObject(reply, listOf(await Promise.all(page.transactions.map(present)), page.cursor));
    },
  );
}
