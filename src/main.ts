import { existsSync, mkdirSync, readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pino } from "pino";
import type { BuiltEvent } from "#audit/index.ts";
import { stop } from "#http/index.ts";
import { systemClock } from "#kernel/clock.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import { systemRandom } from "#kernel/random.ts";
import type { Store } from "#storage/index.ts";
import type { Vault } from "#vault/index.ts";
import { openLocalKms } from "#vault/index.ts";
import { createApp } from "./app.ts";
import type { Demo } from "./bootstrap.ts";
import { createDemo, createOrganisation, firstOrganisation } from "./bootstrap.ts";
import { readConfig } from "./config.ts";
import { openStore } from "./open-store.ts";

/** How many portions of expired records one round deletes: some 15,000 a second at most. */
const MAX_PURGE_PORTIONS = 2_000;
/** How long the store may take to close after the accepted requests have ended, ms. */
const CLOSE_MS = 30_000;
/** How often expired idempotency records are looked for, ms. */
const PURGE_EVERY_MS = 60_000;

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
  const output = pino.destination({ dest: 1, sync: false, minLength: 4096, periodicFlush: 100 });
  const logger = pino({ level: config.logLevel, base: { service: "smartfinance" } }, output);
  const clock = systemClock;
  const random = systemRandom();
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  let stopping = false;
  const store = await openStore(config, clock, random, (error) => {
    logger.fatal({ err: error }, "the store failed; stopping, since its state is not known any more");
    output.flushSync();
    process.exit(70);
  });

  const keyFile = join(config.dataDir, "kms.json");
  const installed = await firstOrganisation(store);
  if (installed !== undefined && !existsSync(keyFile))
    throw new Error(`the key file ${keyFile} is missing; without it what this store has sealed cannot be read: restore it from its backup`);
  const kms = await openLocalKms({ file: keyFile, random });

  const auditLog = config.auditLog ? (events: readonly BuiltEvent[]) => void output.write(auditLines(events)) : () => undefined;
  const app = createApp({ store, kms, clock, random, logger, auditLog, trustedProxyHops: config.trustedProxyHops, version });
  const deps = { ...app, store, clock, random };

  if (installed !== undefined) await openFirstDataKey(app.vault, installed, keyFile);

  const [command, name, ...rest] = process.argv.slice(2);
  if (command !== undefined) {
    const usable = command === "create-organisation" && name !== undefined && /^[^-\s]/.test(name) && rest.length === 0;
    if (!usable) throw new Error('usage: npm run create-organisation -- "NAME"');
    const made = await createOrganisation(deps, { name, environment: config.environment });
    output.flushSync();
    process.stdout.write(`organisation ${made.organisationId}\napi key      ${made.apiKey}   (shown once)\n`);
    await store.close();
    return;
  }

  await app.server.listen({ host: config.host, port: config.port });
  const address = app.server.server.address() as AddressInfo;
  const url = `http://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`;
  // Everything that follows comes before anyone is told that the server listens: who started it may stop it from then on.
  const purge = setInterval(() => {
    purgeExpired(store, Math.floor(clock.now() / 1000)).catch((error: unknown) => logger.error({ err: error }, "purge failed"));
  }, PURGE_EVERY_MS);
  purge.unref();

  const shutDown = async (signal: string): Promise<void> => {
    if (stopping) return;
    stopping = true;
    logger.info({ signal }, "stopping: finishing what was accepted");
    clearInterval(purge);
    await stop(app.server, { graceMs: config.shutdownGraceMs });
    const ended = await Promise.race([
      app.queue.drain().then(() => store.close()),
      clock.sleep(config.shutdownGraceMs + CLOSE_MS).then(() => "late" as const),
    ]);
    if (ended === "late") throw new Error("the store did not finish in time");
    logger.info("stopped");
    output.flushSync();
    process.exit(0);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      shutDown(signal).catch((error: unknown) => {
        logger.fatal({ err: error }, "stopping failed");
        output.flushSync();
        process.exit(1);
      });
    });
  }

  // Only once the port is ours: a key that is shown once must not get lost with a start that fails.
  const demo = config.demo && config.environment === "test" ? await createDemo(deps, config.environment) : undefined;
  output.flushSync();
  if (demo !== undefined) process.stdout.write(welcome(url, demo));
  logger.info({ url, store: config.store, version }, `listening on ${url}`);
  output.flush();
}

/** Fails the start when the key file is not the one that the store's data keys were wrapped with. */
async function openFirstDataKey(vault: Vault, organisation: OrganisationId, keyFile: string): Promise<void> {
  try {
    await vault.dataKey(organisation);
  } catch (error) {
    throw new Error(`the key file ${keyFile} does not open this store's data keys: restore the right one from its backup`, {
      cause: error,
    });
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

function welcome(url: string, demo: Demo): string {
  const [from, to] = demo.accounts;
  return `
A demo organisation was made, with two users and a funded account each:

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

`;
}
