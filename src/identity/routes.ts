import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import {
  idField,
  listOf,
  pageOf,
  PLAIN_TEXT,
  pageSchema,
  readPage,
  ref,
  sendExecuted,
  sendObject,
  sendRefusal,
  timestampField,
} from "#http/index.ts";
import { refuse } from "#kernel/problems.ts";
import type { IdentityDeps } from "./create-user.ts";
import { createUser, presentUser } from "./create-user.ts";
import { readUser, users } from "./user.ts";

const userSchema = Type.Object(
  {
    id: idField("user"),
    object: Type.Literal("user"),
    name: Type.String(),
    account_count: Type.Integer(),
    created_at: timestampField,
  },
  { $id: "User", description: "A customer of the organisation." },
);

/** Routes of users. */
export function identityRoutes(app: HttpServer, deps: IdentityDeps): void {
  app.addSchema(userSchema);
  const tags = ["Users"];

  app.post(
    "/v1/users",
    {
      config: { access: "key", idempotent: true },
      schema: {
        operationId: "createUser",
        tags,
        summary: "Create a user",
        body: Type.Object({ name: Type.String({ minLength: 1, maxLength: 200, pattern: PLAIN_TEXT }) }, { additionalProperties: false }),
        response: { 201: ref("User") },
      },
    },
    async (request, reply) => sendExecuted(reply, await createUser(deps, askedBy(request), request.body)),
  );

  app.get(
    "/v1/users/:id",
    {
      config: { access: "key", problems: ["not_found"] },
      schema: {
        operationId: "getUser",
        tags,
        summary: "Get a user",
        params: Type.Object({ id: idField("user") }),
        response: { 200: ref("User") },
      },
    },
    async (request, reply) => {
      const user = await readUser(deps.store, request.caller.principal.organisationId, request.params.id);
      return user === undefined ? sendRefusal(reply, refuse("not_found")) : sendObject(reply, await presentUser(deps.vault, user));
    },
  );

  app.get(
    "/v1/users",
    {
      config: { access: "key", problems: ["invalid_cursor"] },
      schema: {
        operationId: "listUsers",
        tags,
        summary: "List users",
        querystring: pageSchema,
        response: { 200: pageOf("User") },
      },
    },
    async (request, reply) => {
      const { limit, cursor } = readPage(request.query);
      const page = await deps.store.query({
        table: "smartfinance-users",
        index: "OrganisationUsersIndex",
        hash: request.caller.principal.organisationId,
        order: "descending",
        limit,
        ...(cursor === undefined ? {} : { cursor }),
      });
      const data = await Promise.all(page.items.map((item) => presentUser(deps.vault, users.fromItem(item))));
      return sendObject(reply, listOf(data, page.cursor));
    },
  );
}
