import type { IncomingHttpHeaders } from "node:http";
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from "fastify";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import { clientAddress } from "./client-address.ts";
import { clientThumbprint } from "./client-certificate.ts";
import type { HttpServerOptions, KeyRefusal, Principal, Quota, RouteFacts, SecurityEvent } from "./contract.ts";
import { refuseCrossSite } from "./cross-site.ts";
import { fingerprintOf, idempotencyId, NOT_TAKEN, readIdempotencyKey } from "./idempotency-key.ts";
import { queryHasKey } from "./key-in-query.ts";
import type { HttpLimits } from "./limits.ts";
import { refuseShape } from "./request-shape.ts";
import { createSecurityHeaders } from "./security-headers.ts";
import { sendRefusal } from "./send.ts";
import { readCookie } from "./session-cookie.ts";
import type { Traffic } from "./traffic.ts";

const MAX_USER_AGENT_LENGTH = 256;

export type OnRequest = (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => void;

/** The part of the options that the guard asks on every request. */
export type GuardOptions = Pick<
  HttpServerOptions,
  | "clock"
  | "authenticate"
  | "stands"
  | "sessions"
  | "takeQuota"
  | "refusesIp"
  | "failures"
  | "trustedProxyHops"
  | "overloaded"
  | "onSecurityEvent"
> & { readonly limits: HttpLimits; readonly secure: boolean };

export interface Guard {
  /** Gives the request its headers and books it; every answer starts here. Refuses what no route would take. */
  greet(request: FastifyRequest, reply: FastifyReply): Refusal | undefined;
  /** The one onRequest hook of a route: all checks that need no body, in the order of their cost. */
  forRoute(facts: RouteFacts): OnRequest;
  /**
   * The preValidation hook of a route with a key: a body may arrive half a minute after its head, and a key that was
   * revoked, narrowed or bound meanwhile must not act any more. Draws no quota again.
   */
  afterBody(facts: RouteFacts): OnRequest;
}

export function createGuard(options: GuardOptions, traffic: Traffic): Guard {
  const { sessions, takeQuota, refusesIp, failures, trustedProxyHops, overloaded, onSecurityEvent, limits } = options;
  const writeSecurityHeaders = createSecurityHeaders(options.secure);

  function greet(request: FastifyRequest, reply: FastifyReply): Refusal | undefined {
    const raw = request.raw;
    const isAnswered = traffic.enter(request, reply);
    reply.header("x-request-id", request.id);
    writeSecurityHeaders(reply);
    if (traffic.stopping || !isAnswered) return refuse("shutting_down");
    const misshapen = refuseShape(raw, limits);
    if (misshapen !== undefined) return misshapen;
    if (raw.url?.includes("?") === true && queryHasKey(request.query)) return refuse("key_in_query");
    return undefined;
  }

  function report(facts: RouteFacts, request: FastifyRequest, event: Omit<SecurityEvent, "requestId" | "operation">): void {
    onSecurityEvent?.({ ...event, requestId: request.id, operation: `${facts.method} ${facts.pattern}` });
  }

  function cookieIn(headers: IncomingHttpHeaders): string | undefined {
    return sessions === undefined ? undefined : readCookie(headers.cookie, sessions.cookie);
  }

  /** Who it is: by the key, or by the cookie of a session. Both at once is refused, since either could be meant. */
  function authenticate(request: FastifyRequest, ip: string): Principal | KeyRefusal | Promise<Principal | KeyRefusal> {
    const { headers, method = "" } = request.raw;
    const key = single(headers["x-api-key"]);
    const token = cookieIn(headers);
    if (sessions === undefined || token === undefined) return options.authenticate(key);
    if (key !== undefined) return refuse("two_credentials");
    return refuseCrossSite(method, headers) ?? sessions.authenticate(token, ip);
  }

  /** Who calls, and whether from where it may. Notes the caller on the request. @returns the refusal, if any. */
  function identify(facts: RouteFacts, outcome: Principal | KeyRefusal, request: FastifyRequest, ip: string): Refusal | undefined {
    const raw = request.raw;
    const sensitive = facts.sensitive === true;
    if (isRefusal(outcome)) {
      // A request without a key or a session tries nothing, nor does one with one that was good once.
      const tries = raw.headers["x-api-key"] !== undefined || cookieIn(raw.headers) !== undefined;
      const guess = outcome.code === "unauthenticated" && outcome.ended !== true && tries;
      if (guess) failures?.note(ip);
      if (sensitive) report(facts, request, { code: outcome.code, principal: undefined, ip });
      return outcome;
    }
    const userAgent = raw.headers["user-agent"] ?? "";
    request.callerOrNone = {
      principal: outcome,
      ip,
      userAgent: userAgent.length > MAX_USER_AGENT_LENGTH ? userAgent.slice(0, MAX_USER_AGENT_LENGTH) : userAgent,
      requestId: request.id,
    };
    // A stolen key is worth nothing without the certificate, not even the quota of its owner.
    const { certificateSha256 } = outcome;
    if (certificateSha256 !== undefined && clientThumbprint(raw.socket, options.clock.now()) !== certificateSha256) {
      report(facts, request, { code: "certificate_mismatch", principal: outcome, ip });
      return refuse("certificate_mismatch");
    }
    // Before the quota: whoever holds a stolen key outside the allow-list cannot use up the quota of its owner either.
    const allowlist = refusesIp(outcome, ip, sensitive);
    if (allowlist !== undefined) {
      report(facts, request, { code: "ip_not_allowed", allowlist, principal: outcome, ip });
      return refuse("ip_not_allowed");
    }
    return undefined;
  }

  function refuseScope(facts: RouteFacts, principal: Principal, request: FastifyRequest, ip: string): Refusal | undefined {
    const { scope } = facts;
    if (principal.unfinished !== undefined && facts.unfinished !== true)
      return refuse("second_factor_required", undefined, principal.unfinished);
    if (facts.access === "session") return principal.operatorId === undefined ? refuse("session_required") : undefined;
    if (scope !== null && principal.scopes.has(scope)) return undefined;
    if (facts.sensitive === true && scope !== null) report(facts, request, { code: "insufficient_scope", scope, principal, ip });
    return refuse("insufficient_scope", undefined, `The scope needed is ${scope ?? "none"}.`);
  }

  /** What follows authentication. @returns the refusal, or undefined when the request may go on. */
  function admit(
    facts: RouteFacts,
    outcome: Principal | KeyRefusal,
    request: FastifyRequest,
    reply: FastifyReply,
    ip: string,
  ): Refusal | undefined {
    const raw = request.raw;
    const unknown = identify(facts, outcome, request, ip);
    if (unknown !== undefined) return unknown;
    if (isRefusal(outcome)) return outcome;
    const quota = takeQuota(outcome, facts.cost ?? 1);
    writeQuota(reply, quota);
    if (!quota.allowed) return refuse("rate_limited", undefined, quota.exhausted);
    const lacking = refuseScope(facts, outcome, request, ip);
    if (lacking !== undefined) return lacking;
    if (facts.idempotent === "refused" && raw.headers["idempotency-key"] !== undefined)
      return refuse("idempotency_key_not_taken", undefined, NOT_TAKEN);
    if (facts.idempotent === true) {
      const key = readIdempotencyKey(single(raw.headers["idempotency-key"]));
      if (!key.ok) return key;
      // The body parser puts the body's fingerprint here; it does not run when there is none.
      request.idempotency = {
        id: idempotencyId(outcome.organisationId, key.key),
        fingerprint: hasBody(request) ? "" : fingerprintOf(raw, ""),
      };
    }
    return undefined;
  }

  /** The same for a request that was admitted before its body was there. */
  function readmit(
    facts: RouteFacts,
    outcome: Principal | KeyRefusal,
    request: FastifyRequest,
    _reply: FastifyReply,
    ip: string,
  ): Refusal | undefined {
    const unknown = identify(facts, outcome, request, ip);
    if (unknown !== undefined) return unknown;
    return isRefusal(outcome) ? outcome : refuseScope(facts, outcome, request, ip);
  }

  return {
    greet,
    forRoute(facts) {
      return function guard(request, reply, done) {
        request.facts = facts;
        const refusal = greet(request, reply);
        if (refusal !== undefined) {
          sendRefusal(reply, refusal);
          return;
        }
        // It may take hours, and nobody behind it would be told what was done. Also before it is known whether it is refused.
        if (facts.stream === true) traffic.endsConnection(reply);
        if (facts.bodyOptional === true && !hasBody(request)) request.body = {};
        if (facts.access === "public") {
          // Whoever signs in or approves on a page has no key, and changes no less.
          if (!readsNothing(facts) && overloaded?.() === true) sendRefusal(reply, refuse("overloaded"));
          else done();
          return;
        }
        if (overloaded?.() === true || !traffic.admit(request, readsNothing(facts) || !hasBody(request))) {
          sendRefusal(reply, refuse("overloaded"));
          return;
        }
        const ip = clientAddress(request.raw, trustedProxyHops);
        const wait = failures?.waitSeconds(ip) ?? 0;
        if (wait > 0) {
          reply.header("retry-after", String(wait));
          sendRefusal(reply, refuse("too_many_failures"));
          return;
        }
        const outcome = authenticate(request, ip);
        if (outcome instanceof Promise) outcome.then((settled) => settle(admit, facts, settled, request, reply, ip, done), done);
        else settle(admit, facts, outcome, request, reply, ip, done);
      };
    },
    afterBody(facts) {
      return function judgeAgain(request, reply, done) {
        const caller = request.callerOrNone;
        if (caller === undefined || !hasBody(request)) {
          done();
          return;
        }
        // Only a certificate can run out by itself.
        if (caller.principal.certificateSha256 === undefined && options.stands?.(caller.principal) === true) {
          done();
          return;
        }
        const outcome = authenticate(request, caller.ip);
        // The very object of before: nothing is known to have changed, and only a certificate can run out by itself.
        if (outcome === caller.principal && caller.principal.certificateSha256 === undefined) done();
        else if (outcome instanceof Promise)
          outcome.then((settled) => settle(readmit, facts, settled, request, reply, caller.ip, done), done);
        else settle(readmit, facts, outcome, request, reply, caller.ip, done);
      };
    },
  };
}

/** Lets a request go on or answers it with the refusal. A throw becomes the error of the request, also in a promise's callback. */
function settle(
  judge: (...asked: [RouteFacts, Principal | KeyRefusal, FastifyRequest, FastifyReply, string]) => Refusal | undefined,
  facts: RouteFacts,
  outcome: Principal | KeyRefusal,
  request: FastifyRequest,
  reply: FastifyReply,
  ip: string,
  done: HookHandlerDoneFunction,
): void {
  let refused: Refusal | undefined;
  try {
    refused = judge(facts, outcome, request, reply, ip);
  } catch (error) {
    done(error instanceof Error ? error : new Error("admission failed", { cause: error }));
    return;
  }
  if (refused === undefined) done();
  else sendRefusal(reply, refused);
}

function writeQuota(reply: FastifyReply, quota: Quota): void {
  reply.header("ratelimit-policy", quota.policy);
  reply.header("ratelimit", quota.limit);
  if (!quota.allowed) reply.header("retry-after", String(quota.retryAfterSeconds));
}

function isRefusal(outcome: Principal | KeyRefusal): outcome is KeyRefusal {
  return "ok" in outcome && outcome.ok === false;
}

/** Node joins repeated headers of these names into one string, which then is no valid value of any of them. */
function single(header: string | string[] | undefined): string | undefined {
  return typeof header === "string" ? header : header?.join(", ");
}

/** Nobody waits for the body of a GET, so it has arrived with its head and would never begin to count otherwise. */
function readsNothing({ method }: RouteFacts): boolean {
  return method === "GET" || method === "HEAD";
}

function hasBody(request: FastifyRequest): boolean {
  const headers = request.raw.headers;
  const length = headers["content-length"];
  return headers["transfer-encoding"] !== undefined || (length !== undefined && Number(length) !== 0);
}
