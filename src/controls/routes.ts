import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import { idField, listOf, newestFirst, pageOf, pageParameters, readPage, ref, sendExecuted, sendObject, sendRefusal } from "#http/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { ProblemCode } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Acted } from "./act.ts";
import { amendApproval, approveApproval, cancelApproval, rejectApproval } from "./act.ts";
import type { ApprovalStatus } from "./approval.ts";
import { approvalStatuses, approvalStatusKey, approvals, APPROVALS_TABLE, readApproval } from "./approval.ts";
import { kindsOf } from "./change-policy.ts";
import { claimApproval } from "./claim.ts";
import type { ControlDeps } from "./deps.ts";
import { gateOf } from "./gate-routes.ts";
import { journalRoutes } from "./journal-routes.ts";
import { isSamePerson } from "./operation.ts";
import { openPayload } from "./payload.ts";
import { policyRoutes } from "./policy-routes.ts";
import { showApproval } from "./present-approval.ts";
import { amendBody, approvalSchema, approveBody, cancelBody, claimedSecretSchema, rejectBody } from "./schema.ts";

const tags = ["Approvals"];
const params = Type.Object({ id: idField("approval") });

/** Routes of approvals, the control policy and manual journals. `guardRoutes` comes before all routes. */
export function controlRoutes(app: HttpServer, deps: ControlDeps): void {
  app.addSchema(approvalSchema);
  readRoutes(app, deps);
  actRoutes(app, deps);
  amendRoute(app, deps);
  claimRoute(app, deps);
  policyRoutes(app, deps);
  journalRoutes(app, deps);
}

/** Answers with the approval as an act has left it. */
async function sendActed(deps: ControlDeps, reply: FastifyReply, acted: Acted): Promise<FastifyReply> {
  if (!acted.ok) return sendRefusal(reply, acted);
  return sendObject(reply, await showApproval(deps.vault, acted.approval, deps.clock.now()));
}

const acting = (request: FastifyRequest) => ({ asked: askedBy(request), scopes: request.caller.principal.scopes });

function readRoutes(app: HttpServer, deps: ControlDeps): void {
  app.get(
    "/v1/approvals/:id",
    {
      config: { access: "key", scope: "approvals:read", problems: ["not_found"] },
      schema: {
        operationId: "getApproval",
        tags,
        summary: "Get an approval",
        description: "With exactly what will be done, and what has become of it.",
        params,
        response: { 200: ref("Approval") },
      },
    },
    async (request, reply) => {
      const found = await readApproval(deps.store, request.caller.principal.organisationId, request.params.id);
      if (found === undefined) return sendRefusal(reply, refuse("not_found"));
      return sendObject(reply, await showApproval(deps.vault, found, deps.clock.now()));
    },
  );

  app.get(
    "/v1/approvals",
    {
      config: { access: "key", scope: "approvals:read", cost: 2, problems: ["invalid_cursor"] },
      schema: {
        operationId: "listApprovals",
        tags,
        summary: "List approvals, newest first",
        description:
          "With `kind`, a page may hold fewer than `limit`, or nothing, while `has_more` is true. What expired moves from `pending` to " +
          "`expired` within a minute; the status shown is always that of the moment.",
        querystring: Type.Object(
          {
            ...pageParameters,
            status: Type.Optional(
              Type.Unsafe<ApprovalStatus>(Type.String({ enum: [...approvalStatuses], description: "Only those of this status." })),
            ),
            kind: Type.Optional(
              Type.Unsafe<string>(
                Type.String({ enum: [...kindsOf(deps.operations).keys()].sort(), description: "Only those of this kind of operation." }),
              ),
            ),
          },
          { additionalProperties: false },
        ),
        response: { 200: pageOf("Approval") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const { status, kind } = request.query;
      const index = status === undefined ? "OrganisationApprovalsIndex" : "StatusApprovalsIndex";
      const hash = status === undefined ? organisationId : approvalStatusKey(organisationId, status);
      const page = await deps.store.query(newestFirst(APPROVALS_TABLE, index, hash, readPage(request.query)));
      const now = deps.clock.now();
      const found = page.items.map((item) => approvals.fromItem(item)).filter((one) => kind === undefined || one.kind === kind);
      return sendObject(reply, listOf(await Promise.all(found.map((one) => showApproval(deps.vault, one, now))), page.cursor));
    },
  );
}

function actRoutes(app: HttpServer, deps: ControlDeps): void {
  const common = ["not_found", "approval_not_pending", "contention"] as const satisfies readonly ProblemCode[];

  app.post(
    "/v1/approvals/:id/approve",
    {
      config: {
        access: "key",
        scope: "approvals:write",
        sensitive: true,
        problems: [...common, "second_person_required", "approval_changed"],
      },
      schema: {
        operationId: "approveApproval",
        tags,
        summary: "Approve, as a second person",
        description:
          "By somebody else than the maker, through whatever key or session, who has the scope of the operation itself as well. The last " +
          "approval that is needed has it done at once: `status` tells what came of it. Repeating an approval changes nothing.",
        params,
        body: approveBody,
        response: { 200: ref("Approval") },
      },
    },
    async (request, reply) => sendActed(deps, reply, await approveApproval(deps, acting(request), request.params.id, request.body)),
  );

  app.post(
    "/v1/approvals/:id/reject",
    {
      config: { access: "key", scope: "approvals:write", sensitive: true, problems: [...common, "second_person_required"] },
      schema: {
        operationId: "rejectApproval",
        tags,
        summary: "Reject, as a second person",
        description: "One is enough. It is never done then.",
        params,
        body: rejectBody,
        response: { 200: ref("Approval") },
      },
    },
    async (request, reply) => sendActed(deps, reply, await rejectApproval(deps, acting(request), request.params.id, request.body.reason)),
  );

  app.post(
    "/v1/approvals/:id/cancel",
    {
      config: { access: "key", scope: "approvals:write", bodyOptional: true, problems: [...common, "not_the_maker"] },
      schema: {
        operationId: "cancelApproval",
        tags,
        summary: "Take back what you asked for",
        description: "Only the maker, and only while it is pending.",
        params,
        body: cancelBody,
        response: { 200: ref("Approval") },
      },
    },
    async (request, reply) => sendActed(deps, reply, await cancelApproval(deps, askedBy(request), request.params.id, request.body.reason)),
  );
}

function claimRoute(app: HttpServer, deps: ControlDeps): void {
  app.addSchema(claimedSecretSchema);
  app.post(
    "/v1/approvals/:id/claim",
    {
      config: {
        access: "key",
        scope: "approvals:write",
        sensitive: true,
        idempotent: "refused",
        problems: [
          "not_found",
          "not_the_maker",
          "nothing_to_claim",
          "beyond_own_permissions",
          "api_key_expired",
          "operator_status_conflict",
          "contention",
        ],
      },
      schema: {
        operationId: "claimApproval",
        tags,
        summary: "Take the secret of what was made",
        description:
          "Of an executed approval of an operation that shows a secret, such as a new API key: only its maker, and only once. What was not " +
          "taken is known to nobody.",
        params,
        response: { 200: ref("ClaimedSecret") },
      },
    },
    async (request, reply) => {
      const claimed = await claimApproval(deps, acting(request), request.params.id);
      if ("secret" in claimed) return sendObject(reply, claimed.secret);
      return "reply" in claimed ? sendExecuted(reply, claimed) : sendRefusal(reply, claimed);
    },
  );
}

function amendRoute(app: HttpServer, deps: ControlDeps): void {
  const gate = gateOf(app);
  app.post(
    "/v1/approvals/:id/amend",
    {
      config: {
        access: "key",
        scope: "approvals:write",
        // It asks for whatever the operation itself could ask for.
        sensitive: true,
        problems: [
          "not_found",
          "approval_not_pending",
          "not_the_maker",
          "limit_reached",
          "contention",
          "journal_unbalanced",
          "same_account",
          "account_not_found",
          "currency_mismatch",
          "account_closed",
          "roles_conflict",
          "no_factor",
          "user_erased",
          "user_status_conflict",
          "operator_status_conflict",
        ],
      },
      schema: {
        operationId: "amendApproval",
        tags,
        summary: "Change what you asked for",
        description:
          "Only the maker, and only while it is pending. The new body has to pass the checks of the operation itself. Every approval so far " +
          "becomes void, because it was given to something else: `payload_hash` and `revision` are new ones.",
        params,
        body: amendBody,
        response: { 200: ref("Approval") },
      },
    },
    async (request, reply) => {
      const { organisationId, scopes } = request.caller.principal;
      const asked = askedBy(request);
      const found = await readApproval(deps.store, organisationId, request.params.id);
      if (found === undefined) return sendRefusal(reply, refuse("not_found"));
      if (!isSamePerson(found.requestedBy, asked.actor)) return sendRefusal(reply, refuse("not_the_maker"));
      const operation = deps.operations.get(found.operation);
      if (operation === undefined || !scopes.has(operation.scope))
        return sendRefusal(reply, refuse("insufficient_scope", undefined, `The scope needed is ${operation?.scope ?? "none"}.`));
      const body = request.body.body as JsonObject;
      const schema = gate.bodySchemaOf(operation.operationId);
      if (schema === undefined) return sendRefusal(reply, refuse("invalid_request", "body", "The operation takes no body."));
      const validate = request.compileValidationSchema(schema as Record<string, unknown>);
      // Answered like any body that does not fit its operation.
      if (!validate(body))
        throw Object.assign(new Error("the body does not fit"), { validation: validate.errors ?? [], validationContext: "body" });
      const payload = { ...(await openPayload(deps.vault, found)), body };
      return sendActed(deps, reply, await amendApproval(deps, asked, found, operation, payload));
    },
  );
}
