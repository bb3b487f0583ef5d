import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "#kernel/clock.ts";
import type { JsonObject } from "#kernel/json.ts";
import { systemRandom } from "#kernel/random.ts";
import type { VerifiedStore, Verifier } from "#log/index.ts";
import { anyOf, parseVkey, verifyExport, verifyReceipt, verifyRemote, verifyStore } from "#log/index.ts";
import { openSqliteReadOnly } from "#storage/sqlite/index.ts";
import { configOfProcess } from "./config.ts";
import { programOptions } from "./program-options.ts";
import { createRemoteGetter } from "./remote-getter.ts";

/*
 * The auditor's program: checks a store, a running server or one event with nothing but the log's public key.
 * Ends with 0 when all is well, 1 when something is wrong, 2 when it could not look.
 */

const USAGE = `npm run audit:verify -- --key <verifier key> [--key <one of before or after a rotation> …] and one of
  --data <folder>           the folder of a stopped server's SQLite file
  --dynamodb                the DynamoDB tables of stopped servers, named by the servers' own settings; only reads them
  --url <url> --api-key-file <file>   a running server, with a key that may read the audit log, accounts and nothing else;
                            about one request for each event and account, so give it a limit to match (docs/audit.md)
  --export <folder>         what the S3 sink wrote, fetched to a folder; offline
  --receipt <event.json>    one event as the API shows it, with its proof; offline
further:
  --proof <file>            the event's tlog-proof text, where it stands beside the event
  --witness <verifier key>  a witness that must have cosigned (repeatable)
  --since <file>            a checkpoint kept from an earlier look
  --quiet                   no progress
`;

const values = programOptions(USAGE, {
  key: { type: "string", multiple: true },
  data: { type: "string" },
  dynamodb: { type: "boolean" },
  export: { type: "string" },
  url: { type: "string" },
  "api-key-file": { type: "string" },
  receipt: { type: "string" },
  proof: { type: "string" },
  witness: { type: "string", multiple: true },
  since: { type: "string" },
  quiet: { type: "boolean" },
});

// Whoever reads no further (`| head`) is told nothing more, and that says nothing about the log.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

try {
  process.exitCode = (await run()) ? 0 : 1;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}

async function run(): Promise<boolean> {
  const { data, dynamodb, url, receipt, export: exported, quiet } = values;
  if (values.key === undefined || [data, dynamodb, url, receipt, exported].filter((one) => one !== undefined).length !== 1)
    throw new Error(USAGE);
  const log = anyOf(values.key.map((text) => keyOf(text, "signature")));
  if (log === undefined) throw new Error("the keys are not of one log: their names differ");
  const witnesses = (values.witness ?? []).map((text) => keyOf(text, "cosignature"));
  const common = {
    log,
    witnesses,
    ...(values.since === undefined ? {} : { since: textOf(values.since) }),
    ...(quiet === true ? {} : { onProgress }),
  };
  if (receipt !== undefined) {
    const event = JSON.parse(textOf(receipt)) as JsonObject;
    const report = verifyReceipt(event, values.proof === undefined ? undefined : textOf(values.proof), log, witnesses);
    if (!report.ok) return say(false, report.what);
    return say(
      true,
      `event ${String(event.event_id)} is leaf ${report.index} of a log of ${report.size}, root ${report.root.toString("base64")}`,
    );
  }
  if (exported !== undefined) {
    if (witnesses.length > 0) throw new Error("an export has the log's own signatures only: --witness does not go with --export");
    const { witnesses: _witnesses, ...options } = common;
    const report = verifyExport({ files: folder(exported), ...options });
    if (!report.ok) return say(false, named(report));
    const { size, uncovered, checkpoints, root } = report;
    if (uncovered > 0) process.stdout.write(`BEHIND: ${uncovered} leaves have no checkpoint yet\n`);
    return say(true, `${size} exported events under ${checkpoints} checkpoints, root ${root.toString("base64")}`);
  }
  if (data !== undefined || dynamodb === true) {
    const store = data === undefined ? await openTables() : openSqliteReadOnly(join(data, "smartfinance.db"));
    try {
      const { toldCollections } = await import("./told-collections.ts");
      const report = await verifyStore({ store, told: toldCollections, ...common });
      if (!report.ok) return say(false, named(report));
      const { size, unsealed, erased, accounts, untold, root, cosigned } = report;
      const furthest = Math.max(0, ...cosigned.map((one) => one.size));
      for (const one of cosigned)
        process.stdout.write(
          `${one.size < furthest ? "BEHIND: not cosigned since" : "cosigned to"} ${one.size} of ${size} by ${one.witness}\n`,
        );
      if (untold > 0) process.stdout.write(`OLD: of ${untold} objects from before events told of them only a part was compared\n`);
      return say(
        true,
        `${size} events sealed (${erased} with an erased address), ${unsealed} not yet, ${accounts} accounts, root ${root.toString("base64")}`,
      );
    } finally {
      await store.close();
    }
  }
  const file = values["api-key-file"];
  if (url === undefined || file === undefined) throw new Error(USAGE);
  const apiKey = textOf(file).trim();
  const get = createRemoteGetter({ url, apiKey, fetch, sleep, onWait: quiet === true ? () => undefined : onWait });
  const report = await verifyRemote({ get, clock: systemClock, ...common });
  if (!report.ok) return say(false, named(report));
  const { size, events, unsealed, accounts, lacking, checkpoint } = report;
  for (const witness of lacking) process.stdout.write(`BEHIND: not cosigned by ${witness}\n`);
  say(
    true,
    `a log of ${size}, ${events} events of this organisation (${unsealed} not sealed yet), ${accounts} accounts; keep this checkpoint:`,
  );
  process.stdout.write(`\n${checkpoint}`);
  return true;
}

/** What a file says. The system's own word for a folder names no file, so we do. */
function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new Error(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** The tables that the servers' settings name. The AWS SDK is loaded on demand. */
async function openTables(): Promise<VerifiedStore> {
  const { dynamodb: settings } = configOfProcess();
  const { openDynamoReadOnly } = await import("#storage/dynamodb/index.ts");
  const { endpoint, region, tablePrefix } = settings;
  return openDynamoReadOnly({
    region,
    tablePrefix,
    clock: systemClock,
    random: systemRandom(),
    ...(endpoint === undefined ? {} : { endpoint }),
  });
}

/** The files below a folder, by their names in the archive. */
function folder(path: string): { readonly names: readonly string[]; read(name: string): Buffer } {
  const names = readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(path, join(entry.parentPath, entry.name)).split(sep).join("/"));
  return { names, read: (name) => readFileSync(join(path, name)) };
}

function keyOf(text: string, type: Verifier["type"]): Verifier {
  const verifier = parseVkey(text.trim());
  if (verifier?.type !== type) throw new Error(`${JSON.stringify(text)} is no verifier key of a ${type}`);
  return verifier;
}

function named({ index, what }: { readonly index?: number; readonly what: string }): string {
  return index === undefined ? what : `first bad index ${index}: ${what}`;
}

function say(well: boolean, what: string): boolean {
  process.stdout.write(`${well ? "OK" : "WRONG"}: ${what}\n`);
  return well;
}

function onProgress(verified: number, size: number): void {
  process.stderr.write(`verified ${verified} of ${size}\n`);
}

function onWait({ seconds, status }: { readonly seconds: number; readonly status: number }): void {
  const why = status === 429 ? "the key's requests of this minute are used up" : "the server cannot answer now";
  process.stderr.write(`waiting ${seconds} s: ${why}\n`);
}
