import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import {
  currencyField,
  described,
  exampleId,
  idField,
  listOf,
  metadataField,
  newestFirst,
  nullable,
  pageOf,
  pageParameters,
  readPage,
  readTimes,
  ref,
  sendExecuted,
  sendObject,
  sendRefusal,
  timeParameter,
  versionTagHeader,
  sendVersioned,
} from "#http/index.ts";
import { toTimestamp } from "#kernel/clock.ts";
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

const limitField = Type.Integer({
  minimum: 0,
  maximum: 9007199254740991,
  description: "Minor units the balance may go below zero; 0 when a new account names none.",
  examples: [50_000],
});
const rateField = Type.Integer({
  minimum: 0,
  maximum: 100_000,
  description: "Interest a year in basis points: 25 is 0.25 %. 0 when a new account names none.",
  examples: [25],
});

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
      config: {
        access: "key",
        scope: "accounts:write",
        idempotent: true,
        problems: ["user_not_found", "user_not_active", "too_many_accounts"],
      },
      schema: {
        operationId: "createAccount",
        tags,
        summary: "Open an account",
        description: "Empty and active. One of a user, or of the organisation itself where no `user_id` is given.",
        body: Type.Object(
          {
            type: Type.Unsafe<"checking" | "savings" | "fees">(
              Type.String({
                enum: ["checking", "savings", "fees"],
                description: "`fees` is for the organisation's own income. Settlement accounts are opened by the ledger itself.",
              }),
            ),
            currency: currencyField,
            user_id: Type.Optional(idField("user", "The customer it belongs to; the organisation itself when absent.")),
            overdraft_limit: Type.Optional(limitField),
            interest_rate_bps: Type.Optional(rateField),
            metadata: Type.Optional(metadataField),
          },
          { additionalProperties: false, examples: [{ type: "checking", currency: "EUR", user_id: exampleId("user") }] },
        ),
        response: { 201: ref("Account") },
      },
    },
    async (request, reply) => sendExecuted(reply, await openAccountFor(deps, askedBy(request), request.body)),
  );

  app.get(
    "/v1/accounts/:id",
    {
      config: { access: "key", scope: "accounts:read", sends: ["ETag"], problems: ["not_found"] },
      schema: {
        operationId: "getAccount",
        tags,
        summary: "Get an account",
        description: "With its balance, what is held of it, and what is available now. The `ETag` is for a later change with `If-Match`.",
        params,
        response: { 200: ref("Account") },
      },
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
      config: { access: "key", scope: "accounts:read", cost: 2, problems: ["invalid_cursor"] },
      schema: {
        operationId: "listAccounts",
        tags,
        summary: "List accounts, newest first",
        description: "Of the organisation, settlement accounts included, or of one user.",
        querystring: Type.Object(
          { ...pageParameters, user_id: Type.Optional(idField("user", "Only accounts of this user.")) },
          { additionalProperties: false },
        ),
        response: { 200: pageOf("Account") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const { user_id } = request.query;
      const index = user_id === undefined ? "OrganisationAccountsIndex" : "UserAccountsIndex";
      const page = await deps.store.query(newestFirst("smartfinance-accounts", index, user_id ?? organisationId, readPage(request.query)));
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
        scope: "accounts:write",
        sends: ["ETag"],
        problems: ["not_found", "version_conflict", "account_closed", "account_type_not_allowed", "overdraft_in_use"],
      },
      schema: {
        operationId: "updateAccount",
        tags,
        summary: "Change an account's terms",
        description:
          "Changes the fields that are given and leaves the others; `metadata` is replaced as a whole, and taken away by null. `If-Match` " +
          "with the `ETag` seen before refuses the change when the account has changed since.",
        params,
        headers: Type.Object({ "if-match": versionTagHeader }),
        body: Type.Object(
          {
            overdraft_limit: Type.Optional(limitField),
            interest_rate_bps: Type.Optional(rateField),
            metadata: Type.Optional(nullable(metadataField, "Your own key-value pairs instead of those kept; null takes them away.")),
          },
          { additionalProperties: false, minProperties: 1, examples: [{ overdraft_limit: 50_000, metadata: { tier: "gold" } }] },
        ),
        response: { 200: ref("Account") },
      },
    },
    async (request, reply) => {
      const seen = request.headers["if-match"];
      const version = seen === undefined ? undefined : Number(seen.slice(1, -1));
      return sendVersioned(reply, await changeAccountTerms(deps, askedBy(request), request.params.id, request.body, version));
    },
  );

  for (const verb of ["freeze", "unfreeze", "close"] as const) {
    app.post(
      `/v1/accounts/:id/${verb}`,
      {
        config: {
          access: "key",
          scope: "accounts:write",
          problems: ["not_found", "account_status_conflict", "account_type_not_allowed", "account_not_empty"],
        },
        schema: {
          operationId: `${verb}Account`,
          tags,
          summary: { freeze: "Freeze an account", unfreeze: "Unfreeze an account", close: "Close an empty account" }[verb],
          description: {
            freeze: "No money moves on it until it is unfrozen; holds can be voided. Takes no body.",
            unfreeze: "Money moves on it again. Takes no body.",
            close: "For good. Only an account without balance and holds can be closed. Takes no body.",
          }[verb],
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
      config: { access: "key", scope: "accounts:read", problems: ["not_found"] },
      schema: {
        operationId: "getBalance",
        tags,
        summary: "Get the balance, now or at a time",
        description:
          "The balance is the sum of the entries posted until then, so the past does not change. For a time to come it is the balance of now, and `at` says so.",
        params,
        querystring: Type.Object(
          { at: described(timeParameter, "The time to tell the balance of, RFC 3339; now when absent.") },
          { additionalProperties: false },
        ),
        response: { 200: ref("Balance") },
      },
    },
    async (request, reply) => {
      const account = await readAccount(deps.store, request.caller.principal.organisationId, request.params.id);
      if (account === undefined) return sendRefusal(reply, refuse("not_found"));
      const asked = readTimes({ at: request.query.at });
      if (!asked.ok) return sendRefusal(reply, asked);
      const now = deps.clock.now();
      const { at = now } = asked.times;
      const balance = asked.times.at === undefined ? account.balance : await balanceAt(deps.store, account, at);
      return sendObject(reply, {
        object: "balance",
        account_id: account.id,
        currency: account.currency,
        balance: minorToWire(balance),
        // What will be by a time to come is not known: the answer says that it is the balance of now.
        at: toTimestamp(Math.min(at, now)),
      });
    },
  );

  app.get(
    "/v1/accounts/:id/entries",
    {
      config: { access: "key", scope: "accounts:read", cost: 2, problems: ["not_found", "invalid_cursor"] },
      schema: {
        operationId: "listEntries",
        tags,
        summary: "List an account's entries, newest first",
        description: "Numbered without a gap, each with the balance after it.",
        params,
        querystring: Type.Object(
          {
            ...pageParameters,
            posted_from: described(timeParameter, "Only those posted at this time or later, RFC 3339."),
            posted_to: described(timeParameter, "Only those posted at this time or earlier, RFC 3339."),
          },
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
      const { posted_from, posted_to } = request.query;
      const asked = readTimes({ posted_from, posted_to });
      if (!asked.ok) return sendRefusal(reply, asked);
      const { posted_from: from, posted_to: to } = asked.times;
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
