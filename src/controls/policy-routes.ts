import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import { ref, sendExecuted, sendObject, versionSeen, versionTagHeader } from "#http/index.ts";
import { changeControlPolicy, kindsOf } from "./change-policy.ts";
import type { ControlDeps } from "./deps.ts";
import { controlPolicyTag, presentControlPolicy, readControlPolicy } from "./policy.ts";
import { controlPolicySchemas } from "./schema.ts";

/** Routes of the control policy. */
export function policyRoutes(app: HttpServer, deps: ControlDeps): void {
  const schemas = controlPolicySchemas([...kindsOf(deps.operations).keys()]);
  app.addSchema(schemas.policy);
  const policyTags = ["Organisation"];

  app.get(
    "/v1/control-policy",
    {
      config: { access: "key", scope: "approvals:read", sends: ["ETag"] },
      schema: {
        operationId: "getControlPolicy",
        tags: policyTags,
        summary: "Get the control policy",
        description: "Which operations need a second person.",
        response: { 200: ref("ControlPolicy") },
      },
    },
    async (request, reply) => {
      const policy = await readControlPolicy(deps.store, request.caller.principal.organisationId);
      reply.header("etag", `"${controlPolicyTag(policy)}"`);
      return sendObject(reply, presentControlPolicy(policy));
    },
  );

  app.put(
    "/v1/control-policy",
    {
      config: {
        access: "key",
        scope: "controls:write",
        sensitive: true,
        problems: ["version_conflict", "too_few_approvers", "contention"],
      },
      schema: {
        operationId: "updateControlPolicy",
        tags: policyTags,
        summary: "Set which operations need a second person",
        description:
          "All of them; what is left out is off. Holds for the next request. Refused where too few persons could approve. Whatever takes " +
          "away or loosens a control has to be approved before it holds. Once anything is controlled, so is making somebody who could " +
          "approve, or who could ask for what is approved.",
        headers: Type.Object({ "if-match": versionTagHeader }),
        body: schemas.body,
        response: { 200: ref("ControlPolicy") },
      },
    },
    async (request, reply) => {
      const version = versionSeen(request.headers);
      return sendExecuted(reply, await changeControlPolicy(deps, askedBy(request), request.body, version, 0));
    },
  );
}
