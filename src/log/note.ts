import { fromBase64, toBase64 } from "./base64.ts";

/** A signature line of a note: `— <name> base64(4-byte key id || signature)`. */
export interface NoteSignature {
  readonly name: string;
  /** 4 bytes, lower-case hex. */
  readonly keyId: string;
  readonly signature: Buffer;
}

/** A text and what signs it; nothing of it is to be believed before a signature of a known key was verified. */
export interface Note {
  /** With its final newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

const MAX_NOTE_CHARACTERS = 100_000;
const MAX_SIGNATURES = 64;
const MAX_SIGNATURE_BYTES = 8_192;
const KEY_ID_BYTES = 4;
const LINE = /^\u2014 (\S+) (\S+)$/u;
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0009\u000b-\u001f]/;

/** Whether a text can name a key: not empty, without Unicode spaces and `+`. */
export function isKeyName(name: string): boolean {
  return /^[^\s+\p{Cc}\p{Z}]{1,255}$/u.test(name) && name.isWellFormed();
}

/** One signature line with its newline. */
export function signatureLine({ name, keyId, signature }: NoteSignature): string {
  return `\u2014 ${name} ${toBase64(Buffer.concat([Buffer.from(keyId, "hex"), signature]))}\n`;
}

/** The text of a signed note. C2SP signed-note. */
export function formatNote({ text, signatures }: Note): string {
  return `${text}\n${signatures.map(signatureLine).join("")}`;
}

/** Reads signature lines, each with its newline; `undefined` when one is malformed or there are none or too many. */
export function parseSignatures(lines: string): readonly NoteSignature[] | undefined {
  if (!lines.endsWith("\n")) return undefined;
  const signatures: NoteSignature[] = [];
  for (const line of lines.slice(0, -1).split("\n")) {
    const [, name, encoded] = LINE.exec(line) ?? [];
    const bytes = encoded === undefined ? undefined : fromBase64(encoded);
    if (name === undefined || !isKeyName(name) || bytes === undefined) return undefined;
    if (bytes.length <= KEY_ID_BYTES || bytes.length > MAX_SIGNATURE_BYTES || signatures.length === MAX_SIGNATURES) return undefined;
    const keyId = bytes.subarray(0, KEY_ID_BYTES).toString("hex");
    signatures.push({ name, keyId, signature: bytes.subarray(KEY_ID_BYTES) });
  }
  return signatures;
}

/**
 * Reads a signed note, strictly: what `formatNote` writes and nothing else. C2SP signed-note.
 * @returns `undefined` for anything malformed
 */
export function parseNote(note: string): Note | undefined {
  if (note.length > MAX_NOTE_CHARACTERS || CONTROL.test(note) || !note.isWellFormed()) return undefined;
  const split = note.lastIndexOf("\n\n");
  if (split <= 0) return undefined;
  const text = note.slice(0, split + 1);
  const signatures = parseSignatures(note.slice(split + 2));
  return signatures === undefined ? undefined : { text, signatures };
}
