import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import {
  idField,
  listOf,
  nullable,
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
import { API_KEYS_TABLE, apiKeyFromItem, MAX_RATE_LIMIT_PER_MINUTE, presentApiKey } from "./api-key.ts";
import type { Principal } from "./authenticate.ts";
import { MAX_ALLOWLIST_ENTRIES } from "./ip-allowlist.ts";
import type { AccessDeps } from "./manage-keys.ts";
import { createKey, readKey, revokeKey } from "./manage-keys.ts";

const fields = {
  id: idField("apiKey"),
  object: Type.Literal("api_key"),
  organisation_id: idField("organisation"),
  name: Type.String(),
  environment: Type.Enum(["test", "live"]),
  status: Type.Enum(["active", "revoked"]),
  rate_limit_per_minute: Type.Integer(),
  ip_allowlist: Type.Array(Type.String()),
  created_at: timestampField,
  revoked_at: nullable(timestampField),
};
const apiKeySchema = Type.Object(fields, { $id: "ApiKey" });
const newApiKeySchema = Type.Object(
  { ...fields, secret: Type.String({ description: "The key itself. Shown here and never again." }) },
  { $id: "NewApiKey" },
);

/** Routes of API keys. */
export function accessRoutes(app: HttpServer, deps: AccessDeps): void {
  app.addSchema(apiKeySchema);
  app.addSchema(newApiKeySchema);
  const tags = ["API keys"];
  const params = Type.Object({ id: idField("apiKey") });

  app.post(
    "/v1/api-keys",
    {
      config: { access: "key", sensitive: true },
      schema: {
        operationId: "createApiKey",
        tags,
        summary: "Create an API key",
        description: "The key is shown once. It is not kept, so this operation takes no Idempotency-Key; revoke what you do not need.",
        body: Type.Object(
          {
            name: Type.String({ minLength: 1, maxLength: 100, pattern: PLAIN_TEXT }),
            rate_limit_per_minute: Type.Optional(
              Type.Integer({ minimum: 1, maximum: MAX_RATE_LIMIT_PER_MINUTE, description: "100 when absent." }),
            ),
            ip_allowlist: Type.Optional(
              Type.Array(Type.String({ minLength: 2, maxLength: 64 }), {
                maxItems: MAX_ALLOWLIST_ENTRIES,
                description:
                  "Addresses or CIDR blocks that sensitive operations may come from: withdrawals, review decisions, creating and revoking " +
                  "keys. Empty or absent: every address.",
              }),
            ),
          },
          { additionalProperties: false },
        ),
        response: { 201: ref("NewApiKey") },
      },
    },
    async (request, reply) => {
      const { environment } = request.caller.principal as Principal;
      return sendExecuted(reply, await createKey(deps, askedBy(request), environment, request.body));
    },
  );

  app.get(
    "/v1/api-keys/:id",
    {
      config: { access: "key", problems: ["not_found"] },
      schema: { operationId: "getApiKey", tags, summary: "Get an API key", params, response: { 200: ref("ApiKey") } },
    },
    async (request, reply) => {
      const key = await readKey(deps.store, request.caller.principal.organisationId, request.params.id);
      return key === undefined ? sendRefusal(reply, refuse("not_found")) : sendObject(reply, presentApiKey(key));
    },
  );

  app.get(
    "/v1/api-keys",
    {
      config: { access: "key", problems: ["invalid_cursor"] },
      schema: { operationId: "listApiKeys", tags, summary: "List API keys", querystring: pageSchema, response: { 200: pageOf("ApiKey") } },
    },
    async (request, reply) => {
      const { limit, cursor } = readPage(request.query);
      const page = await deps.store.query({
        table: API_KEYS_TABLE,
        index: "OrganisationApiKeysIndex",
        hash: request.caller.principal.organisationId,
        order: "descending",
        limit,
        ...(cursor === undefined ? {} : { cursor }),
      });
      return sendObject(
        reply,
        listOf(
          page.items.map((item) => presentApiKey(apiKeyFromItem(item))),
          page.cursor,
        ),
      );
    },
  );

  app.post(
    "/v1/api-keys/:id/revoke",
    {
      config: { access: "key", sensitive: true, problems: ["not_found", "api_key_revoked", "cannot_revoke_self"] },
      schema: {
        operationId: "revokeApiKey",
        tags,
        summary: "Revoke an API key",
        description: "Effective at once on the node that answers and within five seconds on every other.",
        params,
        response: { 200: ref("ApiKey") },
      },
    },
    async (request, reply) => sendExecuted(reply, await revokeKey(deps, askedBy(request), request.params.id)),
  );
}
