import { invariant } from "#kernel/assert.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Store, Write } from "#storage/index.ts";
import { formatNote, parseNote } from "./note.ts";
import type { NoteSignature } from "./note.ts";
import { LOG_TABLE, logKeyKey } from "./rows.ts";
import { isObject } from "./verify-wrong.ts";

/** The newest checkpoint that a witness has cosigned, with its cosignature. */
export interface CosignedBy {
  readonly name: string;
  readonly keyId: string;
  readonly size: number;
  readonly checkpoint: string;
}

/** The newest checkpoint that any witness has cosigned, and the newest of each: one that was away is not forgotten for that. */
export interface Cosigned {
  readonly size: number;
  readonly checkpoint: string;
  readonly by: readonly CosignedBy[];
  readonly version: number;
}

const COSIGNED = "cosigned";
/** Commits against others that keep one at the same moment. */
const MAX_ATTEMPTS = 4;

export async function readCosigned(store: Store): Promise<Cosigned | undefined> {
  const item = await store.get(LOG_TABLE, { hash: COSIGNED });
  if (item === undefined) return undefined;
  const { size, checkpoint, version, by } = item;
  invariant(
    typeof size === "number" && typeof checkpoint === "string" && typeof version === "number",
    "the cosigned checkpoint is malformed",
  );
  // Kept by an earlier version: all that is known is in the one checkpoint.
  if (!Array.isArray(by)) return { size, checkpoint, version, by: signersOf(size, checkpoint) };
  return {
    size,
    checkpoint,
    version,
    by: (by as readonly JsonObject[]).map((one) => {
      invariant(
        isObject(one) && typeof one.size === "number" && typeof one.checkpoint === "string",
        "the cosigned checkpoint is malformed",
      );
      return { name: String(one.name), keyId: String(one.key_id), size: one.size, checkpoint: one.checkpoint };
    }),
  };
}

/**
 * Keeps a checkpoint for each witness that cosigned it, beside their signatures that are there of the same one.
 * @param keyVersion of the row of the key that signed it: once the log has another one nothing is kept, for the former key's signature
 *   alone would not be believed, and the witnesses are asked again
 */
export async function keepCosigned(store: Store, size: number, checkpoint: string, keyVersion?: number): Promise<void> {
  const sameKey: readonly Write[] =
    keyVersion === undefined ? [] : [{ op: "check", table: LOG_TABLE, key: logKeyKey, condition: { version: keyVersion } }];
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const before = await readCosigned(store);
    const newest =
      before === undefined || before.size < size
        ? checkpoint
        : before.size === size
          ? merged(before.checkpoint, checkpoint)
          : before.checkpoint;
    const own = signersOf(size, checkpoint);
    const others = (before?.by ?? []).filter((one) => one.size > size || !own.some((mine) => isOf(mine, one)));
    const mine = own.filter((one) => !others.some((other) => isOf(one, other)));
    const by = [...others, ...mine];
    const next = { size: Math.max(size, before?.size ?? 0), checkpoint: newest, by, version: (before?.version ?? 0) + 1 };
    const result = await store.commit([cosignedWrite(next), ...sameKey]);
    if (result.outcome !== "conflict" || result.writes.includes(1)) return;
  }
}

/** The write that keeps `next`, where what is kept is still what it was made of. */
export function cosignedWrite({ size, checkpoint, by, version }: Cosigned): Write {
  const kept = by.map(({ name, keyId, ...rest }) => ({ name, key_id: keyId, ...rest }));
  return {
    op: "put",
    table: LOG_TABLE,
    item: { id: COSIGNED, size, checkpoint, by: kept, version },
    condition: version === 1 ? "absent" : { version: version - 1 },
  };
}

/** That no checkpoint is kept yet. */
export const nothingCosigned: Write = { op: "check", table: LOG_TABLE, key: { hash: COSIGNED }, condition: "absent" };

const isOf = (a: Pick<NoteSignature, "name" | "keyId">, b: Pick<NoteSignature, "name" | "keyId">): boolean =>
  a.name === b.name && a.keyId === b.keyId;

/** Those beside the log itself, whose name is the first line, that have signed a checkpoint. */
function signersOf(size: number, checkpoint: string): CosignedBy[] {
  const note = parseNote(checkpoint);
  const origin = checkpoint.slice(0, checkpoint.indexOf("\n"));
  return (note?.signatures ?? []).filter(({ name }) => name !== origin).map(({ name, keyId }) => ({ name, keyId, size, checkpoint }));
}

/** The signatures of both notes, the newer one of each key; the newer note where their texts differ. */
function merged(older: string, newer: string): string {
  const [a, b] = [parseNote(older), parseNote(newer)];
  if (a === undefined || b === undefined || a.text !== b.text) return newer;
  const kept = a.signatures.filter((one) => !b.signatures.some((other) => isOf(one, other)));
  return formatNote({ text: b.text, signatures: [...b.signatures, ...kept] });
}
