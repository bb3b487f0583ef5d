import { digestOf } from "./digest.ts";
import type { SinkObject } from "./port.ts";
import type { Plan } from "./progress.ts";
import type { ArchivedLeaf, SealedLog } from "./sealed-log.ts";

/** Leaves of one object, and the bytes from which on it is full. */
const LEAVES_MAX = 4_096;
const BYTES_MAX = 8 * 1024 * 1024;
const DIGITS = 16;

const padded = (n: number): string => String(n).padStart(DIGITS, "0");

/** The leaves that the next object holds, from `from` on. Texts never change, so the same place always gives the same leaves. */
export async function nextLeaves(log: SealedLog, from: number, size: number): Promise<readonly ArchivedLeaf[]> {
  const taken: ArchivedLeaf[] = [];
  let bytes = 0;
  const end = Math.min(size, from + LEAVES_MAX);
  while (from + taken.length < end) {
    const read = await log.leaves(from + taken.length, end);
    if (read.length === 0) break;
    for (const leaf of read) {
      taken.push(leaf);
      bytes += Buffer.byteLength(leaf.text) + 1;
      if (bytes >= BYTES_MAX) return taken;
    }
  }
  return taken;
}

/** `events/<first>-<behind the last>.ndjson`: a line for each leaf, whose SHA-256 (without the line break) is the log's entry. */
export function eventsObject(from: number, leaves: readonly ArchivedLeaf[]): SinkObject {
  const body = Buffer.from(leaves.map(({ text }) => `${text}\n`).join(""), "utf8");
  const key = `events/${padded(from)}-${padded(from + leaves.length)}.ndjson`;
  return { key, body, contentType: "application/x-ndjson", sha256: digestOf(body) };
}

/** `checkpoints/<size>.txt`: the signed checkpoint that covers all leaves before it. */
export function checkpointObject(plan: Plan): SinkObject {
  const body = Buffer.from(plan.checkpoint, "utf8");
  const key = `checkpoints/${padded(plan.size)}.txt`;
  return { key, body, contentType: "text/plain; charset=utf-8", sha256: digestOf(body) };
}
