import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from "fastify";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import { clientAddress } from "./client-address.ts";
import type { HttpServerOptions, Principal, Quota, RouteFacts } from "./contract.ts";
import { fingerprintOf, idempotencyId, readIdempotencyKey } from "./idempotency-key.ts";
import { queryHasKey } from "./key-in-query.ts";
import { sendRefusal } from "./send.ts";
import type { Traffic } from "./traffic.ts";

const MAX_USER_AGENT_LENGTH = 256;

export type OnRequest = (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => void;

/** The part of the options that the guard asks on every request. */
export type GuardOptions = Pick<
  HttpServerOptions,
  "authenticate" | "takeQuota" | "allowsIp" | "trustedProxyHops" | "overloaded" | "onSecurityEvent"
> & { readonly urlLength: number };

export interface Guard {
  /** Gives the request its headers and books it; every answer starts here. Refuses what no route would take. */
  greet(request: FastifyRequest, reply: FastifyReply): Refusal | undefined;
  /** The one onRequest hook of a route: all checks that need no body, in the order of their cost. */
  forRoute(facts: RouteFacts): OnRequest;
}

export function createGuard(options: GuardOptions, traffic: Traffic): Guard {
  const { authenticate, takeQuota, allowsIp, trustedProxyHops, overloaded, onSecurityEvent, urlLength } = options;

  function greet(request: FastifyRequest, reply: FastifyReply): Refusal | undefined {
    const raw = request.raw;
    traffic.enter(request, reply);
    reply.header("x-request-id", request.id);
    reply.header("x-content-type-options", "nosniff");
    reply.header("cache-control", "no-store");
    if (traffic.stopping) return refuse("shutting_down");
    const url = raw.url ?? "";
    if (url.length > urlLength) return refuse("uri_too_long");
    // Node's own check would answer an empty 400 (RFC 9112 section 3.2).
    if (raw.headers.host === undefined && raw.httpVersion === "1.1")
      return refuse("invalid_request", undefined, "The Host header is missing.");
    if (url.includes("?") && queryHasKey(request.query)) return refuse("key_in_query");
    return undefined;
  }

  function reportRefused(facts: RouteFacts, refusal: Refusal, principal: Principal | undefined, request: FastifyRequest, ip: string): void {
    if (facts.sensitive !== true || onSecurityEvent === undefined) return;
    onSecurityEvent({ code: refusal.code, principal, ip, requestId: request.id, operation: `${facts.method} ${facts.pattern}` });
  }

  /** What follows authentication. @returns the refusal, or undefined when the request may go on. */
  function admit(facts: RouteFacts, outcome: Principal | Refusal, request: FastifyRequest, reply: FastifyReply): Refusal | undefined {
    const raw = request.raw;
    const ip = clientAddress(raw, trustedProxyHops);
    if (isRefusal(outcome)) {
      reportRefused(facts, outcome, undefined, request, ip);
      return outcome;
    }
    const userAgent = raw.headers["user-agent"] ?? "";
    request.callerOrNone = {
      principal: outcome,
      ip,
      userAgent: userAgent.length > MAX_USER_AGENT_LENGTH ? userAgent.slice(0, MAX_USER_AGENT_LENGTH) : userAgent,
      requestId: request.id,
    };
    const quota = takeQuota(outcome);
    writeQuota(reply, quota);
    if (!quota.allowed) return refuse("rate_limited");
    if (facts.sensitive === true && !allowsIp(outcome, ip)) {
      const refusal = refuse("ip_not_allowed");
      reportRefused(facts, refusal, outcome, request, ip);
      return refusal;
    }
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
        if (facts.bodyOptional === true && !hasBody(request)) request.body = {};
        if (facts.access === "public") {
          done();
          return;
        }
        if (overloaded?.() === true) {
          sendRefusal(reply, refuse("overloaded"));
          return;
        }
        const outcome = authenticate(single(request.raw.headers["x-api-key"]));
        if (!(outcome instanceof Promise)) {
          const refused = admit(facts, outcome, request, reply);
          if (refused === undefined) done();
          else sendRefusal(reply, refused);
          return;
        }
        outcome.then((settled) => {
          let refused: Refusal | undefined;
          try {
            refused = admit(facts, settled, request, reply);
          } catch (error) {
            done(error instanceof Error ? error : new Error("admission failed", { cause: error }));
            return;
          }
          if (refused === undefined) done();
          else sendRefusal(reply, refused);
        }, done);
      };
    },
  };
}

function writeQuota(reply: FastifyReply, quota: Quota): void {
  reply.header("ratelimit-policy", quota.policy);
  reply.header("ratelimit", quota.limit);
  if (!quota.allowed) reply.header("retry-after", String(quota.retryAfterSeconds));
}

function isRefusal(outcome: Principal | Refusal): outcome is Refusal {
  return "ok" in outcome && outcome.ok === false;
}

/** Node joins repeated headers of these names into one string, which then is no valid value of any of them. */
function single(header: string | string[] | undefined): string | undefined {
  return typeof header === "string" ? header : header?.join(", ");
}

function hasBody(request: FastifyRequest): boolean {
  const headers = request.raw.headers;
  const length = headers["content-length"];
  return headers["transfer-encoding"] !== undefined || (length !== undefined && Number(length) !== 0);
}
