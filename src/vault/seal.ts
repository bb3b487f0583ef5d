import { createCipheriv, createDecipheriv } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { invariant } from "#kernel/assert.ts";
import type { OrganisationId, UserId } from "#kernel/ids.ts";
import type { Random } from "#kernel/random.ts";
import type { KeyPurpose } from "./data-key-record.ts";
import { DataKeyBlockedError } from "./errors.ts";
import { createNonces, NONCE_BYTES } from "./nonces.ts";

/** A data key ready for use. The key itself stays inside a KeyObject, which prints and serialises as nothing. */
export interface DataKey {
  /** `dek_…`, as it stands in every field sealed with it. */
  readonly id: string;
  readonly organisationId: OrganisationId;
  readonly secret: KeyObject;
  /** Seals made by this process since it loaded the key. Counted by `seal`. */
  uses: number;
  /** The same for `open`. */
  opens?: number;
  /** Set on a user's own key. */
  readonly userId?: UserId | null;
  readonly purpose?: KeyPurpose;
  /** `seal`: it only opens (retired). `all`: it does nothing any more (compromised, destroyed, forgotten). */
  blocked?: "seal" | "all";
}

/** Where a sealed text belongs. It opens nowhere else. Ids and names only, nothing secret or personal. */
export interface Binding {
  readonly organisation_id: string;
  readonly table: string;
  /** The id of the record that holds the field. */
  readonly record: string;
  readonly field: string;
}

/** A sealed text as it is stored. */
export type Sealed = {
  readonly key_id: string;
  readonly encryption_algorithm: "AES-256-GCM";
  /** 12 bytes, base64. */
  readonly nonce: string;
  /** The ciphertext and after it the 16-byte tag, base64. */
  readonly ciphertext: string;
};

export type SealBreak = "format" | "key" | "authentication";

/** A sealed text does not open: a bit of it changed, or it was moved to another record, field or organisation. */
export class SealBrokenError extends Error {
  override readonly name = "SealBrokenError";
  readonly reason: SealBreak;
  constructor(reason: SealBreak, binding: Binding) {
    super(`the seal of ${binding.table}/${binding.record}/${binding.field} is broken (${reason})`);
    this.reason = reason;
  }
}

/**
 * How often one process may use one loaded data key. Nonces stay unique without this; it bounds what
 * is learned from much ciphertext under one key: 2^32 texts of 2^6 blocks keep the distinguishing
 * advantage (blocks^2 / 2^128) at 2^-52. The vault rotates long before.
 */
export const MAX_USES_PER_KEY = 2 ** 32;

const CIPHER = "aes-256-gcm";
const ALGORITHM = "AES-256-GCM";
/** Node takes 4-byte tags unless the length is fixed, and those can be guessed. */
const TAG = { authTagLength: 16 } as const;
const TAG_BYTES = TAG.authTagLength;
/** Never a byte of UTF-8: a plaintext that begins with it is UTF-16 (see `encode`). */
const UTF16_MARK = 0xff;

export interface Sealer {
  /**
   * Seals `text` (any string) for one place. Synchronous.
   * @throws InvariantError when the key is another organisation's or used up; DataKeyBlockedError when it must not seal.
   */
  seal(dataKey: DataKey, binding: Binding, text: string): Sealed;
  /** Opens what `seal` made, given the key it names. Synchronous. @throws SealBrokenError on any difference; DataKeyBlockedError. */
  open(dataKey: DataKey, binding: Binding, sealed: Sealed): string;
}

/** Seals and opens single fields. One per process: see `createNonces`. */
export function createSealer(random: Random): Sealer {
  const nextNonce = createNonces(random);
  return {
    seal(dataKey, binding, text) {
      invariant(binding.organisation_id === dataKey.organisationId, "a data key seals for its own organisation only");
      invariant(dataKey.uses < MAX_USES_PER_KEY, "the data key is used up");
      invariant(dataKey.purpose !== "index-key", "an index key seals nothing");
      if (dataKey.blocked !== undefined) throw new DataKeyBlockedError(`data key ${dataKey.id} must not seal any more`);
      dataKey.uses += 1;
      const nonce = nextNonce();
      const cipher = createCipheriv(CIPHER, dataKey.secret, nonce, TAG);
      cipher.setAAD(bindingBytes(dataKey.id, binding));
      const body = cipher.update(encode(text));
      // GCM is a stream: `final` gives no bytes, it only closes the tag.
      cipher.final();
      const ciphertext = Buffer.concat([body, cipher.getAuthTag()], body.length + TAG_BYTES).toString("base64");
      return { key_id: dataKey.id, encryption_algorithm: ALGORITHM, nonce: nonce.toString("base64"), ciphertext };
    },

    open(dataKey, binding, sealed) {
      if (dataKey.blocked === "all") throw new DataKeyBlockedError(`data key ${dataKey.id} must not be used any more`);
      dataKey.opens = (dataKey.opens ?? 0) + 1;
      if (sealed.encryption_algorithm !== ALGORITHM) throw new SealBrokenError("format", binding);
      if (sealed.key_id !== dataKey.id || binding.organisation_id !== dataKey.organisationId) throw new SealBrokenError("key", binding);
      const nonce = decodeBase64(sealed.nonce);
      const bytes = decodeBase64(sealed.ciphertext);
      if (nonce === undefined || nonce.length !== NONCE_BYTES || bytes === undefined || bytes.length < TAG_BYTES) {
        throw new SealBrokenError("format", binding);
      }
      const decipher = createDecipheriv(CIPHER, dataKey.secret, nonce, TAG);
      decipher.setAAD(bindingBytes(dataKey.id, binding));
      decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
      const plaintext = decipher.update(bytes.subarray(0, bytes.length - TAG_BYTES));
      try {
        decipher.final();
      } catch {
        throw new SealBrokenError("authentication", binding);
      }
      return decode(plaintext);
    },
  };
}

/**
 * The authenticated data: the RFC 8785 text of the binding and the key id. Written out because the
 * general canonicaliser costs half as much as the encryption; a test holds the two equal.
 */
export function bindingBytes(keyId: string, binding: Binding): Buffer {
  const text = `{"field":${JSON.stringify(binding.field)},"key_id":${JSON.stringify(keyId)},"organisation_id":${JSON.stringify(
    binding.organisation_id,
  )},"record":${JSON.stringify(binding.record)},"table":${JSON.stringify(binding.table)}}`;
  return Buffer.from(text, "utf8");
}

/**
 * UTF-8, except for strings that UTF-8 cannot carry: JSON's `"\ud800"` is a valid string with half a
 * surrogate pair, which UTF-8 would silently replace. Those are kept as UTF-16 behind a mark.
 */
function encode(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text, "utf8");
  return Buffer.concat([Buffer.of(UTF16_MARK), Buffer.from(text, "utf16le")]);
}

function decode(plaintext: Buffer): string {
  return plaintext[0] === UTF16_MARK ? plaintext.toString("utf16le", 1) : plaintext.toString("utf8");
}

/** Strict: Node ignores foreign characters and spare bits, which would make two texts of one seal. */
function decodeBase64(text: unknown): Buffer | undefined {
  if (typeof text !== "string") return undefined;
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : undefined;
}
