import { invariant } from "#kernel/assert.ts";
import type { ApiKeyId } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";

const TABLE = "smartfinance-api-key-uses";
/** The most keys whose use is remembered between two writes; the use of further ones is not recorded. */
const MAX_PENDING = 50_000;
/** Items in one commit: what every engine takes. */
const MAX_WRITES = 100;
/** Keys asked for at once: what every engine takes. */
const MAX_READS = 1_000;

/** When keys were last used: remembered in memory, written in bulk now and then, beside the requests. */
export interface KeyUses {
  /** A key was good for a request. Costs one assignment in a map. */
  note(id: ApiKeyId, now: number): void;
  /**
   * Writes what was noted since the last time, one small item a key, whatever the number of requests. Never rejects: what
   * the store does not take is dropped, because the next use brings a newer one.
   */
  flush(): Promise<void>;
  /** The last use of each key that had one, as far as it is written or was seen by this process. */
  read(ids: readonly ApiKeyId[]): Promise<ReadonlyMap<ApiKeyId, number>>;
}

/**
 * In a table of its own and not in the key's record: a use changes nothing about the key, so it must not move its
 * version, nor contend with its changes, nor leave an audit event.
 */
export function createKeyUses(store: Store): KeyUses {
  let pending = new Map<ApiKeyId, number>();
  return {
    note(id, now) {
      if (pending.size < MAX_PENDING || pending.has(id)) pending.set(id, now);
    },
    async flush() {
      const uses = [...pending];
      pending = new Map();
      for (let start = 0; start < uses.length; start += MAX_WRITES) {
        const portion = uses.slice(start, start + MAX_WRITES);
        const result = await store.commit(
          portion.map(([id, at]) => ({ op: "put", table: TABLE, item: { id, last_used_at: at }, condition: "none" })),
        );
        if (result.outcome === "unavailable") return;
      }
    },
    async read(ids) {
      invariant(ids.length <= MAX_READS, "too many keys are asked for at once");
      const found = new Map<ApiKeyId, number>();
      if (ids.length === 0) return found;
      const items = await store.getMany(ids.map((id) => ({ table: TABLE, key: { hash: id } })));
      for (const [n, id] of ids.entries()) {
        const written = items[n]?.["last_used_at"];
        const at = Math.max(pending.get(id) ?? 0, typeof written === "number" ? written : 0);
        if (at > 0) found.set(id, at);
      }
      return found;
    },
  };
}
