import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import {
  clientAddress,
  idField,
  listOf,
  pageOf,
  readCookie,
  ref,
  refuseForeignPage,
  sendExecuted,
  sendObject,
  sendRefusal,
} from "#http/index.ts";
import { toTimestamp } from "#kernel/clock.ts";
import { refuse } from "#kernel/problems.ts";
import { readOrganisation } from "#identity/index.ts";
import { succeeded } from "./answers.ts";
import { cookieNames, signedInCookies, signedOutCookie } from "./cookies.ts";
import { currentSession } from "./current-session.ts";
import type { OperatorDeps } from "./deps.ts";
import { endSession, signOutEverywhere } from "./end-session.ts";
import type { MadeSession } from "./make-session.ts";
import { CHALLENGE_BYTES, CHALLENGE_MS, newChallenge } from "./passkey-challenge.ts";
import { sessionsOf } from "./read-sessions.ts";
import * as schemas from "./schema.ts";
import type { SessionPrincipal } from "./session-authenticator.ts";
import { readSession } from "./session.ts";
import { acceptInvitation } from "./set-password.ts";
import type { SignedIn } from "./sign-in.ts";
import type { Visitor } from "./visitor.ts";
import { signIn } from "./sign-in.ts";
import type { SecondFactor } from "./verify-session.ts";
import { verifySession } from "./verify-session.ts";

const MAX_USER_AGENT = 256;

/** What the session authenticator said of the caller; the HTTP room hands it on without looking. */
export const sessionOf = (request: { readonly caller: { readonly principal: object } }): SessionPrincipal =>
  request.caller.principal as SessionPrincipal;

/** The value of the cookie that knows a browser again. */
export function deviceOf(deps: OperatorDeps, request: FastifyRequest): string | undefined {
  return readCookie(request.raw.headers.cookie, cookieNames(deps.secure).device);
}

/** Answers with the session that is now the browser's, and its cookies. */
export async function sendSession(deps: OperatorDeps, reply: FastifyReply, made: MadeSession, status: number): Promise<FastifyReply> {
  const shown = await currentSession(deps, made.session);
  if (shown === undefined) return sendRefusal(reply, refuse("unauthenticated"));
  reply.header("set-cookie", signedInCookies(deps.secure, made));
  return sendExecuted(reply, { ok: true, replayed: false, reply: { status, body: JSON.stringify(shown) } });
}

/** Routes by which operators sign in and out. */
export function sessionRoutes(app: HttpServer, deps: OperatorDeps): void {
  const tags = ["Sessions"];
  const open = { access: "public", scope: null } as const;
  const own = { access: "session", scope: null } as const;

  const visitorOf = (request: FastifyRequest): Visitor => ({
    ip: clientAddress(request.raw, deps.trustedProxyHops),
    userAgent: (request.raw.headers["user-agent"] ?? "").slice(0, MAX_USER_AGENT),
    requestId: request.id,
    device: deviceOf(deps, request),
  });

  async function sendSignedIn(reply: FastifyReply, signedIn: SignedIn, status: number): Promise<FastifyReply> {
    if (signedIn.ok) return sendSession(deps, reply, signedIn.made, status);
    if (signedIn.wait !== undefined) reply.header("retry-after", String(signedIn.wait));
    if (signedIn.executed.ok && signedIn.executed.reply.status === 503) reply.header("retry-after", "1");
    return sendExecuted(reply, signedIn.executed);
  }

  app.post(
    "/v1/operator-invitations/accept",
    {
      config: {
        ...open,
        sends: ["Set-Cookie"],
        problems: [
          "cross_site_request",
          "invitation_invalid",
          "ip_not_allowed",
          "password_not_allowed",
          "too_many_failures",
          "overloaded",
          "store_unavailable",
        ],
      },
      schema: {
        operationId: "acceptInvitation",
        tags,
        summary: "Accept an invitation",
        description:
          "Chooses the password and signs in. The session is good for nothing before a second factor is enrolled " +
          "(`/v1/operators/me/passkeys` or `/v1/operators/me/totp`) or, where the operator has one already, proved.",
        body: schemas.acceptBody,
        response: { 200: ref("CurrentSession") },
      },
    },
    async (request, reply) => {
      const foreign = refuseForeignPage(request.raw.headers);
      if (foreign !== undefined) return sendRefusal(reply, foreign);
      return sendSignedIn(reply, await acceptInvitation(deps, visitorOf(request), request.body), 200);
    },
  );

  app.get(
    "/v1/organisations/:id/sign-in-options",
    {
      config: { ...open, problems: ["store_unavailable"] },
      schema: {
        operationId: "getSignInOptions",
        tags,
        summary: "Get a challenge to sign in by passkey",
        description:
          "The same for everybody, also where there is no such organisation: which passkeys there are is for the browser to know.",
        params: Type.Object({ id: idField("organisation") }),
        response: { 200: ref("SignInOptions") },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      // For an organisation that somebody has made up no key is made; the challenge is then good for nothing.
      const exists = (await readOrganisation(deps.store, id)) !== undefined;
      const challenge = exists ? await newChallenge(deps, id) : Buffer.from(deps.random.bytes(CHALLENGE_BYTES));
      return sendObject(reply, {
        object: "sign_in_options",
        public_key: {
          challenge: challenge.toString("base64url"),
          rpId: deps.relyingParty.id,
          allowCredentials: [],
          userVerification: "required",
          timeout: CHALLENGE_MS,
        },
        expires_at: toTimestamp(deps.clock.now() + CHALLENGE_MS),
      });
    },
  );

  app.post(
    "/v1/sessions",
    {
      config: {
        ...open,
        sends: ["Set-Cookie"],
        problems: ["cross_site_request", "sign_in_refused", "too_many_failures", "overloaded", "store_unavailable"],
      },
      schema: {
        operationId: "signIn",
        tags,
        summary: "Sign in",
        description:
          "By password, which a second factor has to follow (`status` says so), or by a passkey alone, which is two factors in one. The session " +
          "is a cookie, for browsers; an answer does not tell whether there is such an operator.",
        body: schemas.signInBody,
        response: { 201: ref("CurrentSession") },
      },
    },
    async (request, reply) => {
      const foreign = refuseForeignPage(request.raw.headers);
      if (foreign !== undefined) return sendRefusal(reply, foreign);
      const { password, passkey } = request.body;
      if ((password === undefined) === (passkey === undefined))
        return sendRefusal(reply, refuse("invalid_request", "password", "Either `password` or `passkey` is needed."));
      return sendSignedIn(reply, await signIn(deps, visitorOf(request), request.body), 201);
    },
  );

  app.get(
    "/v1/sessions/current",
    {
      config: { ...own, unfinished: true },
      schema: {
        operationId: "getCurrentSession",
        tags,
        summary: "Get the session that asks",
        description: "With its operator, and what has to follow before it is good for anything.",
        response: { 200: ref("CurrentSession") },
      },
    },
    async (request, reply) => {
      const session = await readSession(deps.store, sessionOf(request).sessionId);
      const shown = session === undefined ? undefined : await currentSession(deps, session);
      return shown === undefined ? sendRefusal(reply, refuse("unauthenticated")) : sendObject(reply, shown);
    },
  );

  app.post(
    "/v1/sessions/current/verify",
    {
      config: {
        ...own,
        unfinished: true,
        sends: ["Set-Cookie"],
        problems: ["sign_in_refused", "authentication_blocked", "session_status_conflict"],
      },
      schema: {
        operationId: "verifySession",
        tags,
        summary: "Prove the second factor",
        description:
          "The session gets another cookie and its full time. After five wrong tries it is over; a refusal is the same whatever was wrong.",
        body: schemas.verifyBody,
        response: { 200: ref("CurrentSession") },
      },
    },
    async (request, reply) => {
      const given = factorIn(request.body);
      if ("ok" in given) return sendRefusal(reply, given);
      const verified = await verifySession(deps, askedBy(request), sessionOf(request), deviceOf(deps, request), given);
      return verified.ok ? sendSession(deps, reply, verified.made, 200) : sendExecuted(reply, verified.executed);
    },
  );

  app.delete(
    "/v1/sessions/current",
    {
      config: { ...own, unfinished: true, sends: ["Set-Cookie"], problems: ["session_status_conflict"] },
      schema: {
        operationId: "signOut",
        tags,
        summary: "Sign out",
        description: "Here; other browsers stay signed in.",
        response: { 200: ref("EndedSession") },
      },
    },
    async (request, reply) => {
      const { operatorId, sessionId } = sessionOf(request);
      const executed = await endSession(deps, askedBy(request), operatorId, sessionId, "signed_out");
      if (succeeded(executed)) reply.header("set-cookie", signedOutCookie(deps.secure));
      return sendExecuted(reply, executed);
    },
  );

  app.get(
    "/v1/sessions",
    {
      config: { ...own, cost: 2 },
      schema: {
        operationId: "listOwnSessions",
        tags,
        summary: "List your sessions",
        description: "The browsers that you have signed in with, the newest first, fifty at most; ended ones for 30 days.",
        response: { 200: pageOf("Session") },
      },
    },
    async (request, reply) => {
      const { organisationId, operatorId, sessionId } = sessionOf(request);
      return sendObject(reply, listOf(await sessionsOf(deps, { organisationId, operatorId, current: sessionId }), undefined));
    },
  );

  app.delete(
    "/v1/sessions/:id",
    {
      config: { ...own, problems: ["not_found", "session_status_conflict"] },
      schema: {
        operationId: "endSession",
        tags,
        summary: "End one of your sessions",
        description: "For a browser that is not in your hands any more.",
        params: Type.Object({ id: idField("operatorSession") }),
        response: { 200: ref("EndedSession") },
      },
    },
    async (request, reply) =>
      sendExecuted(reply, await endSession(deps, askedBy(request), sessionOf(request).operatorId, request.params.id, "revoked")),
  );

  app.post(
    "/v1/sessions/end-all",
    {
      config: { ...own, sends: ["Set-Cookie"] },
      schema: {
        operationId: "signOutEverywhere",
        tags,
        summary: "Sign out everywhere",
        description: "Ends all your sessions, this one included: at once on the node that answers, within five seconds on every other.",
        response: { 200: ref("SignOut") },
      },
    },
    async (request, reply) => {
      const executed = await signOutEverywhere(deps, askedBy(request), sessionOf(request).operatorId);
      if (succeeded(executed)) reply.header("set-cookie", signedOutCookie(deps.secure));
      return sendExecuted(reply, executed);
    },
  );
}

type Fields = { readonly type: SecondFactor["type"]; readonly code?: string; readonly response?: object };

/** What the schema cannot say: a passkey comes with a response, everything else with a code. */
function factorIn({ type, code, response }: Fields): SecondFactor | ReturnType<typeof refuse> {
  if (type === "passkey") {
    if (code !== undefined) return refuse("invalid_request", "code", '"response" goes with this type.');
    if (response === undefined) return refuse("missing_field", "response", '"response" is required.');
    return { type, response: response as Extract<SecondFactor, { readonly type: "passkey" }>["response"] };
  }
  if (response !== undefined) return refuse("invalid_request", "response", '"code" goes with this type.');
  return code === undefined ? refuse("missing_field", "code", '"code" is required.') : { type, code };
}
