import type { FastifyRequest } from "fastify";
import type { Static, TSchema } from "typebox";
import { Type } from "typebox";
import type { Executed } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import { clientAddress, idField, readCookie, refuseCrossSite, sendExecuted, sendObject, sendRefusal } from "#http/index.ts";
import type { HostedSessionId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import { createActionLimit } from "./action-limit.ts";
import { approvalOptions, approve, decline } from "./approve-actions.ts";
import { cookieNameOf, cookieOf } from "./cookie.ts";
import type { PagesDeps } from "./deps.ts";
import { confirmTotp, finishEnrolment, newPasskey, newTotp, passkeyOptions, proofOptions } from "./enrol-actions.ts";
import { openSession } from "./open-session.ts";
import type { HostedSession, Purpose } from "./session.ts";
import type { Visitor } from "./visit.ts";
import { visitOf } from "./visit.ts";
import { activateTotpBody, addPasskeyBody, approvalBody, nothingBody, tokenBody } from "./visit-schema.ts";

const config = { access: "public", scope: null } as const;
const MAX_USER_AGENT_LENGTH = 256;

/** Where a request to a page came from. */
export function visitorOf(request: FastifyRequest, trustedProxyHops: number): Visitor {
  const userAgent = (request.headers["user-agent"] ?? "").slice(0, MAX_USER_AGENT_LENGTH);
  return { ip: clientAddress(request.raw, trustedProxyHops), userAgent, requestId: request.id };
}

/** The secret of the cookie that a request carries for a session. */
export function secretIn(request: FastifyRequest, id: HostedSessionId, { secure }: Pick<PagesDeps, "secure">): string | undefined {
  return readCookie(request.headers.cookie, cookieNameOf(id, secure));
}

/**
 * What the pages' scripts talk to. The cookie alone proves little about who made a request, so pages of other origins are refused by
 * what browsers say of themselves, beside `SameSite=Strict` and bodies that have to be JSON.
 */
export function visitRoutes(app: HttpServer, deps: PagesDeps): void {
  const params = Type.Object({ id: idField("hostedSession") });
  const mayAct = createActionLimit();

  app.post("/hosted/open", { config, schema: { hide: true, body: tokenBody } }, async (request, reply) => {
    const foreign = refuseCrossSite("POST", request.headers);
    if (foreign !== undefined) return sendRefusal(reply, foreign);
    const visitor = visitorOf(request, deps.trustedProxyHops);
    if (deps.failures.waitSeconds(visitor.ip) > 0) return sendRefusal(reply, refuse("too_many_failures"));
    const opened = await openSession(deps, request.body.token, visitor);
    if (!opened.ok) {
      if (opened.guessed) deps.failures.note(visitor.ip);
      return sendExecuted(reply, opened.executed);
    }
    reply.header("set-cookie", cookieOf(opened.session, opened.cookie, deps.secure));
    return sendObject(reply, { path: `/hosted/${opened.session.id}` });
  });

  function on<B extends TSchema>(
    purpose: Purpose,
    path: string,
    body: B,
    act: (deps: PagesDeps, session: HostedSession, visitor: Visitor, body: Static<B>) => Promise<Executed>,
  ): void {
    app.post<{ Params: Static<typeof params>; Body: Static<B> }>(
      `/hosted/:id/${path}`,
      { config, schema: { hide: true, params, body } },
      async (request, reply) => {
        const foreign = refuseCrossSite("POST", request.headers);
        if (foreign !== undefined) return sendRefusal(reply, foreign);
        const { id } = request.params;
        const visitor = visitorOf(request, deps.trustedProxyHops);
        const visit = await visitOf(deps, id, secretIn(request, id, deps), visitor);
        if (!visit.ok) return sendRefusal(reply, visit);
        if (visit.session.status !== "opened" || visit.session.purpose !== purpose)
          return sendRefusal(reply, refuse("hosted_session_ended"));
        if (!mayAct(id)) return sendRefusal(reply, refuse("rate_limited", undefined, "This visit has done as much as one may."));
        return sendExecuted(reply, await act(deps, visit.session, visitor, request.body as Static<B>));
      },
    );
  }

  on("enrol", "passkeys/options", nothingBody, passkeyOptions);
  on("enrol", "passkeys", addPasskeyBody, newPasskey);
  on("enrol", "proof/options", nothingBody, proofOptions);
  on("enrol", "totp", nothingBody, newTotp);
  on("enrol", "totp/activate", activateTotpBody, confirmTotp);
  on("enrol", "finish", nothingBody, finishEnrolment);
  on("approve", "approval/options", nothingBody, approvalOptions);
  on("approve", "approval", approvalBody, approve);
  on("approve", "decline", nothingBody, decline);
}
