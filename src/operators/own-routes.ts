import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Executed } from "#commit/index.ts";
import { askedBy } from "#commit/index.ts";
import type { Proof } from "#factors/index.ts";
import {
  activateTotp,
  addPasskey,
  challengeFactor,
  createRecoveryCodes,
  factorBodies,
  factorsOf,
  readProof,
  removeFactor,
  startPasskey,
  startTotp,
} from "#factors/index.ts";
import type { HttpServer } from "#http/index.ts";
import { idField, listOf, pageOf, ref, sendExecuted, sendObject, sendRefusal } from "#http/index.ts";
import { refuse } from "#kernel/problems.ts";
import { succeeded } from "./answers.ts";
import { signedInCookies } from "./cookies.ts";
import type { OperatorDeps } from "./deps.ts";
import { readOperator } from "./operator.ts";
import { presentOperator } from "./present-operator.ts";
import { openOperatorProfile } from "./profile.ts";
import * as schemas from "./schema.ts";
import { WHAT_FOLLOWS } from "./session-authenticator.ts";
import { deviceOf, sendSession, sessionOf } from "./session-routes.ts";
import { changePassword } from "./set-password.ts";
import { subjectOf } from "./sign-in.ts";
import { completeEnrolment } from "./verify-session.ts";
import { whileSignedIn } from "./while-signed-in.ts";

const noProof = ["factor_proof_required", "factor_proof_too_weak", "authentication_failed", "authentication_blocked"] as const;

/** Routes of what an operator does about himself: his password and his factors. */
export function ownRoutes(app: HttpServer, deps: OperatorDeps): void {
  const tags = ["Own account"];
  const own = { access: "session", scope: null } as const;
  /** Open while the first factor is still wanted; a session that waits for a proof is refused by `mayEnrol`. */
  const enrolling = { ...own, unfinished: true } as const;
  const ofFactor = Type.Object({ factor_id: idField("factor") });

  const subjectIn = (request: FastifyRequest) => {
    const { organisationId, operatorId } = sessionOf(request);
    return subjectOf({ organisationId, id: operatorId });
  };

  /** Whoever has given a password only may enrol the first factor, and never a further one: that would bypass the first. */
  const mayEnrol = (request: FastifyRequest) =>
    sessionOf(request).sessionStatus === "second_factor_required"
      ? refuse("second_factor_required", undefined, WHAT_FOLLOWS.second_factor_required)
      : undefined;

  /** What enrols: only for whoever is signed in by then, because there may be nothing to prove any more. */
  const enrollingAs = (request: FastifyRequest): OperatorDeps => ({ ...deps, queue: whileSignedIn(deps.queue, sessionOf(request)) });

  /** What authenticators show the operator to tell accounts apart. */
  const emailOf = async (request: FastifyRequest): Promise<string | undefined> => {
    const { organisationId, operatorId } = sessionOf(request);
    const operator = await readOperator(deps.store, organisationId, operatorId);
    if (operator === undefined) return undefined;
    const { email } = await openOperatorProfile(deps.vault, organisationId, operatorId, operator.profile);
    return email.length <= 64 ? email : undefined;
  };

  /** Answers what came of a factor, and completes the session whose first one it was. */
  async function sendEnrolled(request: FastifyRequest, reply: FastifyReply, executed: Executed): Promise<FastifyReply> {
    if (!succeeded(executed) || sessionOf(request).sessionStatus !== "enrolment_required") return sendExecuted(reply, executed);
    const completed = await completeEnrolment(deps, askedBy(request), sessionOf(request), deviceOf(deps, request));
    if (!completed.ok) return sendExecuted(reply, completed.executed);
    // The factor is what was asked for; that the session is complete shows in its cookie and under /v1/sessions/current.
    reply.header("set-cookie", signedInCookies(deps.secure, completed.made));
    return sendExecuted(reply, executed);
  }

  app.get(
    "/v1/operators/me",
    {
      config: own,
      schema: {
        operationId: "getOwnOperator",
        tags,
        summary: "Get yourself",
        description: "The operator who is signed in.",
        response: { 200: ref("Operator") },
      },
    },
    async (request, reply) => {
      const { organisationId, operatorId } = sessionOf(request);
      const operator = await readOperator(deps.store, organisationId, operatorId);
      if (operator === undefined) return sendRefusal(reply, refuse("unauthenticated"));
      return sendObject(reply, await presentOperator(deps.vault, operator, deps.clock.now()));
    },
  );

  app.post(
    "/v1/operators/me/password",
    {
      config: { ...own, sends: ["Set-Cookie"], problems: ["sign_in_refused", "password_not_allowed", "too_many_failures"] },
      schema: {
        operationId: "changeOwnPassword",
        tags,
        summary: "Change your password",
        description: "Ends your other sessions; this one goes on with another cookie.",
        body: schemas.passwordBody,
        response: { 200: ref("CurrentSession") },
      },
    },
    async (request, reply) => {
      const changed = await changePassword(deps, askedBy(request), sessionOf(request), request.body);
      if (changed.ok) return sendSession(deps, reply, changed.made, 200);
      if (changed.wait !== undefined) reply.header("retry-after", String(changed.wait));
      return sendExecuted(reply, changed.executed);
    },
  );

  app.get(
    "/v1/operators/me/factors",
    {
      config: enrolling,
      schema: {
        operationId: "listOwnFactors",
        tags,
        summary: "List your factors",
        description: "What you sign in with beside the password, oldest first.",
        response: { 200: pageOf("Factor") },
      },
    },
    async (request, reply) => {
      const refusal = mayEnrol(request);
      if (refusal !== undefined) return sendRefusal(reply, refusal);
      return sendObject(reply, listOf(await factorsOf(deps, subjectIn(request)), undefined));
    },
  );

  app.post(
    "/v1/operators/me/factors/challenge",
    {
      config: { ...own, problems: ["no_factor"] },
      schema: {
        operationId: "createOwnFactorChallenge",
        tags,
        summary: "Get a challenge for a proof by passkey",
        description: "The answer goes into the `proof` of another call, once, within five minutes.",
        response: { 201: ref("FactorChallenge") },
      },
    },
    async (request, reply) => sendExecuted(reply, await challengeFactor(deps, askedBy(request), subjectIn(request))),
  );

  app.post(
    "/v1/operators/me/passkeys/options",
    {
      config: { ...enrolling, problems: ["limit_reached"] },
      schema: {
        operationId: "startOwnPasskey",
        tags,
        summary: "Begin to add a passkey",
        description: "What a browser makes a passkey from.",
        response: { 201: ref("PasskeyOptions") },
      },
    },
    async (request, reply) => {
      const refusal = mayEnrol(request);
      if (refusal !== undefined) return sendRefusal(reply, refusal);
      const email = await emailOf(request);
      const names = email === undefined ? {} : { user_name: email };
      return sendExecuted(reply, await startPasskey(enrollingAs(request), askedBy(request), subjectIn(request), names));
    },
  );

  app.post(
    "/v1/operators/me/passkeys",
    {
      config: {
        ...enrolling,
        sends: ["Set-Cookie"],
        problems: [...noProof, "passkey_invalid", "passkey_known", "passkey_not_device_bound", "limit_reached"],
      },
      schema: {
        operationId: "addOwnPasskey",
        tags,
        summary: "Add a passkey",
        description: "The first factor completes the session, which gets another cookie. From the second on a `proof` is needed.",
        body: factorBodies.addPasskeyBody,
        response: { 201: ref("Factor") },
      },
    },
    async (request, reply) => {
      const refusal = mayEnrol(request);
      if (refusal !== undefined) return sendRefusal(reply, refusal);
      const proof = proofIn(request.body.proof);
      if (proof !== undefined && "ok" in proof) return sendRefusal(reply, proof);
      const body = { response: request.body.response, ...(proof === undefined ? {} : { proof }) };
      return sendEnrolled(request, reply, await addPasskey(enrollingAs(request), askedBy(request), subjectIn(request), body));
    },
  );

  app.post(
    "/v1/operators/me/totp",
    {
      config: { ...enrolling, idempotent: "refused", problems: ["limit_reached"] },
      schema: {
        operationId: "startOwnTotp",
        tags,
        summary: "Begin to add an authenticator app",
        description: "The secret is shown once. It counts from `activate` on.",
        response: { 201: ref("NewTotp") },
      },
    },
    async (request, reply) => {
      const refusal = mayEnrol(request);
      if (refusal !== undefined) return sendRefusal(reply, refusal);
      const email = await emailOf(request);
      const names = email === undefined ? {} : { user_name: email };
      return sendExecuted(reply, await startTotp(enrollingAs(request), askedBy(request), subjectIn(request), names));
    },
  );

  app.post(
    "/v1/operators/me/totp/:factor_id/activate",
    {
      config: { ...enrolling, sends: ["Set-Cookie"], problems: [...noProof, "not_found", "factor_not_pending", "factor_code_wrong"] },
      schema: {
        operationId: "activateOwnTotp",
        tags,
        summary: "Put an authenticator app into use",
        description: "With a code of it. The first factor completes the session, which gets another cookie.",
        params: ofFactor,
        body: factorBodies.activateBody,
        response: { 200: ref("Factor") },
      },
    },
    async (request, reply) => {
      const refusal = mayEnrol(request);
      if (refusal !== undefined) return sendRefusal(reply, refusal);
      const proof = proofIn(request.body.proof);
      if (proof !== undefined && "ok" in proof) return sendRefusal(reply, proof);
      const body = { code: request.body.code, ...(proof === undefined ? {} : { proof }) };
      const executed = await activateTotp(enrollingAs(request), askedBy(request), subjectIn(request), request.params.factor_id, body);
      return sendEnrolled(request, reply, executed);
    },
  );

  app.post(
    "/v1/operators/me/recovery-codes",
    {
      config: { ...own, idempotent: "refused", problems: [...noProof, "no_factor"] },
      schema: {
        operationId: "createOwnRecoveryCodes",
        tags,
        summary: "Make new recovery codes",
        description: "Shown once; the set before is void. Needs the proof of another factor.",
        body: factorBodies.proofBody,
        response: { 201: ref("NewRecoveryCodes") },
      },
    },
    async (request, reply) => {
      const proof = proofIn(request.body.proof);
      if (proof !== undefined && "ok" in proof) return sendRefusal(reply, proof);
      return sendExecuted(
        reply,
        await createRecoveryCodes(deps, askedBy(request), subjectIn(request), proof === undefined ? {} : { proof }),
      );
    },
  );

  app.delete(
    "/v1/operators/me/factors/:factor_id",
    {
      config: { ...own, bodyOptional: true, problems: [...noProof, "not_found", "last_factor"] },
      schema: {
        operationId: "removeOwnFactor",
        tags,
        summary: "Remove one of your factors",
        description: "Needs the `proof` of an active one. The last that shows who you are stays.",
        params: ofFactor,
        body: factorBodies.proofBody,
        response: { 200: ref("RemovedFactor") },
      },
    },
    async (request, reply) => {
      const proof = proofIn(request.body.proof);
      if (proof !== undefined && "ok" in proof) return sendRefusal(reply, proof);
      const body = proof === undefined ? {} : { proof };
      return sendExecuted(reply, await removeFactor(deps, askedBy(request), subjectIn(request), request.params.factor_id, body));
    },
  );
}

function proofIn(fields: Parameters<typeof readProof>[0] | undefined): Proof | ReturnType<typeof refuse> | undefined {
  return fields === undefined ? undefined : readProof(fields);
}
