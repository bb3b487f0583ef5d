import { constants } from "node:fs";
import { link, open, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { parseTimestamp, toTimestamp } from "#kernel/clock.ts";
import type { Random } from "#kernel/random.ts";
import type { Environment } from "./data-key-record.ts";

/** The key file cannot be used. The message says what to do; it never holds key material. */
export class KeyFileError extends Error {
  override readonly name = "KeyFileError";
}

/** `enabled` wraps (the current one) and unwraps, `retired` unwraps only, `compromised` does neither. */
export const localKeyStates = ["enabled", "retired", "compromised"] as const;
export type LocalKeyState = (typeof localKeyStates)[number];

export interface FileKey {
  readonly bytes: Buffer;
  readonly state: LocalKeyState;
  /** Milliseconds since the epoch; `null` in files of the first format. */
  readonly createdAt: number | null;
}

/** The keys of a file by their number, and the number new wraps use. */
export interface KeyFile {
  readonly current: number;
  /** `undefined` in files of the first format, which belong to whoever opens them. */
  readonly environment: Environment | undefined;
  readonly keys: ReadonlyMap<number, FileKey>;
}

/** What a key file is made for. */
export interface KeyFileFacts {
  readonly environment: Environment;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export const KEY_BYTES = 32;
/** The first format: no states, no times, no environment. Read, never written. */
const FORMAT_1 = "smartfinance-local-kms-v1";
const FORMAT = "smartfinance-local-kms-v2";
/** Far more than any rotation needs; larger files are not ours. */
const MAX_FILE_BYTES = 64 * 1024;
export const MAX_FILE_KEYS = 100;

/**
 * Reads the key file, or creates it with one key when there is none.
 * @throws KeyFileError when the file is readable by others, malformed or cannot be reached.
 */
export async function loadKeyFile(file: string, random: Random, facts: KeyFileFacts): Promise<KeyFile> {
  const existing = await readKeyFile(file);
  if (existing !== undefined) return existing;
  await createKeyFile(file, random, facts);
  // Also when another process was first: what counts is what the file says.
  const created = await readKeyFile(file);
  if (created === undefined) throw new KeyFileError(`key file ${file} vanished while it was created`);
  return created;
}

/** @returns `undefined` when there is no file. @throws KeyFileError */
export async function readKeyFile(file: string): Promise<KeyFile | undefined> {
  const handle = await open(file, constants.O_RDONLY).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return undefined;
    throw new KeyFileError(`key file ${file} cannot be opened (${codeOf(error)})`, { cause: error });
  });
  if (handle === undefined) return undefined;
  try {
    // The open file is asked, not the path, so it cannot be exchanged between the check and the read.
    const status = await handle.stat();
    if (!status.isFile()) throw new KeyFileError(`key file ${file} is not a regular file`);
    if ((status.mode & 0o077) !== 0) {
      const mode = (status.mode & 0o777).toString(8).padStart(3, "0");
      throw new KeyFileError(`key file ${file} has mode ${mode}: group or others may use it. Run chmod 600 on it, and rotate its keys`);
    }
    if (status.size > MAX_FILE_BYTES) throw new KeyFileError(`key file ${file} is ${status.size} bytes: too large to be one`);
    return parseKeyFile(file, await handle.readFile("utf8"));
  } finally {
    await handle.close();
  }
}

function parseKeyFile(file: string, text: string): KeyFile {
  // A parser's message quotes its input, and here the input is key material: so no `cause`.
  const malformed = (why: string): KeyFileError => new KeyFileError(`key file ${file} is malformed: ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed("not JSON");
  }
  const first = isRecord(value) && value["format"] === FORMAT_1;
  if (!isRecord(value) || !(first || value["format"] === FORMAT)) throw malformed(`format is not ${FORMAT}`);
  const { current, keys: entries } = value;
  const environment = first ? undefined : value["environment"];
  if (environment !== undefined && environment !== "test" && environment !== "live") throw malformed("environment is test or live");
  if (environment === undefined && !first) throw malformed("it names no environment");
  if (!Array.isArray(entries) || entries.length === 0 || entries.length > MAX_FILE_KEYS)
    throw malformed(`it holds 1 to ${MAX_FILE_KEYS} keys`);
  const keys = new Map<number, FileKey>();
  for (const entry of entries as readonly unknown[]) {
    if (!isRecord(entry) || !isKeyNumber(entry["number"]) || typeof entry["key"] !== "string")
      throw malformed("a key needs number and key");
    const bytes = Buffer.from(entry["key"], "base64");
    if (bytes.length !== KEY_BYTES || bytes.toString("base64") !== entry["key"]) {
      throw malformed(`key ${entry["number"]} is not ${KEY_BYTES} bytes of base64`);
    }
    if (keys.has(entry["number"])) throw malformed(`key ${entry["number"]} is there twice`);
    const state = first ? "enabled" : localKeyStates.find((known) => known === entry["state"]);
    const createdAt = first ? null : parseTimestamp(String(entry["created_at"]));
    if (state === undefined || Number.isNaN(createdAt)) throw malformed(`key ${entry["number"]} has no state or no created_at`);
    keys.set(entry["number"], { bytes, state, createdAt });
  }
  if (!isKeyNumber(current) || !keys.has(current)) throw malformed("current names no key");
  return { current, environment, keys };
}

function textOf({ current, environment, keys }: KeyFile & { readonly environment: Environment }, now: number): string {
  const entries = Array.from(keys, ([number, { bytes, state, createdAt }]) => ({
    number,
    state,
    created_at: toTimestamp(createdAt ?? now),
    key: bytes.toString("base64"),
  }));
  return `${JSON.stringify({ format: FORMAT, environment, current, keys: entries }, null, 2)}\n`;
}

/**
 * Puts changed keys in the place of a key file. The draft's name is fixed and taken exclusively, so that two changes at a
 * time cannot undo each other; the exchange itself is one rename, so that a reader sees the old file or the new one.
 * @throws KeyFileError when another change is under way or the file cannot be written
 */
export async function replaceKeyFile(
  file: string,
  now: number,
  change: (old: KeyFile) => KeyFile & { readonly environment: Environment },
): Promise<KeyFile> {
  const draft = `${file}.next`;
  const handle = await open(draft, "wx", 0o600).catch((error: unknown) => {
    const why =
      codeOf(error) === "EEXIST" ? `${draft} exists: another change is under way, or one was cut off; then delete it` : codeOf(error);
    throw new KeyFileError(`key file ${file} cannot be changed (${why})`);
  });
  try {
    const old = await readKeyFile(file);
    if (old === undefined) throw new KeyFileError(`there is no key file ${file}`);
    const changed = change(old);
    try {
      await handle.chmod(0o600);
      await handle.writeFile(textOf(changed, now));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, file);
    await syncDirectory(file);
    return changed;
  } catch (error) {
    await handle.close().catch(() => undefined);
    await unlink(draft).catch(() => undefined);
    if (error instanceof KeyFileError) throw error;
    throw new KeyFileError(`key file ${file} cannot be changed (${codeOf(error)})`, { cause: error });
  }
}

/** Without this the name itself may be lost in a power cut, and with it everything sealed since. */
async function syncDirectory(file: string): Promise<void> {
  const directory = await open(dirname(file), constants.O_RDONLY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/**
 * Writes a new key file beside its place and links it there. `link` fails when the name is taken, as
 * O_EXCL does, and a crash on the way leaves no half-written key file that the next start would refuse.
 */
async function createKeyFile(file: string, random: Random, { environment, now }: KeyFileFacts): Promise<void> {
  const bytes = Buffer.from(random.bytes(KEY_BYTES));
  const text = textOf({ current: 1, environment, keys: new Map([[1, { bytes, state: "enabled", createdAt: now }]]) }, now);
  bytes.fill(0);
  const draft = `${file}.${Buffer.from(random.bytes(8)).toString("hex")}.new`;
  try {
    const handle = await open(draft, "wx", 0o600);
    try {
      await handle.chmod(0o600);
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    try {
      await link(draft, file);
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    } finally {
      await unlink(draft);
    }
    await syncDirectory(file);
  } catch (error) {
    throw new KeyFileError(`key file ${file} cannot be created (${codeOf(error)})`, { cause: error });
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Key numbers travel in four bytes of every wrapped key. */
function isKeyNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 0xffffffff;
}

function codeOf(error: unknown): string {
  return isRecord(error) && typeof error["code"] === "string" ? error["code"] : "unknown error";
}
