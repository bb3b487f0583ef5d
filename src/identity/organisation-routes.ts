import { Type } from "typebox";
import { MAX_ALLOWLIST_ENTRIES, MAX_RATE_LIMIT_PER_MINUTE } from "#access/index.ts";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import { idField, PLAIN_TEXT, ref, sendExecuted, sendObject, sendRefusal, timestampField, versionTagHeader } from "#http/index.ts";
import { refuse } from "#kernel/problems.ts";
import { MAX_ORGANISATION_RATE_LIMIT, readOrganisation } from "./organisation.ts";
import type { OrganisationDeps } from "./organisation-change.ts";
import { changeOrganisation, presentOrganisation } from "./organisation-change.ts";

const organisationSchema = Type.Object(
  {
    id: idField("organisation"),
    object: Type.Literal("organisation"),
    name: Type.String({ description: "What the organisation is called." }),
    rate_limit_per_minute: Type.Integer({ description: "Units that all keys together may spend in any 60 seconds." }),
    rate_limit_ceiling: Type.Integer({
      description: "How high `rate_limit_per_minute` may be set; given by whoever runs the installation.",
    }),
    key_rate_limit_per_minute: Type.Integer({ description: "What a key made without a limit of its own is given." }),
    ip_allowlist: Type.Array(Type.String(), { description: "Which addresses may call at all. Empty: every one." }),
    created_at: timestampField,
    version: Type.Integer({ description: "Counts the changes; the `ETag`." }),
  },
  { $id: "Organisation", description: "The tenant that everything of an API key belongs to." },
);

const changeBody = Type.Object(
  {
    name: Type.Optional(
      Type.String({ minLength: 1, maxLength: 100, pattern: PLAIN_TEXT, description: "Up to 100 characters, no control characters." }),
    ),
    rate_limit_per_minute: Type.Optional(
      Type.Integer({ minimum: 1, maximum: MAX_ORGANISATION_RATE_LIMIT, description: "At most `rate_limit_ceiling`." }),
    ),
    key_rate_limit_per_minute: Type.Optional(
      Type.Integer({ minimum: 1, maximum: MAX_RATE_LIMIT_PER_MINUTE, description: "For keys made from now on." }),
    ),
    ip_allowlist: Type.Optional(
      Type.Array(Type.String({ minLength: 2, maxLength: 64 }), {
        maxItems: MAX_ALLOWLIST_ENTRIES,
        description: "Addresses and CIDR blocks that calls with any key of the organisation may come from. It must have your own address.",
      }),
    ),
  },
  { additionalProperties: false, minProperties: 1 },
);

/** Routes of the caller's own organisation. */
export function organisationRoutes(app: HttpServer, deps: OrganisationDeps): void {
  app.addSchema(organisationSchema);
  const tags = ["Organisation"];

  app.get(
    "/v1/organisation",
    {
      config: { access: "key", scope: "organisation:read", sends: ["ETag"], problems: ["not_found"] },
      schema: {
        operationId: "getOrganisation",
        tags,
        summary: "Get your organisation",
        description: "The organisation of the key that asks, with its settings.",
        response: { 200: ref("Organisation") },
      },
    },
    async (request, reply) => {
      const organisation = await readOrganisation(deps.store, request.caller.principal.organisationId);
      if (organisation === undefined) return sendRefusal(reply, refuse("not_found"));
      reply.header("etag", `"${organisation.version}"`);
      return sendObject(reply, presentOrganisation(organisation));
    },
  );

  app.patch(
    "/v1/organisation",
    {
      config: {
        access: "key",
        scope: "organisation:write",
        sensitive: true,
        problems: ["not_found", "beyond_own_permissions", "would_lock_out", "version_conflict"],
      },
      schema: {
        operationId: "updateOrganisation",
        tags,
        summary: "Change your organisation's settings",
        description: "Effective at once on the node that answers and within five seconds on every other.",
        headers: Type.Object({ "if-match": versionTagHeader }),
        body: changeBody,
        response: { 200: ref("Organisation") },
      },
    },
    async (request, reply) => {
      const seen = request.headers["if-match"];
      const version = seen === undefined ? undefined : Number(seen.slice(1, -1));
      return sendExecuted(reply, await changeOrganisation(deps, askedBy(request), request.body, version));
    },
  );
}
