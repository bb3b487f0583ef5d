import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import { exampleId, idField, ref, sendVersioned, versionTagHeader } from "#http/index.ts";
import type { AccountDeps } from "./deps.ts";
import type { OnHolders } from "./change-holders.ts";
import { addAccountHolder, changeAccountHolder, removeAccountHolder } from "./change-holders.ts";
import { holderFields } from "./schema.ts";

/** What is read of a request to change a holder, beside who and what. */
type HolderRequest = Parameters<typeof askedBy>[0] & {
  readonly caller: { readonly principal: { readonly scopes: ReadonlySet<string> } };
  readonly headers: { readonly "if-match"?: string };
};

function onHolders({ caller, headers }: HolderRequest): OnHolders {
  const seen = headers["if-match"];
  return {
    ifVersion: seen === undefined ? undefined : Number(seen.slice(1, -1)),
    mayVerify: caller.principal.scopes.has("users:verify"),
  };
}

/** Routes of the users who hold an account. */
export function holderRoutes(app: HttpServer, deps: AccountDeps): void {
  const tags = ["Accounts"];
  const params = Type.Object({ id: idField("account") });
  const holderParams = Type.Object({ id: idField("account"), user_id: idField("user") });
  const problems = ["not_found", "version_conflict", "account_closed", "account_type_not_allowed"] as const;
  const headers = Type.Object({ "if-match": versionTagHeader });

  app.post(
    "/v1/accounts/:id/holders",
    {
      config: {
        access: "key",
        scope: "accounts:write",
        idempotent: true,
        sends: ["ETag"],
        problems: [...problems, "user_not_found", "user_not_active", "too_many_accounts", "already_holder", "too_many_holders"],
      },
      schema: {
        operationId: "addAccountHolder",
        tags,
        summary: "Add a holder to an account",
        description: "Another user who holds the account from then on, in the role given. Ten users at most hold one account.",
        params,
        headers,
        body: Type.Object(holderFields, { additionalProperties: false, examples: [{ user_id: exampleId("user"), role: "joint_owner" }] }),
        response: { 201: ref("Account") },
      },
    },
    async (request, reply) =>
      sendVersioned(reply, await addAccountHolder(deps, askedBy(request), request.params.id, request.body, onHolders(request))),
  );

  app.patch(
    "/v1/accounts/:id/holders/:user_id",
    {
      config: {
        access: "key",
        scope: "accounts:write",
        sends: ["ETag"],
        problems: [...problems, "first_owner_stays"],
      },
      schema: {
        operationId: "updateAccountHolder",
        tags,
        summary: "Give a holder another role",
        description:
          "The account's first owner (`user_id`) stays an owner. Freeing the account of a `restriction` this way needs the scope `users:verify`, too.",
        params: holderParams,
        headers,
        body: Type.Object({ role: holderFields.role }, { additionalProperties: false, examples: [{ role: "viewer" }] }),
        response: { 200: ref("Account") },
      },
    },
    async (request, reply) => {
      const { id, user_id } = request.params;
      return sendVersioned(reply, await changeAccountHolder(deps, askedBy(request), id, user_id, request.body.role, onHolders(request)));
    },
  );

  app.delete(
    "/v1/accounts/:id/holders/:user_id",
    {
      config: { access: "key", scope: "accounts:write", sends: ["ETag"], problems: [...problems, "first_owner_stays"] },
      schema: {
        operationId: "removeAccountHolder",
        tags,
        summary: "Take a holder off an account",
        description:
          "The account's first owner (`user_id`) stays as long as the account is open. Freeing the account of a `restriction` this way needs the scope `users:verify`, too. Answers the account.",
        params: holderParams,
        headers,
        response: { 200: ref("Account") },
      },
    },
    async (request, reply) => {
      const { id, user_id } = request.params;
      return sendVersioned(reply, await removeAccountHolder(deps, askedBy(request), id, user_id, onHolders(request)));
    },
  );
}
