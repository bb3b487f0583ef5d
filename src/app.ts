import type { Logger } from "pino";
import { accountRoutes } from "#accounts/index.ts";
import {
  accessRoutes,
  allows,
  createAuthenticator,
  createFailureLimiter,
  createKeyUses,
  createRateLimiter,
  createSecurityLog,
  rateLimitFields,
} from "#access/index.ts";
import type { OrganisationAccess, Principal } from "#access/index.ts";
import type { BuiltEvent } from "#audit/index.ts";
import { auditRoutes } from "#audit/index.ts";
import type { CommitQueue, ReplyBox } from "#commit/index.ts";
import { createCommitQueue } from "#commit/index.ts";
import type { HttpLimits, HttpServer, TlsSettings } from "#http/index.ts";
import { createHttpServer } from "#http/index.ts";
import { identityRoutes, organisationRoutes, readOrganisation, settingsOf, users } from "#identity/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Ids, OrganisationId } from "#kernel/ids.ts";
import { createIds, partitionName, PARTITIONS } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import type { Random } from "#kernel/random.ts";
import { accounts, holds, transactions } from "#ledger/index.ts";
import { createAccountFacts, paymentRoutes } from "#payments/index.ts";
import type { Store } from "#storage/index.ts";
import type { AlgorithmUse, Kms, RotationWorker, Sealed, SealedPlace, Vault } from "#vault/index.ts";
import { createRotationWorker, createVault, sealedPlace, vaultRoutes } from "#vault/index.ts";

export interface AppOptions {
  readonly store: Store;
  readonly kms: Kms;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Told the events of each commit once it is durable. */
  readonly auditLog: (events: readonly BuiltEvent[]) => void;
  readonly trustedProxyHops: number;
  /** Nodes over the same store, which share every request quota between them. Default 1. */
  readonly nodes?: number;
  /** Bad keys from one address in a minute, after which its requests are turned away unseen. Default 20. */
  readonly authFailuresPerMinute?: number;
  /** Part of every encryption context, so that no key opens in the other kind of installation. Default `test`. */
  readonly environment?: "test" | "live";
  readonly version: string;
  readonly limits?: Partial<HttpLimits>;
  /** From `readTls`; without it the listener is a plain one. */
  readonly tls?: TlsSettings | undefined;
  readonly tlsTerminatedByProxy?: boolean;
  /** Whether audit lines wait to be written in such numbers that no more may be made. */
  readonly auditBlocked?: () => boolean;
}

export interface App {
  readonly server: HttpServer;
  readonly queue: CommitQueue;
  readonly vault: Vault;
  readonly ids: Ids;
  /** Rotations of keys are carried on by `work`, to be called every few seconds. */
  readonly rotations: RotationWorker;
  /** Writes what is gathered in memory beside the requests: when keys were used, refused calls that were only counted. To be called every minute. */
  maintain(): Promise<void>;
  /** The same for the last time, when no more requests come. */
  settle(): Promise<void>;
}

const AUTH_FAILURES_PER_MINUTE = 20;
/** The load of the commit queue above which requests are turned away before any work is done for them. */
const OVERLOADED_AT = 5_000;

/** Where sealed texts lie that have to be sealed again after a rotation. Kept replies expire under the key they have. */
const sealedPlaces: readonly SealedPlace[] = [
  sealedPlace({ collection: users, fields: ["profile"], index: "OrganisationUsersIndex", hashes: (id) => [id] }),
  sealedPlace({ collection: accounts, fields: ["metadata"], index: "OrganisationAccountsIndex", hashes: (id) => [id] }),
  sealedPlace({ collection: holds, fields: ["metadata"], index: "OrganisationHoldsIndex", hashes: (id) => [id] }),
  sealedPlace({
    collection: transactions,
    fields: ["metadata"],
    hashes: (id) => Array.from({ length: PARTITIONS }, (_, n) => partitionName(id, n)),
  }),
];

/** What other rooms use, for the inventory of cryptography. */
const algorithms: readonly AlgorithmUse[] = [
  { algorithm: "SHA-256", use: "recognition of API keys, which are random texts of 256 bits", strength_bits: 256, standard: "FIPS 180-4" },
  { algorithm: "SHA-256", use: "checksums of audit events, fingerprints of requests", strength_bits: 128, standard: "FIPS 180-4" },
  { algorithm: "TLS 1.2, TLS 1.3", use: "transport, where the listener speaks TLS", strength_bits: 128, standard: "RFC 5246, RFC 8446" },
];

/** The composition root: the one place where the rooms meet. */
export function createApp(options: AppOptions): App {
  const { store, clock, random, logger, kms, environment = "test" } = options;
  const ids = createIds(clock, random);
  const vault: Vault = createVault({ store, kms, clock, ids, random, environment });
  const queue = createCommitQueue({
    store,
    clock,
    random,
    replyBox: replyBox(vault),
    onCommitted: options.auditLog,
    onListenerError: (error) => logger.error({ err: error }, "audit log line not written"),
  });
  const uses = createKeyUses(store);
  const organisation = (id: OrganisationId) => organisationAccess(store, id);
  const authenticator = createAuthenticator({ store, clock, organisation, uses });
  const limiter = createRateLimiter({ clock, nodes: options.nodes ?? 1 });
  const failures = createFailureLimiter({ clock, limitPerMinute: options.authFailuresPerMinute ?? AUTH_FAILURES_PER_MINUTE });
  const onLost = (why: unknown): void => logger.error({ err: why }, "security event not kept");
  const securityLog = createSecurityLog({ queue, ids, clock, onLost });

  const auditBlocked = options.auditBlocked ?? (() => false);

  const server = createHttpServer({
    clock,
    ids,
    logger,
    authenticate: (key) => authenticator.authenticate(key),
    takeQuota(principal, cost) {
      const result = limiter.take(principal as Principal, cost);
      return { allowed: result.allowed, ...rateLimitFields(result), retryAfterSeconds: result.retryAfterSeconds };
    },
    refusesIp(principal, ip, sensitive) {
      const caller = principal as Principal;
      if (!allows(caller.organisation.ipAllowlist, ip)) return "organisation";
      return sensitive && !allows(caller.ipAllowlist, ip) ? "key" : undefined;
    },
    failures,
    trustedProxyHops: options.trustedProxyHops,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    tlsTerminatedByProxy: options.tlsTerminatedByProxy === true,
    ready: () => (auditBlocked() ? Promise.resolve(refuse("overloaded", undefined, "The audit log cannot be written.")) : store.ping()),
    version: options.version,
    overloaded: () => queue.load >= OVERLOADED_AT || auditBlocked(),
    onSecurityEvent: ({ principal, ...call }) => {
      logger.warn({ code: call.code, operation: call.operation, request_id: call.requestId }, "call refused");
      if (principal !== undefined) securityLog.refused({ ...call, organisationId: principal.organisationId, apiKeyId: principal.apiKeyId });
    },
  });

  const facts = createAccountFacts(store);
  identityRoutes(server, { store, queue, vault, ids, clock });
  organisationRoutes(server, { store, queue, ids, forget: (id) => authenticator.forgetOrganisation(id) });
  accessRoutes(server, { store, queue, clock, ids, random, authenticator, uses });
  accountRoutes(server, { store, queue, vault, ids, clock });
  paymentRoutes(server, { store, queue, vault, ids, clock, facts });
  auditRoutes(server, { store });
  const keys = { store, queue, vault, kms, clock, ids, environment, places: sealedPlaces };
  const rotations = createRotationWorker({ ...keys, onError: (error) => logger.error({ err: error }, "key rotation interrupted") });
  vaultRoutes(server, { ...keys, algorithms });
  return {
    server,
    queue,
    vault,
    ids,
    rotations,
    async maintain() {
      await Promise.all([uses.flush(), securityLog.flush()]);
    },
    async settle() {
      await rotations.stop();
      await Promise.all([uses.flush(), securityLog.flush(true)]);
    },
  };
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

/** What the authenticator asks of a key's organisation. */
async function organisationAccess(store: Store, id: OrganisationId): Promise<OrganisationAccess | undefined> {
  const organisation = await readOrganisation(store, id);
  return organisation && settingsOf(organisation);
}
