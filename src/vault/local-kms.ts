import { createCipheriv, createDecipheriv, createSecretKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { Random } from "#kernel/random.ts";
import { contextBytes, InvalidCiphertextError } from "./kms.ts";
import type { Kms } from "./kms.ts";
import { KEY_BYTES, loadKeyFile } from "./local-key-file.ts";

const ALGORITHM = "aes-256-gcm";
const FORMAT = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 5;
const WRAPPED_BYTES = HEADER_BYTES + NONCE_BYTES + KEY_BYTES + TAG_BYTES;

/**
 * The KMS of a single machine: wraps data keys with AES-256-GCM under keys kept in a file of mode
 * 0600, which is created when it is missing. Lose the file and everything sealed is lost.
 *
 * A wrapped key is: format (1 byte), key number (4), nonce (12), ciphertext (32), tag (16). Nonces are
 * random: an installation makes thousands of data keys, and NIST SP 800-38D allows 2^32 random nonces.
 *
 * @throws KeyFileError when the file is readable by others, malformed or cannot be reached.
 */
export async function openLocalKms(deps: { readonly file: string; readonly random: Random }): Promise<Kms> {
  const loaded = await loadKeyFile(deps.file, deps.random);
  const keys = new Map<number, KeyObject>();
  for (const [number, bytes] of loaded.keys) {
    keys.set(number, createSecretKey(bytes));
    bytes.fill(0);
  }
  const current = keys.get(loaded.current);
  if (current === undefined) throw new InvalidCiphertextError("the key file has no current key");

  return {
    generateDataKey(context) {
      return settle(() => {
        const aad = contextBytes(context);
        const plaintext = deps.random.bytes(KEY_BYTES);
        const nonce = deps.random.bytes(NONCE_BYTES);
        const header = Buffer.alloc(HEADER_BYTES);
        header.writeUInt8(FORMAT, 0);
        header.writeUInt32BE(loaded.current, 1);
        const cipher = createCipheriv(ALGORITHM, current, nonce, { authTagLength: TAG_BYTES });
        cipher.setAAD(aad);
        const body = Buffer.concat([cipher.update(plaintext), cipher.final()]);
        const wrapped = Buffer.concat([header, nonce, body, cipher.getAuthTag()]).toString("base64url");
        return { plaintext, wrapped, kmsKeyId: `local/${loaded.current}` };
      });
    },

    decrypt(wrapped, context) {
      return settle(() => {
        const aad = contextBytes(context);
        const bytes = Buffer.from(wrapped, "base64url");
        // Node decodes base64 leniently: only the one canonical text of these bytes is taken.
        if (bytes.length !== WRAPPED_BYTES || bytes.toString("base64url") !== wrapped || bytes.readUInt8(0) !== FORMAT) {
          throw new InvalidCiphertextError("not a key that this service wrapped");
        }
        const key = keys.get(bytes.readUInt32BE(1));
        if (key === undefined) throw new InvalidCiphertextError("wrapped under a key that the key file does not hold");
        const nonce = bytes.subarray(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES);
        const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
        decipher.setAAD(aad);
        decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
        const head = decipher.update(bytes.subarray(HEADER_BYTES + NONCE_BYTES, -TAG_BYTES));
        try {
          decipher.final();
        } catch {
          head.fill(0);
          throw new InvalidCiphertextError("the wrapped key or its encryption context was changed");
        }
        return new Uint8Array(head);
      });
    },
  };
}

/** The port is asynchronous because services are; what throws here must reject there. */
function settle<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(work());
  });
}
