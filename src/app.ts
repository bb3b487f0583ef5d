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
  exhaustedText,
  rateLimitFields,
} from "#access/index.ts";
import type { Authenticator, OrganisationAccess, Principal } from "#access/index.ts";
import type { BuiltEvent } from "#audit/index.ts";
import { auditRoutes } from "#audit/index.ts";
import type { CommitQueue, ReplyBox } from "#commit/index.ts";
import { createCommitQueue } from "#commit/index.ts";
import { FEATURES } from "#features/index.ts";
import type { EventRoutesDeps, StreamLimits, Streams } from "#events/index.ts";
import { createStreams, eventRoutes } from "#events/index.ts";
import type { HttpLimits, HttpServer, TlsSettings } from "#http/index.ts";
import { createHttpServer } from "#http/index.ts";
import { identityRoutes, organisationRoutes, readOrganisation, settingsOf, users } from "#identity/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { ApiKeyId, Ids, OrganisationId } from "#kernel/ids.ts";
import { createIds, partitionName, PARTITIONS } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import type { Random } from "#kernel/random.ts";
import { labelRoutes } from "#labels/index.ts";
import type { TrainingWorker } from "#learning/index.ts";
import { createModelCache, createModels, createTrainingWorker, createTurns, learningRoutes, readInWorker } from "#learning/index.ts";
import { trainInWorker } from "#model/index.ts";
import { accounts, holds, transactions } from "#ledger/index.ts";
import type { AuditTree, AuditTreeDeps, WitnessAddress } from "#log/index.ts";
import { createAuditTree, logRoutes } from "#log/index.ts";
import type { Outbound } from "#outbound/index.ts";
import { createOutbound } from "#outbound/index.ts";
import { createAccountFacts, createReviewExpiry, fraudLessonOf, paymentRoutes, reviewNotes, riskRoutes } from "#payments/index.ts";
import type { ReviewExpiry } from "#payments/index.ts";
import type { Models } from "#risk/index.ts";
import type { DryRunWorker, Policies } from "#rules/index.ts";
import { createDryRunWorker, createPolicies, declare, paymentVariables, rulesRoutes } from "#rules/index.ts";
import type { Store } from "#storage/index.ts";
import type { AlgorithmUse, Kms, RotationWorker, Sealed, SealedPlace, Vault } from "#vault/index.ts";
import { createKeyHealth, createRotationWorker, createVault, sealedPlace, vaultRoutes } from "#vault/index.ts";
import type { WebhookWorker } from "#webhooks/index.ts";
import { createWebhookWorker, routedTo, webhookEndpoints, webhookRoutes } from "#webhooks/index.ts";

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
  /** Whether API keys can be bound to client certificates. Default: whether the listener asks for any. */
  readonly clientCertificates?: boolean;
  /** Whether audit lines wait to be written in such numbers that no more may be made. */
  readonly auditBlocked?: () => boolean;
  /** What a new audit log is called in its checkpoints, and who cosigns them. */
  readonly log?: {
    readonly origin?: string | undefined;
    readonly witnesses: readonly WitnessAddress[];
    readonly outbound: Outbound;
  } & Pick<AuditTreeDeps, "sealer">;
  /** How webhooks are sent, and whether http and this machine are allowed as targets. */
  readonly webhooks?: { readonly outbound: Outbound; readonly development: boolean };
  readonly streams?: Partial<StreamLimits>;
  /** The models in force; without them the factors decide. */
  readonly models?: Models;
}

export interface App {
  readonly server: HttpServer;
  readonly queue: CommitQueue;
  readonly vault: Vault;
  readonly ids: Ids;
  /** Rotations of keys, dry runs of risk rules, and trainings of models are carried on by `work`, to be called every few seconds. */
  readonly jobs: RotationWorker;
  /** Gives up reviews that were not decided in time; part of `maintain`. */
  readonly reviewExpiry: ReviewExpiry;
  /** Dry runs alone. */
  readonly dryRuns: DryRunWorker;
  /** Trainings of fraud models alone. */
  readonly trainings: TrainingWorker;
  /** The risk policies in force. */
  readonly policies: Policies;
  /** The models in force. */
  readonly models: Models;
  /** The Merkle log over the audit events, sealed by `worker.work`, to be called several times a second. */
  readonly log: AuditTree;
  /** Delivers webhooks by `work`, to be called several times a second. */
  readonly webhooks: WebhookWorker;
  /** Streams of events that are open on this node. */
  readonly streams: Streams;
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
  sealedPlace({ collection: reviewNotes, fields: ["text"], index: "OrganisationReviewNotesIndex", hashes: (id) => [id] }),
  sealedPlace({
    collection: webhookEndpoints,
    fields: ["secret", "previous_secret"],
    index: "OrganisationWebhookEndpointsIndex",
    hashes: (id) => [id],
  }),
  sealedPlace({
    collection: transactions,
    fields: ["metadata"],
    hashes: (id) => Array.from({ length: PARTITIONS }, (_, n) => partitionName(id, n)),
  }),
];

/** What other rooms use, for the inventory of cryptography. */
const algorithms: readonly AlgorithmUse[] = [
  { algorithm: "SHA-256", use: "recognition of API keys, which are random texts of 256 bits", strength_bits: 256, standard: "FIPS 180-4" },
  { algorithm: "Ed25519", use: "signatures of the audit log's checkpoints", strength_bits: 128, standard: "RFC 8032" },
  { algorithm: "HMAC-SHA-256", use: "signatures of webhooks", strength_bits: 128, standard: "RFC 2104, Standard Webhooks" },
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
    onCommitted(events) {
      // First: whoever is woken may fail, the audit lines may not be lost by it.
      options.auditLog(events);
      webhooks.wake();
      streams.wake();
    },
    onListenerError: (error) => logger.error({ err: error }, "audit log line not written"),
  });
  const sending = options.webhooks ?? { outbound: createOutbound(), development: false };
  const onWebhookError = (error: unknown): void => logger.error({ err: error }, "webhooks interrupted");
  const webhooks = createWebhookWorker({ store, queue, vault, clock, ids, random, outbound: sending.outbound, onError: onWebhookError });
  const onStreamError = (error: unknown): void => logger.error({ err: error }, "a stream was interrupted");
  const streams = createStreams({
    store,
    vault,
    clock,
    limits: options.streams ?? {},
    onError: onStreamError,
    nearEnd: () => routedTo(store),
  });
  const uses = createKeyUses(store);
  const organisation = (id: OrganisationId) => organisationAccess(store, id);
  const authenticator = createAuthenticator({ store, clock, organisation, uses, environment });
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
      return {
        allowed: result.allowed,
        ...rateLimitFields(result),
        exhausted: exhaustedText(result),
        retryAfterSeconds: result.retryAfterSeconds,
      };
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
    keys: createKeyHealth({ kms, vault, clock }),
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
  const clientCertificates = options.clientCertificates ?? options.tls?.requestCert === true;
  accessRoutes(server, { store, queue, clock, ids, random, authenticator, uses, clientCertificates });
  accountRoutes(server, { store, queue, vault, ids, clock });
  // Rules speak of every feature by its name, and of what every payment has; `amount` is the payment's, in minor units.
  const language = declare({ ...Object.fromEntries(FEATURES.map(({ name }) => [name, "number" as const])), ...paymentVariables });
  const policies = createPolicies({
    store,
    clock,
    language,
    onFault: ({ organisationId, faults }) =>
      logger.error({ organisation_id: organisationId, faults }, "risk rules in force do not compile"),
  });
  const modelCache = createModelCache({ store, read: readInWorker });
  const ownModels = createModels({
    store,
    clock,
    cache: modelCache,
    onFault: ({ organisationId, modelId, reason }) =>
      logger.error({ organisation_id: organisationId, model_id: modelId, reason }, "the model in force is not used"),
  });
  const models = options.models ?? ownModels;
  const payments = { store, queue, vault, ids, clock, facts, policies, models };
  paymentRoutes(server, payments);
  riskRoutes(server, payments);
  labelRoutes(server, { store, queue, ids, lessonOf: (organisationId, id) => fraudLessonOf(store, facts, organisationId, id) });
  const onExpiryError = (error: unknown): void => logger.error({ err: error }, "expired reviews not written down");
  const reviewExpiry = createReviewExpiry({ store, queue, ids, clock, onError: onExpiryError });
  const log = createAuditTree({
    store,
    kms,
    clock,
    random,
    queue,
    ids,
    environment,
    witnesses: [],
    ...options.log,
    onError: (error, what) => logger.error({ err: error }, what),
  });
  auditRoutes(server, {
    store,
    proofOf: (eventId) => log.proofOf(eventId),
    onRead: (actor, operation) => log.reads.note(actor, operation),
  });
  logRoutes(server, { store, ...log });
  webhookRoutes(server, { store, queue, vault, clock, ids, random, development: sending.development });
  eventRoutes(server, { store, streams, mayListen: mayListen(authenticator, clock) });
  const keys = { store, queue, vault, kms, clock, ids, environment, places: sealedPlaces };
  const rotations = createRotationWorker({ ...keys, onError: (error) => logger.error({ err: error }, "key rotation interrupted") });
  vaultRoutes(server, { ...keys, algorithms });
  rulesRoutes(server, { store, queue, ids, clock, language, forget: (id) => policies.forget(id) });
  const learning = { store, queue, ids, clock, cache: modelCache, read: readInWorker };
  learningRoutes(server, { ...learning, turns: createTurns(), forget: (id) => ownModels.forget(id) });
  const onTrainingError = (error: unknown): void => logger.error({ err: error }, "training of a model interrupted");
  const trainings = createTrainingWorker({ ...learning, train: trainInWorker, onError: onTrainingError });
  const dryRuns = createDryRunWorker({
    store,
    queue,
    clock,
    ids,
    language,
    onError: (error) => logger.error({ err: error }, "dry run interrupted"),
  });
  const jobs = {
    work: async () => void (await Promise.all([rotations.work(), dryRuns.work(), trainings.work()])),
    stop: async () => void (await Promise.all([rotations.stop(), dryRuns.stop(), trainings.stop()])),
  };
  return {
    server,
    queue,
    vault,
    ids,
    jobs,
    dryRuns,
    trainings,
    policies,
    models,
    log,
    webhooks,
    streams,
    reviewExpiry,
    async maintain() {
      await Promise.all([uses.flush(), securityLog.flush(), log.reads.flush(), reviewExpiry.work()]);
    },
    async settle() {
      await webhooks.stop();
      sending.outbound.close();
      await jobs.stop();
      await Promise.all([uses.flush(), securityLog.flush(true), log.reads.flush(true)]);
      // What came last is sealed before the process ends, as far as the feed shows it by now.
      await log.worker.work();
      await log.worker.stop();
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

/** How old what is known of a key may be where a stream asks whether it may go on, ms: a revocation ends it within five seconds. */
const STREAM_KEY_MS = 1_000;
const MAX_STREAM_KEYS = 10_000;

/** Judges the key of an open stream anew: as it is in the store, not as this process remembers it. */
function mayListen(authenticator: Authenticator, clock: Clock): EventRoutesDeps["mayListen"] {
  const forgotten = new Map<ApiKeyId, number>();
  return (request) => {
    const key = request.headers["x-api-key"];
    const { ip, principal } = request.caller;
    return async () => {
      const now = clock.now();
      if (now - (forgotten.get(principal.apiKeyId) ?? 0) >= STREAM_KEY_MS) {
        if (forgotten.size >= MAX_STREAM_KEYS) forgotten.clear();
        forgotten.set(principal.apiKeyId, now);
        authenticator.forget(principal.apiKeyId);
      }
      const again = await authenticator.authenticate(typeof key === "string" ? key : undefined);
      if (!again.ok) return again.code === "unauthenticated" ? false : undefined;
      return again.scopes.has("events:read") && allows(again.organisation.ipAllowlist, ip);
    };
  };
}

/** What the authenticator asks of a key's organisation. */
async function organisationAccess(store: Store, id: OrganisationId): Promise<OrganisationAccess | undefined> {
  const organisation = await readOrganisation(store, id);
  return organisation && settingsOf(organisation);
}
