import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { Proof } from "#factors/index.ts";
import { readProof } from "#factors/index.ts";
import type { HttpServer } from "#http/index.ts";
import {
  idField,
  listOf,
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
import type { ProblemCode } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import { AUTHENTICATIONS_TABLE, authentications, readAuthentication } from "./authentication.ts";
import { cancelAuthentication } from "./cancel-authentication.ts";
import { changeScaPolicy } from "./change-policy.ts";
import { createAuthentication } from "./create-authentication.ts";
import type { AuthenticationDeps } from "./deps.ts";
import { listRoutes } from "./list-routes.ts";
import { presentPolicy, policyTag } from "./policy.ts";
import { readScaPolicy } from "./sca-policies.ts";
import { queryOwn } from "./query-own.ts";
import { scaPolicyBody, scaPolicySchema } from "./policy-schema.ts";
import { authenticationSchema, beneficiarySchema, createBody, standingOrderSchema, verifyBody } from "./schema.ts";
import { showAuthentication } from "./show-authentication.ts";
import { verifyAuthentication } from "./verify-authentication.ts";

/** What using an authentication for something may be refused with. */
const useProblems = ["authentication_not_usable", "authentication_mismatch"] as const satisfies readonly ProblemCode[];

const tags = ["Authentications"];
const params = Type.Object({ id: idField("authentication") });

/** Routes of authentications, of the policy, of trusted beneficiaries and standing orders. */
export function authenticationRoutes(app: HttpServer, deps: AuthenticationDeps): void {
  for (const schema of [authenticationSchema, beneficiarySchema, standingOrderSchema, scaPolicySchema]) app.addSchema(schema);
  changeRoutes(app, deps);
  readRoutes(app, deps);
  policyRoutes(app, deps);
  listRoutes(app, deps);
}

function changeRoutes(app: HttpServer, deps: AuthenticationDeps): void {
  app.post(
    "/v1/authentications",
    {
      config: {
        access: "key",
        scope: "authentications:write",
        idempotent: true,
        problems: [
          "user_not_found",
          "user_not_active",
          "account_not_found",
          "transaction_not_found",
          "not_found",
          "currency_mismatch",
          "authentication_unavailable",
        ],
      },
      schema: {
        operationId: "createAuthentication",
        tags,
        summary: "Ask a user to approve something",
        description:
          "Makes a challenge that is bound to what is approved: a payment that waits (`requires_action`), a payment or a batch that you are going to " +
          "ask for, a trusted beneficiary, a standing order. It can be answered for five minutes. Hand `passkey_options` to the user's browser, " +
          "and show the payer amount, currency and payee from `approval`.",
        body: createBody,
        response: { 201: ref("Authentication") },
      },
    },
    async (request, reply) => sendExecuted(reply, await createAuthentication(deps, askedBy(request), request.body)),
  );

  app.post(
    "/v1/authentications/:id/verify",
    {
      config: {
        access: "key",
        scope: "authentications:write",
        idempotent: true,
        problems: [
          "not_found",
          ...useProblems,
          "authentication_failed",
          "authentication_blocked",
          "factors_insufficient",
          "account_frozen",
          "account_restricted",
          "account_closed",
          "balance_overflow",
          "insufficient_funds",
          "too_many_holds",
          "contention",
        ],
      },
      schema: {
        operationId: "verifyAuthentication",
        tags,
        summary: "Answer a challenge",
        description:
          "The challenge is made anew from what is stored. A payment that waits goes on in the same commit: it posts, or is reviewed. " +
          "`authentication_failed` reads the same whichever factor was wrong. The fifth wrong answer ends the authentication, and the payment with " +
          "it. An answer that would be right, but whose payment cannot post any more, is refused for that reason and uses nothing up.",
        params,
        body: verifyBody,
        response: { 200: ref("Authentication") },
      },
    },
    async (request, reply) => {
      const proofs: Proof[] = [];
      for (const [index, fields] of request.body.proofs.entries()) {
        const proof = readProof(fields);
        if ("ok" in proof) return sendRefusal(reply, { ...proof, param: `proofs.${index}.${proof.param?.split(".")[1] ?? ""}` });
        proofs.push(proof);
      }
      return sendExecuted(reply, await verifyAuthentication(deps, askedBy(request), request.params.id, { proofs }));
    },
  );

  app.post(
    "/v1/authentications/:id/cancel",
    {
      config: { access: "key", scope: "authentications:write", idempotent: true, problems: ["not_found", "authentication_not_usable"] },
      schema: {
        operationId: "cancelAuthentication",
        tags,
        summary: "Cancel an authentication",
        description: "The user says no. A payment that waits for it is rejected, and its funds are free.",
        params,
        response: { 200: ref("Authentication") },
      },
    },
    async (request, reply) => sendExecuted(reply, await cancelAuthentication(deps, askedBy(request), request.params.id)),
  );
}

function readRoutes(app: HttpServer, deps: AuthenticationDeps): void {
  app.get(
    "/v1/authentications/:id",
    {
      config: { access: "key", scope: "authentications:read", problems: ["not_found"] },
      schema: {
        operationId: "getAuthentication",
        tags,
        summary: "Get an authentication",
        description: "As it stands now, with what is approved.",
        params,
        response: { 200: ref("Authentication") },
      },
    },
    async (request, reply) => {
      const found = await readAuthentication(deps.store, request.caller.principal.organisationId, request.params.id);
      return found === undefined ? sendRefusal(reply, refuse("not_found")) : sendObject(reply, await showAuthentication(deps, found));
    },
  );

  app.get(
    "/v1/authentications",
    {
      config: { access: "key", scope: "authentications:read", cost: 2, problems: ["invalid_cursor"] },
      schema: {
        operationId: "listAuthentications",
        tags,
        summary: "List authentications, newest first",
        description: "Of the organisation, or of one user. The list may lag behind a change by a moment.",
        querystring: Type.Object(
          { ...pageParameters, user_id: Type.Optional(idField("user", "Only this user's.")) },
          { additionalProperties: false },
        ),
        response: { 200: pageOf("Authentication") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const { items, cursor } = await queryOwn(
        deps.store,
        organisationId,
        request.query.user_id,
        {
          table: AUTHENTICATIONS_TABLE,
          organisationIndex: "OrganisationAuthenticationsIndex",
          userIndex: "UserAuthenticationsIndex",
        },
        readPage(request.query),
      );
      const shown = items.map((item) => showAuthentication(deps, authentications.fromItem(item)));
      return sendObject(reply, listOf(await Promise.all(shown), cursor));
    },
  );
}

function policyRoutes(app: HttpServer, deps: AuthenticationDeps): void {
  const policyTags = ["Strong customer authentication"];

  app.get(
    "/v1/sca/policy",
    {
      config: { access: "key", scope: "organisation:read", sends: ["ETag"] },
      schema: {
        operationId: "getScaPolicy",
        tags: policyTags,
        summary: "Get how payers are authenticated",
        description: "The mode and the exemptions that are in use.",
        response: { 200: ref("ScaPolicy") },
      },
    },
    async (request, reply) => {
      const policy = await readScaPolicy(deps.store, request.caller.principal.organisationId);
      reply.header("etag", `"${policyTag(policy)}"`);
      return sendObject(reply, presentPolicy(policy));
    },
  );

  app.put(
    "/v1/sca/policy",
    {
      config: {
        access: "key",
        scope: "organisation:write",
        sensitive: true,
        sends: ["ETag"],
        problems: ["version_conflict"],
      },
      schema: {
        operationId: "updateScaPolicy",
        tags: policyTags,
        summary: "Set how payers are authenticated",
        description:
          "The whole policy: what is left out is off. Effective at once on the node that answers and within five seconds on every other.",
        headers: Type.Object({ "if-match": versionTagHeader }),
        body: scaPolicyBody,
        response: { 200: ref("ScaPolicy") },
      },
    },
    async (request, reply) => {
      const version = versionSeen(request.headers);
      return sendVersioned(reply, await changeScaPolicy(deps, askedBy(request), request.body, version));
    },
  );
}
