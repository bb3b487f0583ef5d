import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import {
  idField,
  listOf,
  pageOf,
  pageSchema,
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
import { API_KEYS_TABLE, apiKeyFromItem, presentApiKey } from "./api-key.ts";
import type { AccessDeps } from "./api-keys.ts";
import { readKey } from "./api-keys.ts";
import type { Principal } from "./authenticate.ts";
import { changeKey, createKey, revokeKey, rotateKey } from "./manage-keys.ts";
import { apiKeySchema, changeKeyBody, createKeyBody, newApiKeySchema, rotateKeyBody } from "./schema.ts";

/** What the authenticator said of the caller; the HTTP room hands it on without looking. */
const principalOf = (request: { readonly caller: { readonly principal: object } }): Principal => request.caller.principal as Principal;

/** Routes of API keys. */
export function accessRoutes(app: HttpServer, deps: AccessDeps): void {
  app.addSchema(apiKeySchema);
  app.addSchema(newApiKeySchema);
  const tags = ["API keys"];
  const params = Type.Object({ id: idField("apiKey") });

  app.post(
    "/v1/api-keys",
    {
      config: { access: "key", scope: "api_keys:write", sensitive: true, idempotent: "refused", problems: ["beyond_own_permissions"] },
      schema: {
        operationId: "createApiKey",
        tags,
        summary: "Create an API key",
        description:
          "The key is shown once. It is not kept, so this operation takes no Idempotency-Key; when an answer got lost, revoke the key of " +
          "that name and create another.",
        body: createKeyBody,
        response: { 201: ref("NewApiKey") },
      },
    },
    async (request, reply) => sendExecuted(reply, await createKey(deps, askedBy(request), principalOf(request), request.body)),
  );

  app.get(
    "/v1/api-keys/:id",
    {
      config: { access: "key", scope: "api_keys:read", sends: ["ETag"], problems: ["not_found"] },
      schema: {
        operationId: "getApiKey",
        tags,
        summary: "Get an API key",
        description: "Any key of your organisation, without its secret.",
        params,
        response: { 200: ref("ApiKey") },
      },
    },
    async (request, reply) => {
      const key = await readKey(deps.store, request.caller.principal.organisationId, request.params.id);
      if (key === undefined) return sendRefusal(reply, refuse("not_found"));
      const uses = await deps.uses.read([key.id]);
      reply.header("etag", `"${key.version}"`);
      return sendObject(reply, presentApiKey(key, deps.clock.now(), uses.get(key.id)));
    },
  );

  app.get(
    "/v1/api-keys",
    {
      config: { access: "key", scope: "api_keys:read", cost: 2, problems: ["invalid_cursor"] },
      schema: {
        operationId: "listApiKeys",
        tags,
        summary: "List API keys",
        description: "All keys of your organisation, also ended ones, the newest first.",
        querystring: pageSchema,
        response: { 200: pageOf("ApiKey") },
      },
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
      const keys = page.items.map(apiKeyFromItem);
      const uses = await deps.uses.read(keys.map(({ id }) => id));
      const now = deps.clock.now();
      return sendObject(
        reply,
        listOf(
          keys.map((key) => presentApiKey(key, now, uses.get(key.id))),
          page.cursor,
        ),
      );
    },
  );

  app.patch(
    "/v1/api-keys/:id",
    {
      config: {
        access: "key",
        scope: "api_keys:write",
        sensitive: true,
        sends: ["ETag"],
        problems: ["not_found", "api_key_revoked", "api_key_expired", "beyond_own_permissions", "would_lock_out", "version_conflict"],
      },
      schema: {
        operationId: "updateApiKey",
        tags,
        summary: "Change what an API key may do",
        description:
          "Effective at once on the node that answers and within five seconds on every other. The caller needs every scope of the key, " +
          "before and after. Of itself a key can only give up. Of a key that has expired only the name can be changed.",
        params,
        headers: Type.Object({ "if-match": versionTagHeader }),
        body: changeKeyBody,
        response: { 200: ref("ApiKey") },
      },
    },
    async (request, reply) => {
      const version = versionSeen(request.headers);
      return sendVersioned(reply, await changeKey(deps, askedBy(request), principalOf(request), request.params.id, request.body, version));
    },
  );

  app.post(
    "/v1/api-keys/:id/rotate",
    {
      config: {
        access: "key",
        scope: "api_keys:write",
        sensitive: true,
        idempotent: "refused",
        problems: ["not_found", "api_key_revoked", "api_key_expired", "rotation_overlapping", "beyond_own_permissions"],
      },
      schema: {
        operationId: "rotateApiKey",
        tags,
        summary: "Give an API key a new secret",
        description:
          "The new secret is shown once; the old one stays good for `overlap_seconds`. There are never more than two: while they overlap, " +
          "only a rotation with an overlap of 0 goes through, which ends both. The answer is not kept, so this operation takes no " +
          "Idempotency-Key; when an answer got lost, create another key instead.",
        params,
        body: rotateKeyBody,
        response: { 200: ref("NewApiKey") },
      },
    },
    async (request, reply) =>
      sendExecuted(reply, await rotateKey(deps, askedBy(request), principalOf(request), request.params.id, request.body.overlap_seconds)),
  );

  app.post(
    "/v1/api-keys/:id/revoke",
    {
      config: { access: "key", scope: "api_keys:write", sensitive: true, problems: ["not_found", "api_key_revoked", "cannot_revoke_self"] },
      schema: {
        operationId: "revokeApiKey",
        tags,
        summary: "Revoke an API key",
        description: "Effective at once on the node that answers and within five seconds on every other.",
        params,
        response: { 200: ref("ApiKey") },
      },
    },
    async (request, reply) => sendExecuted(reply, await revokeKey(deps, askedBy(request), principalOf(request), request.params.id)),
  );
}
