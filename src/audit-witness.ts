import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "#kernel/clock.ts";
import { systemRandom } from "#kernel/random.ts";
import type { Signer, WitnessMemory } from "#log/index.ts";
import { createWitness, formatMemory, MAX_REQUEST, parseMemory, parseVkey, signerOf } from "#log/index.ts";
import { programOptions } from "./program-options.ts";

/*
 * A witness of the audit log: run by somebody else than the bank, on another machine. It keeps two files in its folder, its
 * key and what it saw last, and speaks plain HTTP: what it takes is signed, and what it gives is too.
 */

const USAGE = `npm run audit:witness -- --data <folder> --name <witness.example/name> --log <verifier key> [--log …] [--host 127.0.0.1] [--port 8090]
`;

const values = programOptions(USAGE, {
  data: { type: "string" },
  name: { type: "string" },
  log: { type: "string", multiple: true },
  host: { type: "string", default: "127.0.0.1" },
  port: { type: "string", default: "8090" },
});

/** Held for as long as the process runs. */
let lock: DatabaseSync | undefined;

try {
  start();
} catch (error) {
  process.stderr.write(`witness: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

function start(): void {
  const { data, name, log = [], host, port } = values;
  if (data === undefined || name === undefined || log.length === 0) throw new Error(USAGE);
  const logs = log.map((text) => {
    const verifier = parseVkey(text);
    if (verifier?.type !== "signature") throw new Error(`${JSON.stringify(text)} is no verifier key of a log`);
    return verifier;
  });
  mkdirSync(data, { recursive: true, mode: 0o700 });
  lockFolder(data);
  const memoryFile = join(data, "seen.json");
  const keyFile = join(data, "witness.key");
  // The memory comes first, an empty one: a key without a memory is then one whose memory was lost.
  if (!existsSync(memoryFile)) {
    if (existsSync(keyFile))
      throw new Error(`${memoryFile} is gone: a witness that forgot may not sign with its key. Remove ${keyFile} to begin with a new one.`);
    replaceFile(memoryFile, formatMemory(new Map()));
  }
  const witness = createWitness({
    signer: openKey(keyFile, name),
    logs,
    clock: systemClock,
    memory: parseMemory(readFileSync(memoryFile, "utf8")),
    save: (memory: WitnessMemory) => replaceFile(memoryFile, formatMemory(memory)),
  });

  const server = createServer((request, response) => {
    const end = (status: number, body: string, type = "text/plain; charset=utf-8"): void => {
      response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) }).end(body);
    };
    if (request.url !== "/add-checkpoint") return end(404, "not found\n");
    if (request.method !== "POST") return end(405, "method not allowed\n");
    const chunks: Buffer[] = [];
    let received = 0;
    request.on("error", () => undefined);
    request.on("data", (chunk: Buffer) => {
      received += chunk.length;
      if (received <= MAX_REQUEST) chunks.push(chunk);
      else request.destroy();
    });
    request.on("end", () => {
      witness.addCheckpoint(Buffer.concat(chunks).toString("utf8")).then(
        ({ status, contentType, body }) => end(status, body, contentType),
        (error: unknown) => {
          process.stderr.write(`witness: ${error instanceof Error ? error.message : String(error)}\n`);
          end(500, "the checkpoint could not be kept\n");
        },
      );
    });
  });
  server.requestTimeout = 10_000;
  server.headersTimeout = 5_000;
  server.maxConnections = 1_000;
  server.listen(Number(port), host, () => {
    const address = server.address() as AddressInfo;
    process.stdout.write(`witness listening on http://${host}:${address.port}\n`);
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => server.close(() => process.exit(0)));
}

/** Two processes with one key and a memory each would sign two histories. The system gives the lock up when the process ends. */
function lockFolder(folder: string): void {
  lock = new DatabaseSync(join(folder, "witness.lock"), { timeout: 0 });
  try {
    lock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    throw new Error(`${folder} is in use by another witness`, { cause: error });
  }
}

/** The witness's own key: 32 random bytes in a file of mode 0600, made on the first start. */
function openKey(file: string, name: string): Signer {
  if (!existsSync(file)) replaceFile(file, `${Buffer.from(systemRandom().bytes(32)).toString("base64")}\n`);
  const signer = signerOf(name, "cosignature", Buffer.from(readFileSync(file, "utf8").trim(), "base64"));
  process.stdout.write(`verifier key ${signer.verifier.vkey}\n`);
  return signer;
}

/** Replaces a file so that a crash leaves the one before or the new one, on disk when this returns. */
function replaceFile(file: string, text: string): void {
  const draft = `${file}.new`;
  const handle = openSync(draft, "w", 0o600);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(draft, file);
  const folder = openSync(dirname(file), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
