import type { Store, Write } from "../port.ts";
import { assertItemBytes } from "../validate-commit.ts";
import { layoutFor } from "./layout.ts";
import { expectedOf, kindOf, takesSeq } from "./protocol.ts";

/** A commit ready to be handed over. */
export interface EncodedCommit {
  readonly message: (string | number | null)[];
  /** How many numbers (`takesSeq`) it uses up. */
  readonly seqs: number;
  /** Characters of item text: what it costs to hold while it waits. */
  readonly size: number;
}

/**
 * Turns writes into a message (protocol.ts). Every item becomes text here, once.
 * @throws InvariantError when an item is larger than `itemBytes`.
 */
export function encodeCommit(writes: readonly Write[], firstSeq: number, limits: Pick<Store["limits"], "itemBytes">): EncodedCommit {
  const message: (string | number | null)[] = [firstSeq];
  let seqs = 0;
  let size = 0;
  for (const write of writes) {
    const layout = layoutFor(write.table);
    const kind = kindOf(write);
    if (takesSeq(layout, kind)) seqs += 1;
    const expected = expectedOf(write.condition);
    if (write.op !== "put") {
      message.push(kind, layout.number, write.key.hash, write.key.range ?? null, expected);
      continue;
    }
    const { item } = write;
    const range = layout.range === undefined ? null : (item[layout.range] as string);
    message.push(kind, layout.number, item[layout.hash] as string, range, expected);
    const body = write.text ?? JSON.stringify(item);
    // A UTF-16 unit is at most three bytes of UTF-8, so most items need not be measured.
    if (body.length * 3 > limits.itemBytes) assertItemBytes(write.table, Buffer.byteLength(body), limits.itemBytes);
    size += body.length;
    const version = item["version"];
    message.push(typeof version === "number" ? version : null, body);
    for (const attribute of layout.columns) {
      const value = item[attribute];
      message.push(typeof value === (attribute === layout.ttl ? "number" : "string") ? (value as string | number) : null);
    }
  }
  return { message, seqs, size };
}
