import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyBaseLogger, FastifyInstance, RawReplyDefaultExpression, RawRequestDefaultExpression, RawServerDefault } from "fastify";
import type { Logger } from "pino";
import type { Clock } from "#kernel/clock.ts";
import type { ApiKeyId, Ids, OperatorId, OrganisationId } from "#kernel/ids.ts";
import type { ProblemCode, Refusal } from "#kernel/problems.ts";
import type { Scope } from "#kernel/scopes.ts";
import type { HttpLimits } from "./limits.ts";
import type { TlsSettings } from "./tls.ts";

/**
 * Who calls, as far as this room needs to know. The rest is opaque here; whoever hands in
 * `authenticate` adds what it knows (limits, …) by declaration merging of this interface.
 */
export interface Principal {
  readonly organisationId: OrganisationId;
  /** The API key that calls; `null` where an operator's session does. */
  readonly apiKeyId: ApiKeyId | null;
  /** The operator who is signed in; absent where an API key calls. */
  readonly operatorId?: OperatorId;
  /** Whom the caller counts as wherever a second person is asked for: the operator, also behind a key of his own; else the key. */
  readonly personId: string;
  readonly scopes: ReadonlySet<Scope>;
  /** Set on a session that waits for a second factor, which is all that it is good for: what has to be done, for the refusal's detail. */
  readonly unfinished?: string;
  /** The client certificate the key is bound to: SHA-256 of its DER form, 64 hexadecimal digits. */
  readonly certificateSha256?: string;
}

/** One draw on a principal's request quota, with the header values of draft-ietf-httpapi-ratelimit-headers-11. */
export interface Quota {
  readonly allowed: boolean;
  /** The value of `RateLimit-Policy`. */
  readonly policy: string;
  /** The value of `RateLimit`. */
  readonly limit: string;
  /** Which quotas had not enough, in words for the refusal; read only when `allowed` is false. */
  readonly exhausted?: string;
  /** Whole seconds until a request is allowed again; read only when `allowed` is false. */
  readonly retryAfterSeconds: number;
}

/** Why a key is no good. */
export interface KeyRefusal extends Refusal {
  /** It was good once: whoever sends it guesses nothing, so it is no failure of its address. */
  readonly ended?: true;
}

/** What is remembered of the bad keys an address has sent. Both are asked on the hot path, so they must be cheap. */
export interface AuthenticationFailures {
  /** Whole seconds until keys from this address are looked at again; 0 when they are. */
  waitSeconds(ip: string): number;
  /** A key from this address was not a good one. */
  note(ip: string): void;
}

/** Sessions of operators, which browsers show by a cookie. */
export interface SessionAuthentication {
  /** The cookie's name. */
  readonly cookie: string;
  /** Judges its value. Synchronous answers are cheaper. */
  readonly authenticate: (token: string, ip: string) => Principal | KeyRefusal | Promise<Principal | KeyRefusal>;
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

/** Whose IP allow-list refused a call. */
export type AllowlistOwner = "organisation" | "key";

/** A call that was refused before any work was done for it: a sensitive one, or one from outside the organisation's allow-list. */
export interface SecurityEvent {
  readonly code: ProblemCode;
  /** Set when and only when the code is `ip_not_allowed`. */
  readonly allowlist?: AllowlistOwner;
  /** Set when and only when the code is `insufficient_scope`: the one that was needed. */
  readonly scope?: Scope;
  /** Absent when the key itself was refused. */
  readonly principal: Principal | undefined;
  readonly ip: string;
  readonly requestId: string;
  /** The route's pattern, e.g. `POST /v1/api-keys`. */
  readonly operation: string;
}

/** How a route is guarded; Fastify's `config` of the route. A route without `access` makes the start fail. */
export interface RouteConfig {
  /**
   * `public`: anyone. `key`: a valid X-API-Key or an operator's session, with its quota, and load shedding. `session`: an
   * operator's session only, for what everybody signed in may do about himself.
   */
  readonly access: "public" | "key" | "session";
  /**
   * The one scope that the caller must have, from the table in `kernel/scopes.ts`; set when and only when `access` is
   * `key`. It has to be written either way, so that no route can forget it.
   */
  readonly scope: Scope | null;
  /** Open to a session that still waits for its second factor; only where `access` is `session`. */
  readonly unfinished?: true;
  /** How many units of the quotas one call takes; 1 when absent. Known before the body is read, so it is the route's. */
  readonly cost?: number;
  /** The key's own IP allow-list is checked too (the organisation's is checked on every call). */
  readonly sensitive?: boolean;
  /**
   * `true`: an Idempotency-Key is required. `"refused"`: one is refused, because the reply shows a secret and is not kept, so
   * that whoever relies on a repetition would be let down. Absent: repeating the operation does nothing twice by itself.
   */
  readonly idempotent?: boolean | "refused";
  /** A request without a body is taken as `{}`. */
  readonly bodyOptional?: boolean;
  /** Its answer may last for as long as its client listens: it is the last of its connection. */
  readonly stream?: true;
  /** Response headers of the success beyond those that every answer carries; for the OpenAPI document. */
  readonly sends?: readonly ("ETag" | "Location" | "Set-Cookie")[];
  /** The problems this operation can answer besides those every operation can; for the OpenAPI document. */
  readonly problems?: readonly ProblemCode[];
}

/** How the sealing of the audit log stands, as this node knows it. */
export type TellAuditLog = () => "ok" | "late" | "clock_skew" | "tampered";

/** The state of the encryption keys: `ok`, or the code that requests are refused with. Never rejects. */
export type AskKeys = () => Promise<"ok" | "kms_unavailable" | "key_blocked">;

export interface HttpServerOptions {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly logger: Logger;
  /** Judges the value of X-API-Key (`undefined` when absent). Synchronous answers are cheaper. */
  readonly authenticate: (key: string | undefined) => Principal | KeyRefusal | Promise<Principal | KeyRefusal>;
  /** Whether `authenticate` would judge the key of this principal as it did moments ago; `false` where that has to be found out by asking it. */
  readonly stands?: (principal: Principal) => boolean;
  /** Where absent, only keys are taken. */
  readonly sessions?: SessionAuthentication;
  /** Draws `cost` units from every quota the principal has. */
  readonly takeQuota: (principal: Principal, cost: number) => Quota;
  /** Whose allow-list refuses this address: the organisation's on every call, the key's on sensitive ones. */
  readonly refusesIp: (principal: Principal, ip: string, sensitive: boolean) => AllowlistOwner | undefined;
  /** Turns an address away that has sent too many bad keys, before its key is looked at. */
  readonly failures?: AuthenticationFailures;
  /** How many proxies in front append to X-Forwarded-For. 0: the header is ignored, the socket's address counts. */
  readonly trustedProxyHops: number;
  readonly limits?: Partial<HttpLimits>;
  /** What to speak TLS with, from `readTls`; without it the listener is a plain one. */
  readonly tls?: TlsSettings;
  /** A proxy in front speaks TLS with the clients. */
  readonly tlsTerminatedByProxy?: boolean;
  /** Resolves when the product can serve, or with why it cannot; a rejection answers /readyz with `store_unavailable`. */
  readonly ready: () => Promise<Refusal | void>;
  /** The state of the encryption keys, for /readyz; `ok` where absent. */
  readonly keys?: AskKeys;
  /** The state of the audit log's sealing, for /readyz; `ok` where absent. */
  readonly auditLog?: TellAuditLog;
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
    /** Counts as one of those that have arrived and are not answered. */
    isWorkedOn: boolean;
    /** Bytes of its body that count against the budget of all. */
    heldBytes: number;
  }
}
