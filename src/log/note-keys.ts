import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { invariant } from "#kernel/assert.ts";
import { fromBase64, toBase64 } from "./base64.ts";
import { sha256 } from "./hashing.ts";
import { isKeyName } from "./note.ts";
import type { Note, NoteSignature } from "./note.ts";

/** How a key signs: a note itself (C2SP signed-note, Ed25519), or that a witness saw it at a time (C2SP tlog-cosignature, v1). */
export type KeyType = "signature" | "cosignature";

/** A key that notes are verified with. */
export interface Verifier {
  readonly name: string;
  /** 4 bytes, lower-case hex. */
  readonly keyId: string;
  readonly type: KeyType;
  /** The text that it is handed around as: `<name>+<key id>+<base64 of type byte and public key>`. */
  readonly vkey: string;
  readonly publicKey: KeyObject;
  /** Further keys of the same name that count as much: those that a log had before and after a rotation. */
  readonly also?: readonly Verifier[];
}

/** A verifier and those that count as much. */
export function keysOf(verifier: Verifier): readonly Verifier[] {
  return [verifier, ...(verifier.also ?? [])];
}

/**
 * One verifier that believes any of several keys of one log.
 * @returns `undefined` for none, and for keys of different names or types, which are not one log's
 */
export function anyOf(verifiers: readonly Verifier[]): Verifier | undefined {
  const [first, ...also] = verifiers;
  if (first === undefined || also.some(({ name, type }) => name !== first.name || type !== first.type)) return undefined;
  return also.length === 0 ? first : { ...first, also };
}

/** A key that notes are signed with. */
export interface Signer {
  readonly verifier: Verifier;
  /** Prints and serialises as nothing; another thread may be given it. */
  readonly privateKey: KeyObject;
  /** @param at milliseconds; only a cosignature carries it, in whole seconds */
  sign(text: string, at: number): NoteSignature;
  /** Keys of before a rotation, which sign next to this one until a time, ms. */
  readonly former?: readonly { readonly signer: Signer; readonly until: number }[];
  /** All keys that this one has come after: what they signed was good once, and is none of what is signed now. */
  readonly retired?: readonly Verifier[];
}

/** The signature lines of a text: that of the key itself, then those of former ones whose time is not over. */
export function signaturesOf(signer: Signer, text: string, at: number): readonly NoteSignature[] {
  const still = (signer.former ?? []).filter(({ until }) => until > at);
  return [signer, ...still.map((one) => one.signer)].map((one) => one.sign(text, at));
}

const TYPE_BYTE: Readonly<Record<KeyType, number>> = { signature: 0x01, cosignature: 0x04 };
const SEED_BYTES = 32;
const PUBLIC_BYTES = 32;
const SIGNATURE_BYTES = 64;
const TIME_BYTES = 8;
/** What stands before the seed in PKCS #8 and before the key in SPKI, RFC 8410. */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

/** The first 4 bytes of SHA-256(name || 0x0A || type || public key), in hex. */
function keyIdOf(name: string, type: KeyType, publicKey: Uint8Array): string {
  const bytes = Buffer.concat([Buffer.from(`${name}\n`, "utf8"), Buffer.of(TYPE_BYTE[type]), publicKey]);
  return sha256(bytes).subarray(0, 4).toString("hex");
}

/** A verifier of a raw Ed25519 public key of 32 bytes. */
export function verifierOf(name: string, type: KeyType, publicKey: Uint8Array): Verifier {
  invariant(isKeyName(name), "the name cannot name a key");
  invariant(publicKey.length === PUBLIC_BYTES, "an Ed25519 public key has 32 bytes");
  const keyId = keyIdOf(name, type, publicKey);
  const vkey = `${name}+${keyId}+${toBase64(Buffer.concat([Buffer.of(TYPE_BYTE[type]), publicKey]))}`;
  const key = createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: "der", type: "spki" });
  return { name, keyId, type, vkey, publicKey: key };
}

/** Reads a vkey, whose key id has to be the one of its name and key. @returns `undefined` for anything else */
export function parseVkey(text: string): Verifier | undefined {
  const [, name, keyId, encoded] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text) ?? [];
  const bytes = encoded === undefined ? undefined : fromBase64(encoded);
  if (name === undefined || !isKeyName(name) || bytes?.length !== 1 + PUBLIC_BYTES) return undefined;
  const type = bytes[0] === TYPE_BYTE.signature ? "signature" : bytes[0] === TYPE_BYTE.cosignature ? "cosignature" : undefined;
  if (type === undefined || keyIdOf(name, type, bytes.subarray(1)) !== keyId) return undefined;
  return verifierOf(name, type, bytes.subarray(1));
}

/** A signer of a 32-byte Ed25519 seed (RFC 8032). The seed may be overwritten afterwards. */
export function signerOf(name: string, type: KeyType, seed: Uint8Array): Signer {
  invariant(seed.length === SEED_BYTES, "an Ed25519 seed has 32 bytes");
  const der = Buffer.concat([PKCS8, seed]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  der.fill(0);
  return signerWith(name, type, privateKey);
}

/** A signer of a private key that is at hand. */
export function signerWith(name: string, type: KeyType, privateKey: KeyObject): Signer {
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  const verifier = verifierOf(name, type, spki.subarray(SPKI.length));
  return {
    verifier,
    privateKey,
    sign(text, at) {
      const seconds = Math.floor(at / 1000);
      if (type === "signature") return { name, keyId: verifier.keyId, signature: sign(null, Buffer.from(text, "utf8"), privateKey) };
      const time = Buffer.alloc(TIME_BYTES);
      time.writeBigUInt64BE(BigInt(seconds));
      const signature = sign(null, Buffer.from(cosigned(text, seconds), "utf8"), privateKey);
      return { name, keyId: verifier.keyId, signature: Buffer.concat([time, signature]) };
    },
  };
}

const cosigned = (text: string, seconds: number | bigint): string => `cosignature/v1\ntime ${seconds}\n${text}`;

/** A signature that holds. */
export interface VerifiedSignature {
  readonly verifier: Verifier;
  readonly line: NoteSignature;
  /** Seconds since 1970 of a cosignature. */
  readonly time?: number;
}

/**
 * The signatures of `note` by the known keys. Lines of unknown keys are passed over, as they must be.
 * @returns `undefined` when a line of a known key does not verify: then nothing of the note is to be believed
 */
export function verifyNote(note: Note, verifiers: readonly Verifier[]): readonly VerifiedSignature[] | undefined {
  const verified: VerifiedSignature[] = [];
  for (const line of note.signatures) {
    const verifier = verifiers.find(({ name, keyId }) => name === line.name && keyId === line.keyId);
    if (verifier === undefined) continue;
    const checked = verifyLine(note.text, line, verifier);
    if (checked === undefined) return undefined;
    verified.push(checked);
  }
  return verified;
}

function verifyLine(text: string, line: NoteSignature, verifier: Verifier): VerifiedSignature | undefined {
  const { signature } = line;
  if (verifier.type === "signature") {
    const holds = signature.length === SIGNATURE_BYTES && verify(null, Buffer.from(text, "utf8"), verifier.publicKey, signature);
    return holds ? { verifier, line } : undefined;
  }
  if (signature.length !== TIME_BYTES + SIGNATURE_BYTES) return undefined;
  const time = signature.readBigUInt64BE();
  if (time > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  const message = Buffer.from(cosigned(text, time), "utf8");
  return verify(null, message, verifier.publicKey, signature.subarray(TIME_BYTES)) ? { verifier, line, time: Number(time) } : undefined;
}
