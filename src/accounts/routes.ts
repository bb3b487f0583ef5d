import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import {
  currencyField,
  exampleId,
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
  sendVersioned,
  versionSeen,
  versionTagHeader,
} from "#http/index.ts";
import { refuse } from "#kernel/problems.ts";
import { openMetadata } from "#vault/index.ts";
import type { Account } from "#ledger/index.ts";
import { MAX_HOLDERS, readAccount } from "#ledger/index.ts";
import { changeAccountStatus, changeAccountTerms } from "./change-account.ts";
import type { AccountDeps } from "./deps.ts";
import { historyRoutes } from "./history-routes.ts";
import { holderRoutes } from "./holder-routes.ts";
import { listAccounts, listAccountsOf } from "./list-accounts.ts";
import { openAccountFor } from "./open-account.ts";
import { presentAccount } from "./present-account.ts";
import { accountSchema, balanceSchema, entrySchema, holderFields } from "./schema.ts";

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

/** Routes of accounts, their holders, balances and entries. */
export function accountRoutes(app: HttpServer, deps: AccountDeps): void {
  for (const schema of [accountSchema, balanceSchema, entrySchema]) app.addSchema(schema);
  holderRoutes(app, deps);
  historyRoutes(app, deps);
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
        description:
          "Empty and active: of a user (`user_id`), of several (`holders`), or of the organisation itself (`fees`). Users who are not active or " +
          "pending can be given none.",
        body: Type.Object(
          {
            type: Type.Unsafe<"checking" | "savings" | "fees">(
              Type.String({
                enum: ["checking", "savings", "fees"],
                description: "`fees` is for the organisation's own income. Settlement accounts are opened by the ledger itself.",
              }),
            ),
            currency: currencyField,
            user_id: Type.Optional(idField("user", "Its only owner; the organisation itself when neither this nor `holders` is given.")),
            holders: Type.Optional(
              Type.Array(Type.Object(holderFields, { additionalProperties: false }), {
                minItems: 1,
                maxItems: MAX_HOLDERS,
                description:
                  "Everybody who holds it, in the place of `user_id`. One has to be an owner; the first of them stays its first owner.",
              }),
            ),
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
        description: "Of the organisation, settlement accounts included, or those that one user holds, alone or with others.",
        querystring: Type.Object(
          { ...pageParameters, user_id: Type.Optional(idField("user", "Only accounts that this user holds.")) },
          { additionalProperties: false },
        ),
        response: { 200: pageOf("Account") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const { user_id } = request.query;
      const asked = readPage(request.query);
      const page =
        user_id === undefined
          ? await listAccounts(deps.store, organisationId, asked)
          : await listAccountsOf(deps.store, organisationId, user_id, asked);
      if (!page.ok) return sendRefusal(reply, page);
      return sendObject(reply, listOf(await Promise.all(page.accounts.map(present)), page.cursor));
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
      const version = versionSeen(request.headers);
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
}
