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
import type { OrganisationAccess, Principal } from "#access/index.ts";
import { accountRoutes } from "#accounts/index.ts";
import { auditRoutes } from "#audit/index.ts";
import { authenticationRoutes, canAuthenticate, createScaPolicies } from "#authentications/index.ts";
import { createCommitQueue } from "#commit/index.ts";
import { controlRoutes, createControls, guardRoutes } from "#controls/index.ts";
import { createStreams, eventRoutes } from "#events/index.ts";
import { consoleCodeSender, createFactorNotices, factorRoutes, noCodeSender } from "#factors/index.ts";
import type { FactorDeps, RelyingParty } from "#factors/index.ts";
import { FEATURES } from "#features/index.ts";
import { createHttpServer } from "#http/index.ts";
import { contactOfUser, identityRoutes, organisationRoutes, readOrganisation, settingsOf } from "#identity/index.ts";
import { createIds } from "#kernel/ids.ts";
import type { OperatorId, OrganisationId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import { labelRoutes } from "#labels/index.ts";
import { createModelCache, createModels, createTrainingWorker, createTurns, learningRoutes, readInWorker } from "#learning/index.ts";
import { createAuditTree, logRoutes } from "#log/index.ts";
import { trainInWorker } from "#model/index.ts";
import {
  activeOperators,
  cookieNames,
  createPasswords,
  createSessionAuthenticator,
  createSignInThrottle,
  operatorContact,
  operatorRoutes,
  ownerAccess,
} from "#operators/index.ts";
import { createOutbound } from "#outbound/index.ts";
import { hostedPages } from "#pages/index.ts";
import {
  createAccountFacts,
  createActionExpiry,
  createReviewExpiry,
  createWaitingPayments,
  fraudLessonOf,
  paymentRoutes,
  riskRoutes,
  showPosted,
} from "#payments/index.ts";
import type { PaymentDeps } from "#payments/index.ts";
import { createDryRunWorker, createPolicies, declare, paymentVariables, rulesRoutes } from "#rules/index.ts";
import { SINKS_TABLE, createSinkWorker, sinkRoutes } from "#sinks/index.ts";
import type { Store } from "#storage/index.ts";
import { createKeyHealth, createRotationWorker, createVault, vaultRoutes } from "#vault/index.ts";
import type { Vault } from "#vault/index.ts";
import { createLeader, createWebhookWorker, webhookRoutes } from "#webhooks/index.ts";
import type { App, AppOptions } from "./app-contract.ts";
import { controlledOperations } from "./controlled-operations.ts";
import type { ControlledRooms } from "./controlled-operations.ts";
import { algorithms, sealedPlaces } from "./inventory.ts";
import { mayListen } from "./may-listen.ts";
import { createPeopleOf } from "./people-of.ts";
import { replyBox } from "./reply-box.ts";

export type { App, AppOptions };

const AUTH_FAILURES_PER_MINUTE = 20;
/** The load of the commit queue above which requests are turned away before any work is done for them. */
const OVERLOADED_AT = 5_000;

/** Browsers take `localhost` for a secure place, and no address in its stead. */
const DEVELOPMENT_RELYING_PARTY: RelyingParty = { id: "localhost", name: "SmartFinance", origins: ["http://localhost:8080"] };

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
    showReply: showPosted({
      store,
      vault,
      onDifferent: (organisation_id, transaction_id) =>
        logger.warn({ organisation_id, transaction_id }, "a repeated transfer is shown otherwise than it was answered"),
    }),
    onCommitted(events) {
      // First: whoever is woken may fail, the audit lines may not be lost by it.
      options.auditLog(events);
      factorNotices.onCommitted(events);
      webhooks.wake();
      streams.wake();
    },
    onListenerError: (error) => logger.error({ err: error }, "audit log line not written"),
  });
  const toConsole = consoleCodeSender((line) => logger.info(line, "a code or a notice for development"));
  const factors: FactorDeps = {
    store,
    queue,
    vault,
    ids,
    clock,
    random,
    relyingParty: options.relyingParty ?? DEVELOPMENT_RELYING_PARTY,
    codeSender: options.codeSender ?? (environment === "live" ? noCodeSender : toConsole),
    contactOf: ({ kind, organisationId, id }) => (kind === "user" ? contactOfUser : operatorContact)({ store, vault }, organisationId, id),
    onError: (error, what) => logger.error({ err: error }, what),
  };
  const factorNotices = createFactorNotices(factors);
  const sending = options.webhooks ?? { outbound: createOutbound(), development: false };
  const onWebhookError = (error: unknown): void => logger.error({ err: error }, "webhooks interrupted");
  const placeOf = (eventId: string): Promise<number | undefined> => log.reader.placeOf(eventId);
  const webhooks = createWebhookWorker({
    store,
    queue,
    vault,
    clock,
    ids,
    random,
    outbound: sending.outbound,
    placeOf,
    onError: onWebhookError,
  });
  const onStreamError = (error: unknown): void => logger.error({ err: error }, "a stream was interrupted");
  const streams = createStreams({
    store,
    vault,
    clock,
    limits: options.streams ?? {},
    onError: onStreamError,
    // The log writes down where it has come to with every step; webhooks do so every few seconds, and stand still where nothing goes on.
    nearEnd: async () => (await log.reader.state())?.cursor,
  });
  const uses = createKeyUses(store);
  const organisation = (id: OrganisationId) => organisationAccess(store, id);
  const owner = (id: OperatorId) => ownerAccess({ store, clock }, id);
  const authenticator = createAuthenticator({ store, clock, organisation, owner, uses, environment });
  const sessions = createSessionAuthenticator({ store, clock, organisation, environment });
  const secure = options.tls !== undefined || options.tlsTerminatedByProxy === true;
  const limiter = createRateLimiter({ clock, nodes: options.nodes ?? 1 });
  const failures = createFailureLimiter({ clock, limitPerMinute: options.authFailuresPerMinute ?? AUTH_FAILURES_PER_MINUTE });
  const onLost = (why: unknown): void => logger.error({ err: why }, "security event not kept");
  const securityLog = createSecurityLog({ queue, ids, clock, onLost });

  const auditBlocked = options.auditBlocked ?? (() => false);

  const forgetOrganisation = (id: OrganisationId): void => {
    authenticator.forgetOrganisation(id);
    sessions.forgetOrganisation(id);
  };

  const server = createHttpServer({
    clock,
    ids,
    logger,
    authenticate: (key) => authenticator.authenticate(key),
    stands: (principal) => authenticator.stands(principal as Principal),
    sessions: { cookie: cookieNames(secure).session, authenticate: (token) => sessions.authenticate(token) },
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
    auditLog: () => log.health,
    version: options.version,
    overloaded: () => queue.load() >= OVERLOADED_AT || auditBlocked(),
    onSecurityEvent: ({ principal, ...call }) => {
      logger.warn({ code: call.code, operation: call.operation, request_id: call.requestId }, "call refused");
      if (principal !== undefined) {
        const { organisationId, apiKeyId, operatorId } = principal;
        securityLog.refused({ ...call, organisationId, apiKeyId, ...(operatorId === undefined ? {} : { operatorId }) });
      }
    },
  });

  const facts = createAccountFacts(store);
  const people = createPeopleOf({
    store,
    clock,
    environment,
    organisation,
    operator: owner,
    operatorsOf: (id) => activeOperators({ store, clock }, id),
  });
  const onControlError = (error: unknown): void => logger.error({ err: error }, "an approval was not carried on");
  // Executed with the very parts that the routes below are made with, which are there by then.
  const controlled = (): ControlledRooms => ({
    accounts: { store, queue, vault, ids, clock },
    organisation: { store, queue, ids, forget: forgetOrganisation },
    access: { store, queue, clock, ids, random, authenticator, uses, clientCertificates },
    operators: operatorDeps,
    factors,
    authentications: authenticating,
    payments,
    rules: { store, queue, ids, clock, language, forget: (id) => policies.forget(id) },
    learning: { ...learning, turns, forget: (id) => ownModels.forget(id) },
  });
  const controls = createControls({
    store,
    queue,
    vault,
    ids,
    clock,
    ...people,
    operations: controlledOperations(controlled),
    onError: onControlError,
  });
  // Before the routes, in front of which it puts itself.
  guardRoutes(server, controls.deps);
  identityRoutes(server, { store, queue, vault, ids, clock });
  organisationRoutes(server, { store, queue, ids, forget: forgetOrganisation });
  const clientCertificates = options.clientCertificates ?? options.tls?.requestCert === true;
  accessRoutes(server, { store, queue, clock, ids, random, authenticator, uses, clientCertificates });
  factorRoutes(server, factors);
  const operatorDeps = {
    ...factors,
    passwords: createPasswords({ random }),
    throttle: createSignInThrottle({ clock }),
    sessions,
    keys: authenticator,
    securityLog,
    environment,
    secure,
    trustedProxyHops: options.trustedProxyHops,
  };
  operatorRoutes(server, operatorDeps);
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
  const sca = createScaPolicies({ store, clock });
  const payments: PaymentDeps = {
    store,
    queue,
    vault,
    ids,
    clock,
    facts,
    policies,
    models,
    sca,
    canAuthenticate: (organisationId, userId, policy) => canAuthenticate(factors, organisationId, userId, policy),
    reviewers: people.reviewers,
  };
  const authenticating = { ...factors, policies: sca, waiting: createWaitingPayments(payments) };
  authenticationRoutes(server, authenticating);
  const visits = hostedPages(server, {
    ...authenticating,
    failures,
    mayHost: async (organisationId, apiKeyId) => {
      const nobody = { ip: null, userAgent: null, requestId: null };
      return (await people.standing({ organisationId, apiKeyId, ...nobody }))?.scopes.has("hosted_sessions:write") === true;
    },
    trustedProxyHops: options.trustedProxyHops,
    secure: options.tls !== undefined || options.tlsTerminatedByProxy === true,
    onExpiryError: (error) => logger.error({ err: error }, "expired hosted sessions not written down"),
  });
  paymentRoutes(server, payments);
  riskRoutes(server, payments);
  labelRoutes(server, { store, queue, ids, lessonOf: (organisationId, id) => fraudLessonOf(store, facts, organisationId, id) });
  const onExpiryError = (error: unknown): void => logger.error({ err: error }, "expired reviews not written down");
  const reviewExpiry = createReviewExpiry({ store, queue, ids, clock, onError: onExpiryError });
  const onActionError = (error: unknown): void => logger.error({ err: error }, "expired payments not written down");
  const actionExpiry = createActionExpiry({ store, queue, ids, clock, onError: onActionError });
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
    onEvent: (event) => options.auditLog([event]),
    onError: (error, what) => logger.error({ err: error }, what),
  });
  auditRoutes(server, {
    store,
    clock,
    proofOf: (eventId) => log.proofOf(eventId),
    onRead: (actor, operation) => log.reads.note(actor, operation),
  });
  logRoutes(server, { store, reader: log.reader, signer: () => log.signer(), clock, reads: log.reads });
  const sealed = { head: () => log.signedHead(), leaves: (from: number, to: number) => log.leaves(from, to) };
  const sinkDeps = { store, clock, log: sealed, sinks: options.sinks ?? [] };
  const sinks = createSinkWorker({
    ...sinkDeps,
    random,
    leader: createLeader({ store, clock, name: ids.next("request"), table: SINKS_TABLE }),
    onError: (error, sink) => logger.error({ err: error, sink }, "audit events not copied"),
  });
  // What is shown need not be held against the key.
  sinkRoutes(server, { ...sinkDeps, log: { ...sealed, head: () => log.reader.checkpoint() } });
  webhookRoutes(server, { store, queue, vault, clock, ids, random, development: sending.development });
  eventRoutes(server, { store, clock, streams, mayListen: mayListen(authenticator, sessions, cookieNames(secure).session, clock) });
  const keys = { store, queue, vault, kms, clock, ids, environment, places: sealedPlaces };
  const rotations = createRotationWorker({ ...keys, onError: (error) => logger.error({ err: error }, "key rotation interrupted") });
  vaultRoutes(server, { ...keys, algorithms });
  rulesRoutes(server, { store, queue, ids, clock, language, forget: (id) => policies.forget(id) });
  const learning = { store, queue, ids, clock, cache: modelCache, read: readInWorker };
  const turns = createTurns();
  learningRoutes(server, { ...learning, turns, forget: (id) => ownModels.forget(id) });
  controlRoutes(server, controls.deps);
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
    work: async () => void (await Promise.all([rotations.work(), dryRuns.work(), trainings.work(), controls.worker.work()])),
    stop: async () => void (await Promise.all([rotations.stop(), dryRuns.stop(), trainings.stop(), controls.worker.stop()])),
  };
  return {
    server,
    queue,
    vault,
    ids,
    jobs,
    dryRuns,
    approvals: controls.worker,
    trainings,
    policies,
    models,
    log,
    sinks,
    webhooks,
    streams,
    reviewExpiry,
    actionExpiry,
    async maintain() {
      await Promise.all([uses.flush(), securityLog.flush(), log.reads.flush(), reviewExpiry.work(), actionExpiry.work(), visits.work()]);
    },
    async settle() {
      await webhooks.stop();
      sending.outbound.close();
      await jobs.stop();
      await factorNotices.settle();
      await Promise.all([uses.flush(), sessions.flush(), securityLog.flush(true), log.reads.flush(true)]);
      await log.life.stopped();
      await sinks.stop();
      // What came last is sealed before the process ends, as far as the feed shows it by now.
      await log.worker.work();
      await log.worker.stop();
    },
  };
}

/** What the authenticator asks of a key's organisation. */
async function organisationAccess(store: Store, id: OrganisationId): Promise<OrganisationAccess | undefined> {
  const organisation = await readOrganisation(store, id);
  return organisation && settingsOf(organisation);
}
