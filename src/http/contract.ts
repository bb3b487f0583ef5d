import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyBaseLogger, FastifyInstance, RawReplyDefaultExpression, RawRequestDefaultExpression, RawServerDefault } from "fastify";
import type { Logger } from "pino";
import type { Clock } from "#kernel/clock.ts";
import type { ApiKeyId, Ids, OrganisationId } from "#kernel/ids.ts";
import type { ProblemCode, Refusal } from "#kernel/problems.ts";
import type { HttpLimits } from "./limits.ts";

/**
 * Who calls, as far as this room needs to know. The rest is opaque here; whoever hands in
 * `authenticate` adds what it knows (scopes, …) by declaration merging of this interface.
 */
export interface Principal {
  readonly organisationId: OrganisationId;
  readonly apiKeyId: ApiKeyId;
}

/** One draw on a principal's request quota, with the header values of draft-ietf-httpapi-ratelimit-headers-11. */
export interface Quota {
  readonly allowed: boolean;
  /** The value of `RateLimit-Policy`. */
  readonly policy: string;
  /** The value of `RateLimit`. */
  readonly limit: string;
  /** Whole seconds until a request is allowed again; read only when `allowed` is false. */
  readonly retryAfterSeconds: number;
}

/** Who made this request, from where. */
export interface Caller {
  readonly principal: Principal;
  /** The client's address as far as the trusted proxies vouch for it; IPv4-mapped addresses in their IPv4 form. */
  readonly ip: string;
  /** At most 256 characters, as the client sent them; empty when it sent none. */
  readonly userAgent: string;
  readonly requestId: string;
}

/** What an idempotent request is recognised by. */
export interface Idempotency {
  /** 22 characters: base64url of the first 16 bytes of SHA-256 over `"<organisation>\n<key>"`. */
  readonly id: string;
  /** base64url SHA-256 over method, path and the raw body. */
  readonly fingerprint: string;
}

/** A sensitive call that was refused before any work was done for it. */
export interface SecurityEvent {
  readonly code: ProblemCode;
  /** Absent when the key itself was refused. */
  readonly principal: Principal | undefined;
  readonly ip: string;
  readonly requestId: string;
  /** The route's pattern, e.g. `POST /v1/api-keys`. */
  readonly operation: string;
}

/** How a route is guarded; Fastify's `config` of the route. A route without `access` makes the start fail. */
export interface RouteConfig {
  /** `public`: anyone. `key`: a valid X-API-Key, its quota, and load shedding. */
  readonly access: "public" | "key";
  /** The principal's IP allow-list is checked before any work. */
  readonly sensitive?: boolean;
  /** An Idempotency-Key is required. */
  readonly idempotent?: boolean;
  /** A request without a body is taken as `{}`. */
  readonly bodyOptional?: boolean;
  /** The problems this operation can answer besides those every operation can; for the OpenAPI document. */
  readonly problems?: readonly ProblemCode[];
}

export interface HttpServerOptions {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly logger: Logger;
  /** Judges the value of X-API-Key (`undefined` when absent). Synchronous answers are cheaper. */
  readonly authenticate: (key: string | undefined) => Principal | Refusal | Promise<Principal | Refusal>;
  readonly takeQuota: (principal: Principal) => Quota;
  readonly allowsIp: (principal: Principal, ip: string) => boolean;
  /** How many proxies in front append to X-Forwarded-For. 0: the header is ignored, the socket's address counts. */
  readonly trustedProxyHops: number;
  readonly limits?: Partial<HttpLimits>;
  /** Resolves when the product can serve; a rejection answers /readyz with 503. */
  readonly ready: () => Promise<void>;
  readonly version: string;
  /** Whether to answer 503 before doing any work. Asked once a request, so it must be cheap. */
  readonly overloaded?: () => boolean;
  readonly onSecurityEvent?: (event: SecurityEvent) => void;
}

/** The Fastify instance with request types read from TypeBox schemas. */
export type HttpServer = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** What the guard knows about a route; made once, when the route is registered. */
export interface RouteFacts extends RouteConfig {
  readonly method: string;
  readonly pattern: string;
  readonly acceptsBody: boolean;
}

declare module "fastify" {
  interface FastifyContextConfig extends RouteConfig {}
  interface FastifyRequest {
    /** Set before anything of the route runs. @throws InvariantError on routes with access "public". */
    caller: Caller;
    /** Set on routes with `idempotent: true`; complete once the body is parsed. */
    idempotency: Idempotency | undefined;
    /** This room's own notes on the request. */
    facts: RouteFacts | undefined;
    callerOrNone: Caller | undefined;
    startedAt: number;
  }
}
