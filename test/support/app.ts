import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import type { App } from "#app.ts";
import { createApp } from "#app.ts";
import type { BootstrapDeps } from "#bootstrap.ts";
import { createOrganisation } from "#bootstrap.ts";
import { readConfig } from "#config.ts";
import { openStore } from "#open-store.ts";
import type { HttpLimits, TlsSettings } from "#http/index.ts";
import type { StreamLimits } from "#events/index.ts";
import type { CodeSender, RelyingParty } from "#factors/index.ts";
import { stop } from "#http/index.ts";
import type { Clock } from "#kernel/clock.ts";
import { systemRandom } from "#kernel/random.ts";
import type { Scope } from "#kernel/scopes.ts";
import type { Models } from "#risk/index.ts";
import type { Store } from "#storage/index.ts";
import type { MemoryDatabase } from "#storage/memory/database.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import type { MemoryStoreOptions } from "#storage/memory/memory-store.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { createOutbound } from "#outbound/index.ts";
import { webhookOutboundLimits } from "#webhooks/index.ts";
import type { Sink } from "#sinks/index.ts";
import type { Kms } from "#vault/index.ts";
import { openLocalKms } from "#vault/index.ts";
import type { DynamoServer } from "./dynamodb-server.ts";
import type { Answer, Client } from "./http-client.ts";
import { createClient, ok } from "./http-client.ts";

export type StoreKind = "memory" | "sqlite" | "dynamodb";

/** The machine's clock, which tests may move forward. Sleeping takes real time. */
export interface MovableClock extends Clock {
  advance(ms: number): void;
}

export function movableClock(): MovableClock {
  let offset = 0;
  return {
    now: () => Date.now() + offset,
    sleep: (ms) => sleep(ms),
    advance(ms) {
      offset += ms;
    },
  };
}

export interface StartOptions {
  readonly store: StoreKind;
  readonly clock?: MovableClock;
  /** Needed for `dynamodb`. */
  readonly server?: DynamoServer | undefined;
  /** Only for `memory`. */
  readonly memory?: MemoryStoreOptions;
  readonly limits?: Partial<HttpLimits>;
  /** Another key management service than a local key file. */
  readonly kms?: Kms;
  /** The listener speaks TLS; `anonymous` and the clients of organisations cannot reach it then. */
  readonly tls?: TlsSettings;
  /** Whether keys can be bound to client certificates; true where absent, though only `tls` lets any be shown. */
  readonly clientCertificates?: boolean;
  readonly auditBlocked?: () => boolean;
  readonly trustedProxyHops?: number;
  readonly nodes?: number;
  /** More than any test sends, where absent. */
  readonly authFailuresPerMinute?: number;
  /** Delivers webhooks, http and this machine included. */
  readonly webhooks?: boolean;
  readonly streams?: Partial<StreamLimits>;
  /** Where audit events are copied to; `app.sinks.work` has to be called. */
  readonly sinks?: readonly Sink[];
  /** A further node over the data of this one: not for `sqlite`, whose data has one process. */
  readonly besides?: TestApp;
  /** The models in force, in the place of the stored ones. */
  readonly models?: Models;
  /** Takes codes and notices to people; they go to the log where absent. */
  readonly codeSender?: CodeSender;
  /** Who passkeys are made for; `localhost` and `http://localhost:8080` where absent. */
  readonly relyingParty?: RelyingParty;
}

export interface NewAccount {
  /** Deposited after opening, minor units. */
  readonly balance?: number;
  readonly userId?: string;
  readonly currency?: string;
  readonly overdraft?: number;
}

/** An organisation with a key whose quota no test uses up, and what most tests begin with. */
export interface Organisation {
  readonly id: string;
  readonly apiKeyId: string;
  readonly apiKey: string;
  readonly api: Client;
  user(name?: string): Promise<string>;
  /** A checking account, of a new user unless one is named. */
  account(asked?: NewAccount): Promise<string>;
  balance(accountId: string): Promise<number>;
  /** A transfer in EUR; further members of the body in `more`. */
  transfer(from: string, to: string, amount: number, more?: object): Promise<Answer>;
  /** Gives the delivery of webhooks a turn, where it does not run by itself. */
  readonly deliver?: () => Promise<void>;
}

export interface TestApp {
  readonly url: string;
  readonly app: App;
  readonly store: Store;
  readonly clock: MovableClock;
  /** A client without a key. */
  readonly anonymous: Client;
  /** Every log line so far. */
  readonly log: readonly string[];
  readonly shared: { readonly kms: Kms; readonly database: MemoryDatabase | undefined; readonly tablePrefix: string };
  newOrganisation(asked?: { readonly rateLimitPerMinute?: number; readonly scopes?: readonly Scope[] }): Promise<Organisation>;
  /** The deps of `src/bootstrap.ts`. */
  readonly deps: BootstrapDeps;
  close(): Promise<void>;
}

/** More than any test sends in a minute. */
const RATE_LIMIT = 10_000_000;
let started = 0;

/** Starts the whole product over one store, listening on a free port of 127.0.0.1. */
export async function startApp(options: StartOptions): Promise<TestApp> {
  const { besides } = options;
  const clock = options.clock ?? besides?.clock ?? movableClock();
  const random = systemRandom();
  const directory = await mkdtemp(join(tmpdir(), "smartfinance-e2e-"));
  const kms = besides?.shared.kms ?? options.kms ?? (await openLocalKms({ file: join(directory, "kms.json"), random }));
  started += 1;
  const shared = besides?.shared ?? {
    kms,
    database: options.store === "memory" ? createMemoryDatabase() : undefined,
    tablePrefix: `e2e-${process.pid}-${started}-`,
  };
  const store = await storeFor(options, shared, clock, directory);
  const log: string[] = [];
  const logger = pino({ level: "info" }, { write: (line: string) => void log.push(line) });
  const app = createApp({
    store,
    kms,
    clock,
    random,
    logger,
    auditLog: (events) => {
      for (const { line } of events) log.push(line);
    },
    trustedProxyHops: options.trustedProxyHops ?? 0,
    nodes: options.nodes ?? 1,
    authFailuresPerMinute: options.authFailuresPerMinute ?? RATE_LIMIT,
    version: "0.0.0-test",
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    tls: options.tls,
    clientCertificates: options.clientCertificates ?? true,
    webhooks: { outbound: createOutbound({ development: true, limits: webhookOutboundLimits }), development: true },
    streams: options.streams ?? {},
    auditBlocked: options.auditBlocked ?? (() => false),
    sinks: options.sinks ?? [],
    ...(options.models === undefined ? {} : { models: options.models }),
    ...(options.codeSender === undefined ? {} : { codeSender: options.codeSender }),
    ...(options.relyingParty === undefined ? {} : { relyingParty: options.relyingParty }),
  });
  await app.server.listen({ host: "127.0.0.1", port: 0 });
  const url = `${options.tls === undefined ? "http" : "https"}://127.0.0.1:${(app.server.server.address() as AddressInfo).port}`;
  const delivering = options.webhooks === true ? setInterval(() => void app.webhooks.work(), 50).unref() : undefined;
  const anonymous = createClient(url);
  const deps: BootstrapDeps = { ...app, store, clock, random };
  return {
    url,
    app,
    store,
    clock,
    anonymous,
    log,
    shared,
    deps,
    async newOrganisation(asked = {}) {
      const made = await createOrganisation(deps, { name: "Test", environment: "test", rateLimitPerMinute: RATE_LIMIT, ...asked });
      return organisationOf({ id: made.organisationId, apiKeyId: made.apiKeyId, apiKey: made.apiKey }, anonymous.as(made.apiKey), () =>
        app.webhooks.work(),
      );
    },
    async close() {
      anonymous.close();
      clearInterval(delivering);
      await app.webhooks.stop();
      await stop(app.server, { graceMs: 2_000 });
      await app.queue.drain();
      await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function storeFor(options: StartOptions, shared: TestApp["shared"], clock: Clock, directory: string): Promise<Store> {
  if (options.store === "memory") return openMemoryStore(shared.database ?? createMemoryDatabase(), { clock, ...options.memory });
  const { server } = options;
  const environment =
    options.store === "sqlite"
      ? { SMARTFINANCE_STORE: "sqlite", SMARTFINANCE_DATA_DIR: directory }
      : {
          SMARTFINANCE_STORE: "dynamodb",
          SMARTFINANCE_DYNAMODB_ENDPOINT: server?.endpoint ?? "",
          SMARTFINANCE_TABLE_PREFIX: shared.tablePrefix,
        };
  if (options.store === "dynamodb") {
    // The SDK wants credentials of some kind; the server of the tests takes any.
    process.env["AWS_ACCESS_KEY_ID"] ??= "test";
    process.env["AWS_SECRET_ACCESS_KEY"] ??= "test";
  }
  return openStore(readConfig(environment), clock, systemRandom(), (error) => {
    throw error;
  });
}

/** The helpers over an organisation whose key is at hand. */
export function organisationOf(
  facts: Pick<Organisation, "id" | "apiKeyId" | "apiKey">,
  api: Client,
  deliver?: Organisation["deliver"],
): Organisation {
  const user: Organisation["user"] = async (name = "Grace Hopper") => ok(await api.post("/v1/users", { name }), 201).id;
  return {
    ...facts,
    api,
    ...(deliver === undefined ? {} : { deliver }),
    user,
    async account(asked = {}) {
      const currency = asked.currency ?? "EUR";
      const user_id = asked.userId ?? (await user());
      const overdraft = asked.overdraft === undefined ? {} : { overdraft_limit: asked.overdraft };
      const { id } = ok(await api.post("/v1/accounts", { type: "checking", currency, user_id, ...overdraft }), 201);
      if (asked.balance !== undefined && asked.balance > 0)
        ok(await api.post("/v1/deposits", { account_id: id, amount: asked.balance, currency }), 201);
      return id;
    },
    balance: async (id) => ok(await api.get(`/v1/accounts/${id}`), 200).balance,
    transfer: (from, to, amount, more = {}) =>
      api.post("/v1/transfers", { from_account_id: from, to_account_id: to, amount, currency: "EUR", ...more }),
  };
}
