import { mkdirSync, readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pino } from "pino";
import type { BuiltEvent } from "#audit/index.ts";
import { stop } from "#http/index.ts";
import { systemClock } from "#kernel/clock.ts";
import { systemRandom } from "#kernel/random.ts";
import { openLocalKms } from "#vault/index.ts";
import { createApp } from "./app.ts";
import type { Demo } from "./bootstrap.ts";
import { createDemo, createOrganisation } from "./bootstrap.ts";
import { readConfig } from "./config.ts";
import { openStore } from "./open-store.ts";

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
  const kms = await openLocalKms({ file: join(config.dataDir, "kms.json"), random });
  let stopping = false;
  const store = await openStore(config, clock, random, (error) => {
    logger.fatal({ err: error }, "the store failed; stopping, since its state is not known any more");
    output.flushSync();
    process.exit(70);
  });

  const auditLog = config.auditLog ? (events: readonly BuiltEvent[]) => void output.write(auditLines(events)) : () => undefined;
  const app = createApp({ store, kms, clock, random, logger, auditLog, trustedProxyHops: config.trustedProxyHops, version });
  const deps = { ...app, store, clock, random };

  if (process.argv[2] === "create-organisation") {
    const name = process.argv[3];
    if (name === undefined || name.trim() === "") throw new Error("usage: npm run create-organisation -- NAME");
    const made = await createOrganisation(deps, { name, environment: config.environment });
    process.stdout.write(`organisation ${made.organisationId}\napi key      ${made.apiKey}   (shown once)\n`);
    await store.close();
    return;
  }

  const demo = config.demo ? await createDemo(deps, config.environment) : undefined;
  await app.server.listen({ host: config.host, port: config.port });
  const address = app.server.server.address() as AddressInfo;
  const url = `http://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`;
  if (demo !== undefined) process.stdout.write(welcome(url, demo));
  logger.info({ url, store: config.store, version }, `listening on ${url}`);
  output.flush();

  const purge = setInterval(() => {
    store.purgeExpired(Math.floor(clock.now() / 1000)).catch((error: unknown) => logger.error({ err: error }, "purge failed"));
  }, PURGE_EVERY_MS);
  purge.unref();

  const shutDown = async (signal: string): Promise<void> => {
    if (stopping) return;
    stopping = true;
    logger.info({ signal }, "stopping: finishing what was accepted");
    clearInterval(purge);
    await stop(app.server, { graceMs: config.shutdownGraceMs });
    await app.queue.drain();
    await store.close();
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

  API key   ${demo.apiKey}   (shown once)
  accounts  ${from}  1000.00 EUR
            ${to}   250.00 EUR

Try a transfer of 12.50 EUR:

curl -s ${url}/v1/transfers \\
  -H 'X-API-Key: ${demo.apiKey}' \\
  -H 'Idempotency-Key: my-first-transfer' \\
  -H 'Content-Type: application/json' \\
  -d '{"from_account_id":"${from}","to_account_id":"${to}","amount":1250,"currency":"EUR","reference":"Lunch"}'

API reference: ${url}/docs

`;
}
