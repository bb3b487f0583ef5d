import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import {
  currencyField,
  idField,
  listOf,
  metadataField,
  nullable,
  pageOf,
  pageParameters,
  readPage,
  ref,
  sendExecuted,
  sendObject,
  sendRefusal,
  timeParameter,
} from "#http/index.ts";
import { parseTimestamp, toTimestamp } from "#kernel/clock.ts";
import { minorToWire } from "#kernel/money.ts";
import { refuse } from "#kernel/problems.ts";
import { openMetadata } from "#vault/index.ts";
import type { Account } from "#ledger/index.ts";
import { accounts, balanceAt, decodePositions, encodePositions, listByAccounts, readAccount } from "#ledger/index.ts";
import { changeAccountStatus, changeAccountTerms } from "./change-account.ts";
import type { AccountDeps } from "./deps.ts";
import { openAccountFor } from "./open-account.ts";
import { presentAccount } from "./present-account.ts";
import { accountSchema, balanceSchema, entrySchema } from "./schema.ts";

const limitField = Type.Integer({ minimum: 0, maximum: 9007199254740991, description: "Minor units the balance may go below zero." });
const rateField = Type.Integer({ minimum: 0, maximum: 100_000, description: "Interest a year in basis points." });

/** Routes of accounts, their balances and entries. */
export function accountRoutes(app: HttpServer, deps: AccountDeps): void {
  for (const schema of [accountSchema, balanceSchema, entrySchema]) app.addSchema(schema);
  const tags = ["Accounts"];
  const params = Type.Object({ id: idField("account") });
  const present = async (account: Account) =>
    presentAccount(
      account,
      await openMetadata(deps.vault, account.organisationId, "smartfinance-accounts", account.id, account.metadata),
      deps.clock.now(),
    );

  app.post(
    "/v1/accounts",
    {
      config: { access: "key", idempotent: true, problems: ["user_not_found", "too_many_accounts"] },
      schema: {
        operationId: "createAccount",
        tags,
        summary: "Open an account",
        body: Type.Object(
          {
            type: Type.Unsafe<"checking" | "savings" | "fees">(
              Type.String({ enum: ["checking", "savings", "fees"], description: "Settlement accounts are opened by the ledger itself." }),
            ),
            currency: currencyField,
            user_id: Type.Optional(idField("user")),
            overdraft_limit: Type.Optional(limitField),
            interest_rate_bps: Type.Optional(rateField),
            metadata: Type.Optional(metadataField),
          },
          { additionalProperties: false },
        ),
        response: { 201: ref("Account") },
      },
    },
    async (request, reply) => sendExecuted(reply, await openAccountFor(deps, askedBy(request), request.body)),
  );

  app.get(
    "/v1/accounts/:id",
    {
      config: { access: "key", problems: ["not_found"] },
      schema: { operationId: "getAccount", tags, summary: "Get an account", params, response: { 200: ref("Account") } },
    },
    async (request, reply) => {
      const account = await readAccount(deps.store, request.caller.principal.organisationId, request.params.id);
      if (account === undefined) return sendRefusal(reply, refuse("not_found"));
      reply.header("etag", `"${account.version}"`);
      return sendObject(reply, await present(account));
    },
  );

  app.get(
    "/v1/accounts",
    {
      config: { access: "key", problems: ["invalid_cursor"] },
      schema: {
        operationId: "listAccounts",
        tags,
        summary: "List accounts, newest first",
        querystring: Type.Object({ ...pageParameters, user_id: Type.Optional(idField("user")) }, { additionalProperties: false }),
        response: { 200: pageOf("Account") },
      },
    },
    async (request, reply) => {
      const { limit, cursor } = readPage(request.query);
      const { organisationId } = request.caller.principal;
      const { user_id } = request.query;
      const page = await deps.store.query({
        table: "smartfinance-accounts",
        index: user_id === undefined ? "OrganisationAccountsIndex" : "UserAccountsIndex",
        hash: user_id ?? organisationId,
        order: "descending",
        limit,
        ...(cursor === undefined ? {} : { cursor }),
      });
      const own = page.items.map((item) => accounts.fromItem(item)).filter((account) => account.organisationId === organisationId);
      // All accounts of a user are of one organisation. A cursor without items would tell that another's user has accounts.
      return sendObject(reply, listOf(await Promise.all(own.map(present)), own.length === 0 ? undefined : page.cursor));
    },
  );

  app.patch(
    "/v1/accounts/:id",
    {
      config: {
        access: "key",
        problems: ["not_found", "version_conflict", "account_closed", "account_type_not_allowed", "overdraft_in_use"],
      },
      schema: {
        operationId: "updateAccount",
        tags,
        summary: "Change an account's terms",
        description: "`If-Match` with the `ETag` seen before refuses the change when the account has changed since.",
        params,
        headers: Type.Object({ "if-match": Type.Optional(Type.String({ pattern: '^"[1-9][0-9]{0,14}"$' })) }),
        body: Type.Object(
          {
            overdraft_limit: Type.Optional(limitField),
            interest_rate_bps: Type.Optional(rateField),
            metadata: Type.Optional(nullable(metadataField)),
          },
          { additionalProperties: false, minProperties: 1 },
        ),
        response: { 200: ref("Account") },
      },
    },
    async (request, reply) => {
      const seen = request.headers["if-match"];
      const version = seen === undefined ? undefined : Number(seen.slice(1, -1));
      return sendExecuted(reply, await changeAccountTerms(deps, askedBy(request), request.params.id, request.body, version));
    },
  );

  for (const verb of ["freeze", "unfreeze", "close"] as const) {
    app.post(
      `/v1/accounts/:id/${verb}`,
      {
        config: { access: "key", problems: ["not_found", "account_status_conflict", "account_type_not_allowed", "account_not_empty"] },
        schema: {
          operationId: `${verb}Account`,
          tags,
          summary: { freeze: "Freeze an account", unfreeze: "Unfreeze an account", close: "Close an empty account" }[verb],
          params,
          response: { 200: ref("Account") },
        },
      },
      async (request, reply) => sendExecuted(reply, await changeAccountStatus(deps, askedBy(request), request.params.id, verb)),
    );
  }

  app.get(
    "/v1/accounts/:id/balance",
    {
      config: { access: "key", problems: ["not_found"] },
      schema: {
        operationId: "getBalance",
        tags,
        summary: "Get the balance, now or at a time",
        params,
        querystring: Type.Object({ at: timeParameter }, { additionalProperties: false }),
        response: { 200: ref("Balance") },
      },
    },
    async (request, reply) => {
      const account = await readAccount(deps.store, request.caller.principal.organisationId, request.params.id);
      if (account === undefined) return sendRefusal(reply, refuse("not_found"));
      const at = request.query.at === undefined ? deps.clock.now() : parseTimestamp(request.query.at);
      if (Number.isNaN(at)) return sendRefusal(reply, refuse("invalid_request", "at", "There is no such time."));
      const balance = request.query.at === undefined ? account.balance : await balanceAt(deps.store, account, at);
      return sendObject(reply, {
        object: "balance",
        account_id: account.id,
        currency: account.currency,
        balance: minorToWire(balance),
        at: toTimestamp(at),
      });
    },
  );

  app.get(
    "/v1/accounts/:id/entries",
    {
      config: { access: "key", problems: ["not_found", "invalid_cursor"] },
      schema: {
        operationId: "listEntries",
        tags,
        summary: "List an account's entries, newest first",
        params,
        querystring: Type.Object(
          { ...pageParameters, posted_from: timeParameter, posted_to: timeParameter },
          { additionalProperties: false },
        ),
        response: { 200: pageOf("Entry") },
      },
    },
    async (request, reply) => {
      const { limit, cursor } = readPage(request.query);
      const { organisationId } = request.caller.principal;
      const account = await readAccount(deps.store, organisationId, request.params.id);
      if (account === undefined) return sendRefusal(reply, refuse("not_found"));
      const from = request.query.posted_from === undefined ? undefined : parseTimestamp(request.query.posted_from);
      const to = request.query.posted_to === undefined ? undefined : parseTimestamp(request.query.posted_to);
      if (Number.isNaN(from)) return sendRefusal(reply, refuse("invalid_request", "posted_from", "There is no such time."));
      if (Number.isNaN(to)) return sendRefusal(reply, refuse("invalid_request", "posted_to", "There is no such time."));
      const positions = cursor === undefined ? undefined : decodePositions(cursor);
      if (cursor !== undefined && positions === undefined) return sendRefusal(reply, refuse("invalid_cursor", "cursor"));
      const page = await listByAccounts(deps.store, {
        organisationId,
        accounts: [account],
        from,
        to,
        positions,
        limit,
        keep: ({ leg }) => leg.entry !== null,
      });
      if (!page.valid) return sendRefusal(reply, refuse("invalid_cursor", "cursor"));
      const entries = page.steps.map(({ leg, transaction }) => ({
        object: "entry",
        account_id: account.id,
        number: leg.entry?.number ?? 0,
        transaction_id: transaction.id,
        amount: minorToWire(leg.entry?.amount ?? 0n),
        balance_after: minorToWire(leg.balanceAfter),
        posted_at: toTimestamp(leg.at),
      }));
      return sendObject(reply, listOf(entries, page.next === undefined ? undefined : encodePositions(page.next)));
    },
  );
}
