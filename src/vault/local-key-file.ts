import { constants } from "node:fs";
import { link, open, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import type { Random } from "#kernel/random.ts";

/** The key file cannot be used. The message says what to do; it never holds key material. */
export class KeyFileError extends Error {
  override readonly name = "KeyFileError";
}

/** The keys of a file by their number, and the number new wraps use. */
export interface KeyFile {
  readonly current: number;
  readonly keys: ReadonlyMap<number, Buffer>;
}

export const KEY_BYTES = 32;
const FORMAT = "smartfinance-local-kms-v1";
/** Far more than any rotation needs; larger files are not ours. */
const MAX_FILE_BYTES = 64 * 1024;
const MAX_KEYS = 100;

/**
 * Reads the key file, or creates it with one key when there is none.
 * @throws KeyFileError when the file is readable by others, malformed or cannot be reached.
 */
export async function loadKeyFile(file: string, random: Random): Promise<KeyFile> {
  const existing = await readKeyFile(file);
  if (existing !== undefined) return existing;
  await createKeyFile(file, random);
  // Also when another process was first: what counts is what the file says.
  const created = await readKeyFile(file);
  if (created === undefined) throw new KeyFileError(`key file ${file} vanished while it was created`);
  return created;
}

async function readKeyFile(file: string): Promise<KeyFile | undefined> {
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
  if (!isRecord(value) || value["format"] !== FORMAT) throw malformed(`format is not ${FORMAT}`);
  const { current, keys: entries } = value;
  if (!Array.isArray(entries) || entries.length === 0 || entries.length > MAX_KEYS) throw malformed(`it holds 1 to ${MAX_KEYS} keys`);
  const keys = new Map<number, Buffer>();
  for (const entry of entries as readonly unknown[]) {
    if (!isRecord(entry) || !isKeyNumber(entry["number"]) || typeof entry["key"] !== "string")
      throw malformed("a key needs number and key");
    const bytes = Buffer.from(entry["key"], "base64");
    if (bytes.length !== KEY_BYTES || bytes.toString("base64") !== entry["key"]) {
      throw malformed(`key ${entry["number"]} is not ${KEY_BYTES} bytes of base64`);
    }
    if (keys.has(entry["number"])) throw malformed(`key ${entry["number"]} is there twice`);
    keys.set(entry["number"], bytes);
  }
  if (!isKeyNumber(current) || !keys.has(current)) throw malformed("current names no key");
  return { current, keys };
}

/**
 * Writes a new key file beside its place and links it there. `link` fails when the name is taken, as
 * O_EXCL does, and a crash on the way leaves no half-written key file that the next start would refuse.
 */
async function createKeyFile(file: string, random: Random): Promise<void> {
  const key = random.bytes(KEY_BYTES);
  const text = `${JSON.stringify({ format: FORMAT, current: 1, keys: [{ number: 1, key: Buffer.from(key).toString("base64") }] }, null, 2)}\n`;
  key.fill(0);
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
    // Without this the name itself may be lost in a power cut, and with it everything sealed since.
    const directory = await open(dirname(file), constants.O_RDONLY);
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
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
