import { actorOf, seededRandom, T0, testClock, testIds } from "#test/support/builders.ts";
import type { BuiltEvent } from "#audit/index.ts";
import type { Collection, CommitResult, Item, Store, Write } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import type { MemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Command } from "./command.ts";
import { change } from "./command.ts";
import type { ReplyBox, ShowReply } from "./idempotency.ts";
import { createCommitQueue } from "./queue.ts";

/** The simplest record there is: a number. */
export interface Counter {
  readonly id: string;
  readonly value: number;
  readonly version: number;
}

export const counters: Collection<Counter> = {
  table: "smartfinance-meta",
  keyOf: ({ id }) => ({ hash: id }),
  toItem: ({ id, value, version }) => ({ id, value, version }),
  fromItem: (item) => ({ id: String(item.id), value: Number(item.value), version: Number(item.version) }),
};

const ids = testIds(11);

export interface Adding {
  readonly key?: string;
  readonly fingerprint?: string;
  /** What the reply shows. */
  readonly shows?: string;
  readonly sealReply?: Command["sealReply"];
  /** Called with the state the command is decided over. */
  readonly onDecide?: (values: readonly number[], at: number) => void;
}

/** A command that adds one to each of the counters named, and answers what they are then. */
export function adding(names: readonly string[], { key, fingerprint = "body", shows, sealReply, onDecide }: Adding = {}): Command {
  const eventId = ids.next("event");
  return {
    actor: actorOf(),
    idempotency: key === undefined ? undefined : { id: key, fingerprint },
    sealReply,
    needs: names.map((hash) => ({ collection: counters, key: { hash }, mode: "write" })),
    decide(view, at) {
      const before = names.map((hash) => view.get(counters, { hash }) ?? { id: hash, value: 0, version: 0 });
      onDecide?.(
        before.map(({ value }) => value),
        at,
      );
      const after = before.map(({ id, value, version }) => ({ id, value: value + 1, version: version + 1 }));
      return {
        reply: { status: 201, body: JSON.stringify(after.map(({ value }) => value)), ...(shows === undefined ? {} : { shows }) },
        changes: after.map((record) => change(counters, record)),
        events: [{ id: eventId, type: "account.updated", objectId: names[0] ?? "" }],
      };
    },
  };
}

/** A command that is refused, whatever there is. */
export function refusing(key: string | undefined, fingerprint = "body"): Command {
  return {
    actor: actorOf(),
    idempotency: key === undefined ? undefined : { id: key, fingerprint },
    needs: [],
    decide: () => ({ reply: { status: 422, body: '{"code":"refused"}' }, changes: [], events: [] }),
  };
}

/** How one commit goes: told to do it, or to answer something else. */
export type Fate = (apply: () => Promise<CommitResult>) => Promise<CommitResult>;

export const fates = {
  goes: (apply) => apply(),
  conflicts: async () => ({ outcome: "conflict", writes: [0] }),
  throttled: async () => ({ outcome: "conflict", writes: [] }),
  unavailable: async () => ({ outcome: "unavailable", cause: "closed" }),
  writtenUnknown: async (apply) => {
    await apply();
    return { outcome: "unknown", cause: "timeout" };
  },
  lostUnknown: async () => ({ outcome: "unknown", cause: "timeout" }),
} satisfies Record<string, Fate>;

/** A door that commits wait at until it is opened. */
export function gate(): { readonly fate: Fate; open(): void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open: () => open(), fate: (apply) => opened.then(apply) };
}

export interface BenchOptions {
  readonly limits?: Partial<Store["limits"]>;
  readonly maxWaiting?: number;
  readonly database?: MemoryDatabase;
  readonly replyBox?: ReplyBox;
  readonly showReply?: ShowReply;
}

/** A queue over a store whose commits and reads go as scripted; beyond the script all goes well. */
export function bench({ limits, maxWaiting, database = createMemoryDatabase(), replyBox, showReply }: BenchOptions = {}) {
  const inner = openMemoryStore(database, limits === undefined ? {} : { limits });
  const clock = testClock(T0);
  const script: Fate[] = [];
  const readFaults: (Error | undefined)[] = [];
  const commits: (readonly Write[])[] = [];
  const reads: number[] = [];
  const flying = { now: 0, most: 0 };
  const events: BuiltEvent[] = [];
  const store: Store = {
    ...inner,
    async getMany(refs) {
      reads.push(refs.length);
      const fault = readFaults.shift();
      if (fault !== undefined) throw fault;
      return inner.getMany(refs);
    },
    async commit(writes) {
      commits.push(writes);
      flying.most = Math.max(flying.most, ++flying.now);
      try {
        return await (script.shift() ?? fates.goes)(() => inner.commit(writes));
      } finally {
        flying.now -= 1;
      }
    },
  };
  const queue = createCommitQueue({
    store,
    clock,
    random: seededRandom(2),
    onCommitted: (built) => void events.push(...built),
    ...(maxWaiting === undefined ? {} : { maxWaiting }),
    ...(replyBox === undefined ? {} : { replyBox }),
    ...(showReply === undefined ? {} : { showReply }),
  });
  const stored = (table: "smartfinance-meta" | "smartfinance-idempotency", hash: string): Promise<Item | undefined> =>
    inner.get(table, { hash });
  const value = async (id: string): Promise<number> => Number((await stored("smartfinance-meta", id))?.value ?? 0);
  return { queue, store, clock, script, readFaults, commits, reads, flying, events, stored, value, database };
}

/** Lets everything happen that waits for nothing but its turn. */
export async function turns(count = 4): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
}
