import type { Clock } from "#kernel/clock.ts";
import type { OperatorSessionId } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import type { Session } from "./session.ts";
import { seenKey, SESSIONS_TABLE } from "./session.ts";

/** How often at most the use of a session is written, ms. */
const WRITE_EVERY_MS = 60_000;
/** Sessions whose last use is in memory; those not used longest are forgotten first, and read from the store again. */
const MAX_SESSIONS = 20_000;
/** Writes under way; further ones wait for the next use. */
const MAX_WRITES = 100;
/** How long the record outlives the session, ms. */
const KEPT_MS = 30 * 24 * 3_600_000;

/** When sessions were last used: exact in memory, in the store up to a minute behind. */
export interface SessionSeen {
  /** The last use that this process knows of. */
  at(id: OperatorSessionId): number | undefined;
  /** The store knows of a use. */
  learn(id: OperatorSessionId, at: number): void;
  /** A session was used; written unless it was within the last minute. */
  note(session: Session, now: number): void;
  read(ids: readonly OperatorSessionId[]): Promise<ReadonlyMap<OperatorSessionId, number>>;
  flush(): Promise<void>;
}

interface Use {
  at: number;
  written: number;
}

/** Written without a condition and beside the session: a use changes nothing about it, and contends with nothing. */
export function createSessionSeen({ store, clock }: { readonly store: Store; readonly clock: Clock }): SessionSeen {
  const uses = new Map<OperatorSessionId, Use>();
  const writes = new Set<Promise<void>>();

  const put = (id: OperatorSessionId, use: Use): void => {
    uses.delete(id);
    if (uses.size >= MAX_SESSIONS)
      for (const oldest of uses.keys()) {
        uses.delete(oldest);
        break;
      }
    uses.set(id, use);
  };

  const write = async (session: Session, use: Use, before: number): Promise<void> => {
    const item = {
      id: seenKey(session.id).hash,
      last_seen_at: use.at,
      purge_at: Math.ceil((session.expiresAt + KEPT_MS) / 1000),
    };
    const result = await store
      .commit([{ op: "put", table: SESSIONS_TABLE, item, condition: "none" }])
      .catch(() => ({ outcome: "unavailable" as const }));
    // The next use tries again.
    if (result.outcome === "unavailable") use.written = before;
  };

  return {
    at: (id) => uses.get(id)?.at,
    learn(id, at) {
      const use = uses.get(id);
      if (use === undefined || use.at < at) put(id, { at, written: Math.max(at, use?.written ?? 0) });
    },
    note(session, now) {
      const use = uses.get(session.id) ?? { at: now, written: 0 };
      use.at = Math.max(use.at, now);
      put(session.id, use);
      if (now - use.written < WRITE_EVERY_MS || writes.size >= MAX_WRITES) return;
      const before = use.written;
      use.written = now;
      const writing = write(session, use, before).finally(() => writes.delete(writing));
      writes.add(writing);
    },
    async read(ids) {
      const found = new Map<OperatorSessionId, number>();
      if (ids.length === 0) return found;
      const items = await store.getMany(ids.map((id) => ({ table: SESSIONS_TABLE, key: seenKey(id) })));
      for (const [n, id] of ids.entries()) {
        const at = Math.max(uses.get(id)?.at ?? 0, Number(items[n]?.last_seen_at ?? 0));
        if (at > 0 && at <= clock.now() + WRITE_EVERY_MS) found.set(id, at);
      }
      return found;
    },
    async flush() {
      await Promise.all(writes);
    },
  };
}
