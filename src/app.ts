import type { Logger } from "pino";
import { accountRoutes } from "#accounts/index.ts";
import { accessRoutes, allows, createAuthenticator, createRateLimiter, rateLimitHeaders } from "#access/index.ts";
import type { Principal } from "#access/index.ts";
import type { BuiltEvent } from "#audit/index.ts";
import { auditRoutes } from "#audit/index.ts";
import type { CommitQueue, ReplyBox } from "#commit/index.ts";
import { createCommitQueue } from "#commit/index.ts";
import type { HttpLimits, HttpServer, SecurityEvent } from "#http/index.ts";
import { createHttpServer } from "#http/index.ts";
import { identityRoutes } from "#identity/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Ids, OrganisationId } from "#kernel/ids.ts";
import { createIds } from "#kernel/ids.ts";
import type { Random } from "#kernel/random.ts";
import { createAccountFacts, paymentRoutes } from "#payments/index.ts";
import type { Store } from "#storage/index.ts";
import type { Kms, Sealed, Vault } from "#vault/index.ts";
import { createVault } from "#vault/index.ts";

export interface AppOptions {
  readonly store: Store;
  readonly kms: Kms;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Told the events of each commit once it is durable. */
  readonly auditLog: (events: readonly BuiltEvent[]) => void;
  readonly trustedProxyHops: number;
  readonly version: string;
  readonly limits?: Partial<HttpLimits>;
}

export interface App {
  readonly server: HttpServer;
  readonly queue: CommitQueue;
  readonly vault: Vault;
  readonly ids: Ids;
}

/** Commands waiting above which requests are turned away before any work is done for them. */
const OVERLOADED_AT = 5_000;

/** The composition root: the one place where the rooms meet. */
export function createApp(options: AppOptions): App {
  const { store, clock, random, logger } = options;
  const ids = createIds(clock, random);
  const vault: Vault = createVault({ store, kms: options.kms, clock, ids, random });
  const queue = createCommitQueue({
    store,
    clock,
    random,
    replyBox: replyBox(vault),
    onCommitted: options.auditLog,
    onListenerError: (error) => logger.error({ err: error }, "audit log line not written"),
  });
  const authenticator = createAuthenticator({ store, clock });
  const limiter = createRateLimiter({ clock });

  const server = createHttpServer({
    clock,
    ids,
    logger,
    authenticate: (key) => authenticator.authenticate(key),
    takeQuota(principal) {
      const result = limiter.take(principal as Principal);
      const headers = rateLimitHeaders(result);
      return {
        allowed: result.allowed,
        policy: headers["RateLimit-Policy"] ?? "",
        limit: headers.RateLimit ?? "",
        retryAfterSeconds: result.retryAfterSeconds,
      };
    },
    allowsIp: (principal, ip) => allows((principal as Principal).ipAllowlist, ip),
    trustedProxyHops: options.trustedProxyHops,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ready: () => store.ping(),
    version: options.version,
    overloaded: () => queue.depth >= OVERLOADED_AT,
    onSecurityEvent: (event) => {
      keepSecurityEvent(queue, ids, logger, event).catch((error: unknown) => logger.error({ err: error }, "security event not kept"));
    },
  });

  const facts = createAccountFacts(store);
  identityRoutes(server, { store, queue, vault, ids });
  accessRoutes(server, { store, queue, clock, ids, random, authenticator });
  accountRoutes(server, { store, queue, vault, ids, clock });
  paymentRoutes(server, { store, queue, vault, ids, clock, facts });
  auditRoutes(server, { store });
  return { server, queue, vault, ids };
}

/** Seals kept replies under the organisation's data key, bound to their own record. */
function replyBox(vault: Vault): ReplyBox {
  const binding = (organisation_id: OrganisationId, record: string) => ({
    organisation_id,
    table: "smartfinance-idempotency",
    record,
    field: "body",
  });
  return {
    async sealer(organisationId, record) {
      const dataKey = await vault.dataKey(organisationId);
      return (body) => ({ ...vault.seal(dataKey, binding(organisationId, record), body) });
    },
    async open(organisationId, record, kept) {
      const sealed = kept as unknown as Sealed;
      return vault.open(await vault.dataKeyById(organisationId, sealed.key_id), binding(organisationId, record), sealed);
    },
  };
}

/** Keeps a refused sensitive call in the audit log of the organisation whose key was used. */
async function keepSecurityEvent(queue: CommitQueue, ids: Ids, logger: Logger, event: SecurityEvent): Promise<void> {
  logger.warn({ code: event.code, operation: event.operation, request_id: event.requestId }, "sensitive call refused");
  const { principal } = event;
  if (principal === undefined) return;
  const actor = {
    organisationId: principal.organisationId,
    apiKeyId: principal.apiKeyId,
    ip: event.ip,
    userAgent: null,
    requestId: event.requestId,
  };
  const details = { operation: event.operation };
  const draft = { id: ids.next("event"), type: "access.ip_refused" as const, objectId: principal.apiKeyId, details };
  const executed = await queue.execute({
    actor,
    needs: [],
    decide: () => ({ reply: { status: 204, body: "" }, changes: [], events: [draft] }),
  });
  if (!executed.ok) logger.error({ code: executed.code, request_id: event.requestId }, "security event not kept");
}
