import type { Clock } from "#kernel/clock.ts";
import { tableDefinition } from "#storage/index.ts";
import type { Store, Write } from "#storage/index.ts";
import type { Leader } from "./leader.ts";

/** Everything a leader writes goes through here: one commit at a time, many small changes to a commit, each commit fenced. */
export interface Journal {
  /**
   * Resolves with whether these writes, which can be repeated, are durable; `false` once another node leads. Tried again
   * while the store is away. Rejects when they break the store's contract.
   */
  write(writes: readonly Write[]): Promise<boolean>;
  /** The most writes that one call may bring. */
  readonly capacity: number;
}

interface Waiting {
  readonly writes: readonly Write[];
  readonly resolve: (durable: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** More at once would keep others waiting. */
const MAX_WRITES = 2_000;
const RETRY_MS = 100;

function nameOf(write: Write): string {
  if (write.op !== "put") return `${write.table}/${write.key.hash}/${write.key.range ?? ""}`;
  const { hash, range } = tableDefinition(write.table);
  return `${write.table}/${String(write.item[hash])}/${range === undefined ? "" : String(write.item[range])}`;
}

export function createJournal(deps: { readonly store: Store; readonly clock: Clock; readonly leader: Leader }): Journal {
  const { store, clock, leader } = deps;
  const capacity = Math.min(MAX_WRITES, store.limits.writesPerCommit) - 1;
  /** Of the term that this is made in. What is to be written was made of what that term knew, so no later one of this node writes it. */
  const own = leader.fence();
  let waiting: Waiting[] = [];
  let running = false;

  /** As many of those that wait as fit one commit, each record at most once. */
  const take = (): Waiting[] => {
    const names = new Set<string>();
    let count = 0;
    let taken = 0;
    for (const { writes } of waiting) {
      if (count + writes.length > capacity) break;
      const own = writes.map(nameOf);
      if (own.some((name) => names.has(name))) break;
      for (const name of own) names.add(name);
      count += writes.length;
      taken += 1;
    }
    const group = waiting.slice(0, taken);
    waiting = waiting.slice(taken);
    return group;
  };

  const commit = async (writes: readonly Write[]): Promise<boolean> => {
    // Ends with the term at the latest: a leader that cannot reach the store loses its lease.
    for (;;) {
      if (own === undefined || leader.fence() !== own) return false;
      const result = await store.commit([own, ...writes]);
      if (result.outcome === "committed") return true;
      if (result.outcome === "conflict" && result.writes.length > 0) {
        if (leader.fence() === own) leader.lost();
        return false;
      }
      await clock.sleep(RETRY_MS);
    }
  };

  const run = async (): Promise<void> => {
    running = true;
    // A turn later, so that what is settled together is written together.
    await Promise.resolve();
    try {
      while (waiting.length > 0) {
        const group = take();
        try {
          const durable = await commit(group.flatMap(({ writes }) => writes));
          for (const { resolve } of group) resolve(durable);
        } catch (error) {
          for (const { reject } of group) reject(error);
        }
      }
    } finally {
      running = false;
    }
  };

  return {
    capacity,
    write(writes) {
      if (writes.length === 0) return Promise.resolve(true);
      return new Promise((resolve, reject) => {
        waiting.push({ writes, resolve, reject });
        if (!running) void run();
      });
    },
  };
}
