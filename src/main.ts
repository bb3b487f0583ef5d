import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { pino } from "pino";
import type { BuiltEvent } from "#audit/index.ts";
import { readTls, replaceTls, stop } from "#http/index.ts";
import { systemClock } from "#kernel/clock.ts";
import { inviteFromStore } from "#operators/index.ts";
import { createOutbound } from "#outbound/index.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { Random } from "#kernel/random.ts";
import { systemRandom } from "#kernel/random.ts";
import type { Store } from "#storage/index.ts";
import type { Vault } from "#vault/index.ts";
import { probeFailure, runKmsCommand } from "#vault/index.ts";
import { webhookOutboundLimits } from "#webhooks/index.ts";
import { createApp } from "./app.ts";
import type { Demo } from "./bootstrap.ts";
import { createDemo, demoShown, firstOrganisation, installer } from "./bootstrap.ts";
import type { Config } from "./config.ts";
import { readConfig, settingsDigest } from "./config.ts";
import { createLogOutput, gathered } from "./log-output.ts";
import { keyFileOf, keysNamed, openKms } from "./open-kms.ts";
import { openOutputFile } from "./output-file.ts";
import { openSealer } from "./open-sealer.ts";
import { openSinks } from "./open-sinks.ts";
import { openStore } from "./open-store.ts";
import { operatorCommand } from "./organisation-command.ts";
import { runOperatorCommand } from "./organisation-command-run.ts";
import { listenFailure, makeDataDir, storeFailure } from "./start-failure.ts";

/** How many portions of expired records one round deletes: some 15,000 a second at most. */
const MAX_PURGE_PORTIONS = 2_000;
/** How long the store may take to close after the accepted requests have ended, ms. */
const CLOSE_MS = 30_000;
/** How often expired idempotency records are looked for, and what is gathered beside the requests is written, ms. */
const PURGE_EVERY_MS = 60_000;
/** How often work that waits to be carried on is looked for (rotations of keys, dry runs, trainings), ms. */
const JOBS_EVERY_MS = 5_000;
/** How often the feed is looked at for events to seal in the audit log, ms. */
const SEAL_EVERY_MS = 200;
/** How often deliveries of webhooks are looked after, ms. What this node commits is delivered at once. */
const DELIVER_EVERY_MS = 200;
const SEAL_REMOTE_EVERY_MS = 1_000;
const DEMO_ADMIN = "admin@example.com";
/** How often it is looked whether events wait too long for being sealed, and how often the audit sinks are looked after, ms. */
const WATCH_EVERY_MS = 5_000;
const SINKS_EVERY_MS = 1_000;

try {
  await start();
} catch (error) {
  // One clear line for what the operator can mend; the stack only when asked for.
  process.stderr.write(`smartfinance: ${error instanceof Error ? error.message : String(error)}\n`);
  if (process.env.SMARTFINANCE_LOG_LEVEL === "debug" && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
  // What was opened before the failure must not keep the process alive.
  setTimeout(() => process.exit(1), 1000).unref();
}

async function start(): Promise<void> {
  const config = readConfig(process.env);
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  const [command, ...rest] = process.argv.slice(2);
  // What a command prints is its answer; what it logs must not be in between.
  const destination = openOutputFile(command === undefined ? 1 : 2);
  const output = createLogOutput(gathered(destination, setImmediate), { now: () => performance.now() });
  // A process that ends of itself or by an error leaves its last lines as well.
  process.on("exit", () => output.flushSync());
  const logger = pino({ level: config.logLevel, base: { service: "smartfinance" } }, output);
  const clock = systemClock;
  const tls = config.tls === undefined ? undefined : readTls(config.tls, clock.now());
  const random = systemRandom();
  if (await changedKeyFile(config, random, clock.now(), command, rest)) return;
  const asked = command === undefined ? undefined : operatorCommand(command, rest, config.environment);
  if (asked?.kind === "help") {
    process.stdout.write(asked.text);
    return;
  }
  makeDataDir(config.dataDir);
  let stopping = false;
  const store = await openStore(config, clock, random, (error) => {
    logger.fatal({ err: error }, "the store failed; stopping, since its state is not known any more");
    output.flushSync();
    process.exit(70);
  }).catch((error: unknown) => {
    throw storeFailure(error, config);
  });

  const installed = await firstOrganisation(store);
  const kms = await openKms(config, clock, random, installed !== undefined);

  const auditLog = config.auditLog ? (events: readonly BuiltEvent[]) => output.writeAudit(auditLines(events)) : () => undefined;
  const { trustedProxyHops, nodes, authFailuresPerMinute, tlsTerminatedByProxy } = config;
  const limits = { connections: config.maxConnections, connectionsPerAddress: config.maxConnectionsPerAddress };
  const transport = { tls, tlsTerminatedByProxy, limits, auditBlocked: () => config.auditLog && output.blocked };
  const access = { trustedProxyHops, nodes, authFailuresPerMinute, environment: config.environment };
  // Witnesses are the operator's own choice; loopback is allowed where no live money is at stake.
  const log = {
    ...config.auditTree,
    outbound: createOutbound({ development: config.environment === "test" }),
    sealer: openSealer(config, store),
    alarmMs: config.auditAlarmMs,
    monotonic: () => performance.now(),
  };
  // A command is over before a sink would have anything to do.
  const sinks = asked === undefined ? await openSinks(config, clock, random) : [];
  const development = config.webhookDevelopment;
  const webhooks = { outbound: createOutbound({ development, limits: webhookOutboundLimits }), development };
  const streams = { total: config.maxStreams, perKey: config.maxStreamsPerKey };
  const events = { webhooks, streams, relyingParty: config.relyingParty };
  const app = createApp({ store, kms, clock, random, logger, auditLog, log, ...access, ...transport, ...events, version, sinks });
  const deps = { ...app, store, clock, random };

  if (asked !== undefined) {
    const { text, warning } = await runOperatorCommand(deps, asked, config.environment);
    output.flushSync();
    if (warning !== undefined) process.stderr.write(`warning: ${warning}\n`);
    process.stdout.write(text);
    await store.close();
    return;
  }

  if (installed !== undefined) await openFirstDataKey(app.vault, installed, keysNamed(config));
  await app.server.listen({ host: config.host, port: config.port }).catch((error: unknown) => {
    throw listenFailure(error, config);
  });
  const address = app.server.server.address() as AddressInfo;
  const url = `${tls === undefined ? "http" : "https"}://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`;
  // Everything that follows comes before anyone is told that the server listens: who started it may stop it from then on.
  const purge = setInterval(() => {
    purgeExpired(store, Math.floor(clock.now() / 1000)).catch((error: unknown) => logger.error({ err: error }, "purge failed"));
    app.maintain().catch((error: unknown) => logger.error({ err: error }, "maintenance failed"));
  }, PURGE_EVERY_MS);
  purge.unref();
  // Also takes up what an earlier process or another node left unfinished.
  const jobs = setInterval(() => void app.jobs.work(), JOBS_EVERY_MS);
  jobs.unref();
  // On DynamoDB a look at the feed costs three requests, also where nothing is new.
  const deliver = setInterval(() => void app.webhooks.work(), DELIVER_EVERY_MS);
  deliver.unref();
  const seal = setInterval(() => void app.log.worker.work(), config.store === "sqlite" ? SEAL_EVERY_MS : SEAL_REMOTE_EVERY_MS);
  seal.unref();

  const watch = setInterval(() => void app.log.watch(), WATCH_EVERY_MS);
  watch.unref();
  const copy = setInterval(() => void app.sinks.work(), SINKS_EVERY_MS);
  copy.unref();

  const begun = Promise.withResolvers<void>();
  const shutDown = async (signal: string): Promise<void> => {
    if (stopping) return;
    stopping = true;
    logger.info({ signal }, "stopping: finishing what was accepted");
    clearInterval(purge);
    clearInterval(jobs);
    clearInterval(seal);
    clearInterval(deliver);
    clearInterval(watch);
    clearInterval(copy);
    await stop(app.server, { graceMs: config.shutdownGraceMs });
    const ended = await Promise.race([
      // What a first start shows once is shown before the store goes away; should that take too long, the next start shows it.
      Promise.race([begun.promise, clock.sleep(config.shutdownGraceMs)])
        .then(() => app.settle())
        .then(() => app.queue.drain())
        .then(() => store.close()),
      clock.sleep(config.shutdownGraceMs + CLOSE_MS).then(() => "late" as const),
    ]);
    if (ended === "late") throw new Error("the store did not finish in time");
    logger.info("stopped");
    await output.settled();
    // Its own exit would wait for standard output; all that matters is written by now.
    if (!output.flushSync()) process.kill(process.pid, "SIGKILL");
    process.exit(0);
  };
  if (config.tls !== undefined) {
    const files = config.tls;
    process.on("SIGHUP", () => {
      try {
        replaceTls(app.server.server, readTls(files, clock.now()));
        logger.info("TLS certificates read anew");
      } catch (error) {
        logger.error({ err: error }, "TLS certificates not read anew; the ones in use stay");
      }
    });
  }
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      shutDown(signal).catch((error: unknown) => {
        logger.fatal({ err: error }, "stopping failed");
        output.flushSync();
        process.exit(1);
      });
    });
  }

  await app.log.life.started({ version, settings_sha256: settingsDigest(process.env) });
  // Only once the port is ours: a key that is shown once must not get lost with a start that fails.
  const alone = config.store === "sqlite";
  const demo = config.demo && config.environment === "test" ? await createDemo(deps, config.environment, alone) : undefined;
  const admin = { name: "Demo admin", email: DEMO_ADMIN, roles: ["admin"] } as const;
  const invited = demo === undefined ? undefined : await inviteFromStore(deps, installer(demo.organisationId), admin);
  // Behind all lines of the log, so that it is what stands on the screen.
  output.flushSync();
  if (demo !== undefined) {
    // Only here, because Node lets nobody wait for an output that it has opened itself. A full one is found out by the log as well.
    process.stdout.on("error", () => undefined);
    const text = welcome(url, demo, invited?.ok === true ? invited.token : undefined);
    const failed = await new Promise<unknown>((resolve) => process.stdout.write(text, resolve));
    // Where it could not be written nobody has seen it.
    if (failed === undefined || failed === null) await demoShown(deps, demo);
    else logger.error({ err: failed }, "the demo could not be shown; the next start shows it");
  }
  logger.info({ url, store: config.store, version }, `listening on ${url}`);
  if (installed === undefined && demo === undefined)
    logger.info('there is no organisation yet; stop the server, then: npm run create-organisation -- "NAME"');
  output.flush();
  begun.resolve();
}

/** Runs an operator's command on the local key file, beside a running server or without one. @returns whether it was one */
async function changedKeyFile(config: Config, random: Random, now: number, command: string | undefined, rest: string[]): Promise<boolean> {
  if (command === undefined || rest.includes("--help") || rest.includes("-h")) return false;
  const facts = { environment: config.environment, now };
  const said = await runKmsCommand([command, ...rest], { file: keyFileOf(config), local: config.kms.engine === "local", random, facts });
  if (said === undefined) return false;
  process.stdout.write(`${said}\n`);
  return true;
}

/** Fails the start when the wrapping key is not the one that the store's data keys were wrapped with, or these are damaged. */
async function openFirstDataKey(vault: Vault, organisation: OrganisationId, keys: string): Promise<void> {
  try {
    await vault.probe(organisation);
  } catch (error) {
    throw probeFailure(error, keys);
  }
}

/** Deletes what has expired in portions, until a portion is not full or the next round is due. */
async function purgeExpired(store: Store, nowSeconds: number): Promise<void> {
  for (let portions = 0; portions < MAX_PURGE_PORTIONS; portions++) {
    if ((await store.purgeExpired(nowSeconds)) === 0) return;
  }
}

/** Audit events as log lines of the channel `audit`. Their own canonical JSON, so the checksums can be recomputed from the log. */
function auditLines(events: readonly BuiltEvent[]): string {
  let lines = "";
  for (const { line } of events) lines += `{"channel":"audit","event":${line}}\n`;
  return lines;
}

function welcome(url: string, demo: Demo, invitation: string | undefined): string {
  const [from, to] = demo.accounts;
  return `
A demo organisation was made, with two users and a funded account each:

export URL=${url}
export KEY=${demo.apiKey}   # shown once
export ALICE=${from}   # 1000.00 EUR
export BOB=${to}     #  250.00 EUR

Try a transfer of 12.50 EUR:

curl -s ${url}/v1/transfers \\
  -H 'X-API-Key: ${demo.apiKey}' \\
  -H 'Idempotency-Key: my-first-transfer' \\
  -H 'Content-Type: application/json' \\
  -d '{"from_account_id":"${from}","to_account_id":"${to}","amount":1250,"currency":"EUR","reference":"Lunch"}'

API reference: ${url}/docs
${invitation === undefined ? "" : inviting(url, demo, invitation)}
`;
}

function inviting(url: string, demo: Demo, invitation: string): string {
  return `
An operator of it, ${DEMO_ADMIN}, is invited to ${demo.organisationId} for three days (shown once). Put in a password of
your own, 12 characters or more:

curl -s ${url}/v1/operator-invitations/accept -b cookies -c cookies \\
  -H 'Origin: ${url}' -H 'Content-Type: application/json' \\
  -d '{"token":"${invitation}","password":"…"}'

Then a second factor has to be enrolled before anything else; this begins it, docs/operators.md ("By curl") goes on:

curl -s -X POST ${url}/v1/operators/me/totp -b cookies -c cookies -H 'Origin: ${url}'
`;
}
