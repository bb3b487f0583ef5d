import { Type } from "typebox";
import { readAuthentication, showAuthentication } from "#authentications/index.ts";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import { idField, ref, sendExecuted, sendObject, sendRefusal } from "#http/index.ts";
import { invariant } from "#kernel/assert.ts";
import { refuse } from "#kernel/problems.ts";
import { createSession } from "./create-session.ts";
import type { CreateSessionDeps } from "./create-session.ts";
import type { PagesDeps } from "./deps.ts";
import { createSessionBody, hostedSessionSchema, newHostedSessionSchema } from "./schema.ts";
import { presentSession, readSession } from "./session.ts";

/** Routes by which an organisation sends its customers to the hosted pages. */
export function hostedSessionRoutes(app: HttpServer, deps: PagesDeps): void {
  const own: CreateSessionDeps = {
    ...deps,
    origin: () => originOf(deps.relyingParty),
    async awaits(organisationId, userId, id) {
      const found = await readAuthentication(deps.store, organisationId, id);
      return found?.userId === userId && (await showAuthentication(deps, found))["status"] === "pending";
    },
  };
  app.addSchema(hostedSessionSchema);
  app.addSchema(newHostedSessionSchema);
  const tags = ["Hosted pages"];

  app.post(
    "/v1/hosted-sessions",
    {
      config: {
        access: "key",
        scope: "hosted_sessions:write",
        sensitive: true,
        idempotent: "refused",
        problems: ["user_not_found", "user_not_active", "beyond_own_permissions"],
      },
      schema: {
        operationId: "createHostedSession",
        tags,
        summary: "Send a customer to a hosted page",
        description:
          "Gives a link that works once and for ten minutes. Whoever opens it acts as the customer, so hand it to nobody else, and authenticate " +
          "the customer yourself before. The link is shown once and not kept, so this operation takes no Idempotency-Key; an unused link does no harm.",
        body: createSessionBody,
        response: { 201: ref("NewHostedSession") },
      },
    },
    async (request, reply) => sendExecuted(reply, await createSession(own, askedBy(request), request.body)),
  );

  app.get(
    "/v1/hosted-sessions/:id",
    {
      config: { access: "key", scope: "hosted_sessions:read", problems: ["not_found"] },
      schema: {
        operationId: "getHostedSession",
        tags,
        summary: "Get a hosted session",
        description: "How a customer's visit went. Ask here rather than believe what comes with the return URL.",
        params: Type.Object({ id: idField("hostedSession") }),
        response: { 200: ref("HostedSession") },
      },
    },
    async (request, reply) => {
      const session = await readSession(deps.store, request.params.id);
      if (session === undefined || session.organisationId !== request.caller.principal.organisationId)
        return sendRefusal(reply, refuse("not_found"));
      return sendObject(reply, presentSession(session, deps.clock.now()));
    },
  );
}

/** The pages are where passkeys may be used: at the first of the relying party's origins. */
function originOf({ origins: [origin] }: PagesDeps["relyingParty"]): string {
  invariant(origin !== undefined, "a relying party has an origin");
  return origin;
}
