import type { Clock } from "#kernel/clock.ts";
import type { Random } from "#kernel/random.ts";
import { unitInterval } from "#kernel/random.ts";
import type { CommitResult, Key, Store, TableName, Write } from "#storage/index.ts";
import { tableDefinition } from "#storage/index.ts";

/** How often one and the same commit is sent while its outcome is unknown. */
export const MAX_SENDS = 6;

/** What became of a commit once every doubt that can be removed has been. */
export type Settled = "committed" | "conflict" | "contention" | "unavailable" | "unknown";

/** Waiting time before attempt `n` (1-based), milliseconds: full jitter, doubling from 4 ms, at most 250 ms. */
export function backoff(attempt: number, random: Random): number {
  return Math.min(250, 4 * 2 ** attempt) * (0.5 + unitInterval(random) / 2);
}

/**
 * Sends a commit and resolves an unknown outcome by asking the store, never by guessing.
 *
 * The same commit may be sent again because it puts at least one item (an audit event or an idempotency
 * record) under `absent`: it cannot happen twice. If a repetition conflicts, that item tells which: when
 * it is there, the earlier sending had succeeded; when it is not, some other condition failed, and as
 * versions only grow, no late arrival of the earlier sending can succeed either.
 */
export async function settle(store: Store, clock: Clock, random: Random, writes: readonly Write[]): Promise<Settled> {
  let doubtful = false;
  for (let sends = 1; sends <= MAX_SENDS; sends++) {
    const result: CommitResult = await store.commit(writes);
    switch (result.outcome) {
      case "committed":
        return "committed";
      case "conflict": {
        if (!doubtful) return result.writes.length === 0 ? "contention" : "conflict";
        const landed = await hasLanded(store, writes);
        if (landed === true) return "committed";
        // Without a failed condition the earlier sending may still be on its way, and where some of the writes met a transaction
        // under way it may be the earlier sending that the others met: ask again.
        if (landed === false && result.writes.length > 0 && result.contended !== true) return "conflict";
        break;
      }
      case "unavailable":
        if (!doubtful) return "unavailable";
        break;
      case "unknown":
        doubtful = true;
        break;
      default:
        result satisfies never;
    }
    if (sends < MAX_SENDS) await clock.sleep(backoff(sends, random));
  }
  return (await hasLanded(store, writes)) === true ? "committed" : "unknown";
}

/** Whether the commit's own marker is stored; `undefined` when the store does not answer. */
async function hasLanded(store: Store, writes: readonly Write[]): Promise<boolean | undefined> {
  const marker = markerOf(writes);
  if (marker === undefined) return undefined;
  try {
    const item = await store.get(marker.table, marker.key);
    return item !== undefined && item[marker.proof] === marker.value;
  } catch {
    return undefined;
  }
}

/**
 * The item that proves this very commit. An audit event carries an id no one else draws; an idempotency
 * record alone (a kept refusal) is proved by the request that kept it.
 */
function markerOf(writes: readonly Write[]): { table: TableName; key: Key; proof: string; value: unknown } | undefined {
  let kept: { table: TableName; key: Key; proof: string; value: unknown } | undefined;
  for (const write of writes) {
    if (write.op !== "put") continue;
    const definition = tableDefinition(write.table);
    const hash = String(write.item[definition.hash]);
    if (write.table === "smartfinance-audit-logs") {
      return { table: write.table, key: { hash, range: String(write.item.event_id) }, proof: "checksum", value: write.item.checksum };
    }
    if (write.table === "smartfinance-idempotency")
      kept ??= { table: write.table, key: { hash }, proof: "kept_id", value: write.item.kept_id };
  }
  return kept;
}
