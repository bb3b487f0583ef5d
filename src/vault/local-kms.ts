import { createCipheriv, createDecipheriv, createSecretKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { stat } from "node:fs/promises";
import type { Clock } from "#kernel/clock.ts";
import type { Random } from "#kernel/random.ts";
import { foreignKeyFile } from "./change-key-file.ts";
import type { Environment } from "./data-key-record.ts";
import { contextBytes, InvalidCiphertextError, KmsKeyUnusableError, KmsUnavailableError } from "./kms.ts";
import type { EncryptionContext, Kms } from "./kms.ts";
import { KEY_BYTES, KeyFileError, loadKeyFile, readKeyFile } from "./local-key-file.ts";
import type { KeyFile, LocalKeyState } from "./local-key-file.ts";

const ALGORITHM = "aes-256-gcm";
const FORMAT = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 5;
const WRAPPED_BYTES = HEADER_BYTES + NONCE_BYTES + KEY_BYTES + TAG_BYTES;

export interface LocalKmsDeps {
  readonly file: string;
  readonly random: Random;
  /** For the times in the key file. */
  readonly clock?: Clock;
  /** What the key file is for; a file of the other environment is refused. Default `test`. */
  readonly environment?: Environment;
}

interface LoadedKey {
  readonly secret: KeyObject;
  readonly state: LocalKeyState;
  readonly createdAt: number | null;
}

interface Loaded {
  readonly current: number;
  readonly keys: ReadonlyMap<number, LoadedKey>;
  /** What tells one file from the next: inode, size and times. */
  readonly mark: string;
}

/**
 * The KMS of a single machine: wraps data keys with AES-256-GCM under keys kept in a file of mode
 * 0600, which is created when it is missing. Lose the file and everything sealed is lost. The file is looked at before
 * every use, so that a rotation or a blocked key counts at once, without a restart; unwrapping is rare.
 *
 * A wrapped key is: format (1 byte), key number (4), nonce (12), ciphertext (32), tag (16). Nonces are
 * random: an installation makes thousands of data keys, and NIST SP 800-38D allows 2^32 random nonces.
 *
 * @throws KeyFileError when the file is readable by others, malformed, of another environment or cannot be reached.
 */
export async function openLocalKms(deps: LocalKmsDeps): Promise<Kms> {
  const { file, random, environment = "test" } = deps;
  const intake = (read: KeyFile, mark: string): Loaded => {
    if (read.environment !== undefined && read.environment !== environment) throw foreignKeyFile(file, read.environment, environment);
    const keys = new Map<number, LoadedKey>();
    for (const [number, { bytes, state, createdAt }] of read.keys) {
      keys.set(number, { secret: createSecretKey(bytes), state, createdAt });
      bytes.fill(0);
    }
    return { current: read.current, keys, mark };
  };
  const created = await loadKeyFile(file, random, { environment, now: deps.clock?.now() ?? 0 });
  let loaded = intake(created, "");

  /** The keys as the file has them now. */
  const keysNow = async (): Promise<Loaded> => {
    try {
      // The mark is taken first: a change between the two is then seen by the next use at the latest.
      const mark = await markOf(file);
      if (mark !== loaded.mark) {
        const read = await readKeyFile(file);
        if (read === undefined) throw new KeyFileError(`key file ${file} is gone`);
        loaded = intake(read, mark);
      }
      return loaded;
    } catch (error) {
      throw new KmsUnavailableError(error instanceof Error ? error.message : "the key file cannot be read", { cause: error });
    }
  };

  const wrap = ({ current, keys }: Loaded, plaintext: Uint8Array, context: EncryptionContext) => {
    const key = keys.get(current);
    if (key?.state !== "enabled") throw new KmsKeyUnusableError(key?.state ?? "not_found", `local/${current} must not wrap any more`);
    const nonce = random.bytes(NONCE_BYTES);
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt8(FORMAT, 0);
    header.writeUInt32BE(current, 1);
    const cipher = createCipheriv(ALGORITHM, key.secret, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(contextBytes(context));
    const body = Buffer.concat([cipher.update(plaintext), cipher.final()]);
    return { wrapped: Buffer.concat([header, nonce, body, cipher.getAuthTag()]).toString("base64url"), kmsKeyId: `local/${current}` };
  };

  const unwrap = ({ keys }: Loaded, wrapped: string, context: EncryptionContext): Uint8Array => {
    const bytes = Buffer.from(wrapped, "base64url");
    // Node decodes base64 leniently: only the one canonical text of these bytes is taken.
    if (bytes.length !== WRAPPED_BYTES || bytes.toString("base64url") !== wrapped || bytes.readUInt8(0) !== FORMAT) {
      throw new InvalidCiphertextError("not a key that this service wrapped", { malformed: true });
    }
    const number = bytes.readUInt32BE(1);
    const key = keys.get(number);
    if (key === undefined) throw new InvalidCiphertextError("wrapped under a key that the key file does not hold");
    if (key.state === "compromised") throw blockedKey(number);
    const nonce = bytes.subarray(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES);
    const decipher = createDecipheriv(ALGORITHM, key.secret, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(contextBytes(context));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    const head = decipher.update(bytes.subarray(HEADER_BYTES + NONCE_BYTES, -TAG_BYTES));
    try {
      decipher.final();
    } catch {
      head.fill(0);
      throw new InvalidCiphertextError("the wrapped key or its encryption context was changed");
    }
    const plaintext = new Uint8Array(head);
    head.fill(0);
    return plaintext;
  };

  return {
    async generateDataKey(context) {
      contextBytes(context);
      const keys = await keysNow();
      const plaintext = random.bytes(KEY_BYTES);
      return { plaintext, ...wrap(keys, plaintext, context) };
    },
    async decrypt(wrapped, context) {
      contextBytes(context);
      return unwrap(await keysNow(), wrapped, context);
    },
    async reEncrypt(wrapped, context) {
      const keys = await keysNow();
      const plaintext = unwrap(keys, wrapped, context);
      try {
        return wrap(keys, plaintext, context);
      } finally {
        plaintext.fill(0);
      }
    },
    async blocked(kmsKeyId) {
      const { keys } = await keysNow();
      return keys.get(Number(kmsKeyId.replace("local/", "")))?.state === "compromised";
    },
    async describe() {
      const { current, keys } = await keysNow();
      return {
        engine: "local",
        custodian: "key file of the installation (mode 0600), kept by its operator",
        keys: Array.from(keys, ([number, { state, createdAt }]) => ({
          id: `local/${number}`,
          state,
          current: number === current,
          createdAt,
        })),
      };
    },
  };
}

/** A key that is blocked, with the way out: nothing that it wraps can be moved to another key before it may unwrap again. */
function blockedKey(number: number): KmsKeyUnusableError {
  return new KmsKeyUnusableError(
    "compromised",
    `the wrapping key local/${number} is blocked (compromised), and data keys are still wrapped by it: ` +
      `"npm start -- kms-key-state ${number} retired" lets it open them, so that they can be wrapped anew; docs/encryption.md tells how`,
  );
}

async function markOf(file: string): Promise<string> {
  const { ino, size, mtimeMs, ctimeMs } = await stat(file);
  return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
}
