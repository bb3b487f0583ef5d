import { Type } from "typebox";
import { askedBy, refuseAtOnce } from "#commit/index.ts";
import { factorBodies, onlyApproved, unblockFactors } from "#factors/index.ts";
import type { Caller, HttpServer } from "#http/index.ts";
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
import { changePolicy, presentPolicy } from "./change-policy.ts";
import { changeOperator, disableOperator, enableOperator, revokeSessions } from "./change-operator.ts";
import type { OperatorDeps } from "./deps.ts";
import type { RoleGranter } from "./grant-roles.ts";
import { inviteAgain, inviteOperator, isSelf } from "./invite-operator.ts";
import { operators, OPERATORS_TABLE, readOperator } from "./operator.ts";
import { ownRoutes } from "./own-routes.ts";
import { presentOperator } from "./present-operator.ts";
import { sessionsOf } from "./read-sessions.ts";
import * as schemas from "./schema.ts";
import { policyTag, readPolicy } from "./session-policy.ts";
import { sessionRoutes } from "./session-routes.ts";
import { subjectOf } from "./sign-in.ts";

const granterOf = ({ principal }: Caller): RoleGranter => ({ personId: principal.personId, scopes: principal.scopes });

/** Routes of operators, their sessions, and what each does about himself. */
export function operatorRoutes(app: HttpServer, deps: OperatorDeps): void {
  for (const schema of [
    schemas.operatorSchema,
    schemas.invitedOperatorSchema,
    schemas.sessionSchema,
    schemas.currentSessionSchema,
    schemas.signInOptionsSchema,
    schemas.endedSessionSchema,
    schemas.signOutSchema,
    schemas.sessionPolicySchema,
  ])
    app.addSchema(schema);
  const tags = ["Operators"];
  const params = Type.Object({ id: idField("operator") });
  const ifMatch = Type.Object({ "if-match": versionTagHeader });
  const writes = { access: "key", scope: "operators:write", sensitive: true } as const;
  const reads = { access: "key", scope: "operators:read" } as const;

  app.post(
    "/v1/operators",
    {
      config: { ...writes, idempotent: "refused", problems: ["email_taken", "beyond_own_permissions", "roles_conflict"] },
      schema: {
        operationId: "inviteOperator",
        tags,
        summary: "Invite an operator",
        description:
          "The invitation's token is shown once and good for three days; hand it over on a way of your own. It is not kept, so this operation " +
          "takes no Idempotency-Key; when an answer got lost, invite the operator again. The address of a disabled operator goes over to " +
          "the new one.",
        body: schemas.inviteBody,
        response: { 201: ref("InvitedOperator") },
      },
    },
    async (request, reply) => sendExecuted(reply, await inviteOperator(deps, askedBy(request), granterOf(request.caller), request.body)),
  );

  app.get(
    "/v1/operators",
    {
      config: { ...reads, cost: 2, problems: ["invalid_cursor"] },
      schema: {
        operationId: "listOperators",
        tags,
        summary: "List operators",
        description: "All operators of your organisation, disabled ones included, the newest first.",
        querystring: pageSchema,
        response: { 200: pageOf("Operator") },
      },
    },
    async (request, reply) => {
      const { limit, cursor } = readPage(request.query);
      const page = await deps.store.query({
        table: OPERATORS_TABLE,
        index: "OrganisationOperatorsIndex",
        hash: request.caller.principal.organisationId,
        order: "descending",
        limit,
        ...(cursor === undefined ? {} : { cursor }),
      });
      const now = deps.clock.now();
      const shown = await Promise.all(page.items.map((item) => presentOperator(deps.vault, operators.fromItem(item), now)));
      return sendObject(reply, listOf(shown, page.cursor));
    },
  );

  app.get(
    "/v1/operators/:id",
    {
      config: { ...reads, sends: ["ETag"], problems: ["not_found"] },
      schema: {
        operationId: "getOperator",
        tags,
        summary: "Get an operator",
        description: "With the roles that were given, those that count now, and the scopes that follow.",
        params,
        response: { 200: ref("Operator") },
      },
    },
    async (request, reply) => {
      const operator = await readOperator(deps.store, request.caller.principal.organisationId, request.params.id);
      if (operator === undefined) return sendRefusal(reply, refuse("not_found"));
      reply.header("etag", `"${operator.version}"`);
      return sendObject(reply, await presentOperator(deps.vault, operator, deps.clock.now()));
    },
  );

  app.patch(
    "/v1/operators/:id",
    {
      config: {
        ...writes,
        sends: ["ETag"],
        problems: ["not_found", "cannot_change_self", "beyond_own_permissions", "roles_conflict", "version_conflict"],
      },
      schema: {
        operationId: "updateOperator",
        tags,
        summary: "Change an operator's name or roles",
        description:
          "Roles hold at once on the node that answers and within five seconds on every other, also for sessions that are open and for keys " +
          "that the operator owns. The caller needs every scope of the roles, before and after. Nobody changes his own.",
        params,
        headers: ifMatch,
        body: schemas.changeOperatorBody,
        response: { 200: ref("Operator") },
      },
    },
    async (request, reply) => {
      const version = versionSeen(request.headers);
      const asked = askedBy(request);
      return sendVersioned(reply, await changeOperator(deps, asked, granterOf(request.caller), request.params.id, request.body, version));
    },
  );

  app.post(
    "/v1/operators/:id/invitation",
    {
      config: {
        ...writes,
        idempotent: "refused",
        problems: ["not_found", "cannot_change_self", "operator_status_conflict", "beyond_own_permissions"],
      },
      schema: {
        operationId: "inviteOperatorAgain",
        tags,
        summary: "Invite an operator again",
        description:
          "For one who has not come yet, or who has forgotten the password: a new one is chosen with the token, and the former invitation is " +
          "void. Second factors stay as they are, and have to be proved.",
        params,
        response: { 200: ref("InvitedOperator") },
      },
    },
    async (request, reply) => sendExecuted(reply, await inviteAgain(deps, askedBy(request), granterOf(request.caller), request.params.id)),
  );

  app.post(
    "/v1/operators/:id/disable",
    {
      config: { ...writes, problems: ["not_found", "cannot_change_self", "operator_status_conflict"] },
      schema: {
        operationId: "disableOperator",
        tags,
        summary: "Disable an operator",
        description:
          "Ends the operator's sessions, invitation and API keys: at once on the node that answers, within five seconds on every other.",
        params,
        response: { 200: ref("Operator") },
      },
    },
    async (request, reply) => sendExecuted(reply, await disableOperator(deps, askedBy(request), request.params.id)),
  );

  app.post(
    "/v1/operators/:id/enable",
    {
      config: {
        ...writes,
        problems: ["not_found", "cannot_change_self", "operator_status_conflict", "beyond_own_permissions", "email_taken"],
      },
      schema: {
        operationId: "enableOperator",
        tags,
        summary: "Enable an operator again",
        description:
          "The operator can sign in again, and his API keys are good again. Sessions stay ended. The caller needs every scope of his roles.",
        params,
        response: { 200: ref("Operator") },
      },
    },
    async (request, reply) =>
      sendExecuted(reply, await enableOperator(deps, askedBy(request), granterOf(request.caller), request.params.id)),
  );

  app.get(
    "/v1/operators/:id/sessions",
    {
      config: { ...reads, cost: 2, problems: ["not_found"] },
      schema: {
        operationId: "listOperatorSessions",
        tags,
        summary: "List an operator's sessions",
        description: "The browsers that the operator has signed in with, the newest first, fifty at most; ended ones for 30 days.",
        params,
        response: { 200: pageOf("Session") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const operator = await readOperator(deps.store, organisationId, request.params.id);
      if (operator === undefined) return sendRefusal(reply, refuse("not_found"));
      return sendObject(reply, listOf(await sessionsOf(deps, { organisationId, operatorId: operator.id }), undefined));
    },
  );

  app.post(
    "/v1/operators/:id/sessions/revoke",
    {
      config: { ...writes, problems: ["not_found"] },
      schema: {
        operationId: "revokeOperatorSessions",
        tags,
        summary: "End all sessions of an operator",
        description: "At once on the node that answers, within five seconds on every other. The operator can sign in again.",
        params,
        response: { 200: ref("Operator") },
      },
    },
    async (request, reply) => sendExecuted(reply, await revokeSessions(deps, askedBy(request), request.params.id)),
  );

  app.post(
    "/v1/operators/:id/factors/unblock",
    {
      config: { ...writes, problems: ["not_found", "cannot_change_self", "no_factor"] },
      schema: {
        operationId: "unblockOperatorFactors",
        tags,
        summary: "Lift the block of an operator's second factors",
        description: "After too many wrong codes in a row. The factors stay as they are. Nobody lifts his own.",
        params,
        response: { 200: ref("FactorLock") },
      },
    },
    async (request, reply) => {
      const asked = askedBy(request);
      const { organisationId } = asked.actor;
      const operator = await readOperator(deps.store, organisationId, request.params.id);
      if (operator === undefined) return sendRefusal(reply, refuse("not_found"));
      if (isSelf(asked.actor, operator.id)) return sendExecuted(reply, refuseAtOnce(refuse("cannot_change_self"), asked.actor.requestId));
      return sendExecuted(reply, await unblockFactors(deps, asked, subjectOf(operator)));
    },
  );

  app.post(
    "/v1/operators/:id/factors/reset",
    {
      config: {
        ...writes,
        idempotent: true,
        problems: ["not_found", "cannot_change_self", "operator_status_conflict", "no_factor"],
      },
      schema: {
        operationId: "resetOperatorFactors",
        tags,
        summary: "Ask to take all second factors from an operator",
        description:
          "For one who can prove none any more. Always needs approval by a second person. Then all factors, the password and all sessions " +
          "are gone; invite the operator again, who chooses a password and enrols a first factor. API keys stay as they are. " +
          "With `compromised`, what was asked for or approved in the operator's name before that invitation is accepted counts no more, " +
          "wherever it is not executed yet.",
        params,
        body: factorBodies.resetBody,
        response: {},
      },
    },
    onlyApproved,
  );

  app.get(
    "/v1/session-policy",
    {
      config: { access: "key", scope: "organisation:read", sends: ["ETag"] },
      schema: {
        operationId: "getSessionPolicy",
        tags,
        summary: "Get how long sessions last",
        description: "Of all operators of your organisation.",
        response: { 200: ref("SessionPolicy") },
      },
    },
    async (request, reply) => {
      const policy = await readPolicy(deps.store, request.caller.principal.organisationId);
      reply.header("etag", `"${policyTag(policy)}"`);
      return sendObject(reply, presentPolicy(policy));
    },
  );

  app.patch(
    "/v1/session-policy",
    {
      config: { access: "key", scope: "organisation:write", sensitive: true, sends: ["ETag"], problems: ["version_conflict"] },
      schema: {
        operationId: "updateSessionPolicy",
        tags,
        summary: "Change how long sessions last",
        description:
          "A changed idle limit holds for open sessions, too, within five seconds; a changed absolute limit for those that begin from now on.",
        headers: ifMatch,
        body: schemas.policyBody,
        response: { 200: ref("SessionPolicy") },
      },
    },
    async (request, reply) => sendVersioned(reply, await changePolicy(deps, askedBy(request), request.body, versionSeen(request.headers))),
  );

  sessionRoutes(app, deps);
  ownRoutes(app, deps);
}
