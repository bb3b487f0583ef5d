import type { MemoryDatabase } from "#storage/memory/database.ts";
import type { Item, Store, Write } from "#storage/port.ts";
import type { SimulationOptions } from "./simulate.ts";

/** A bug that is put in on purpose, and the words by which it has to be found. */
export interface PlantedBug {
  readonly name: string;
  readonly plant: () => NonNullable<SimulationOptions["plant"]>;
  readonly found: RegExp;
  /** Where the bug needs more room to show. */
  readonly options?: Pick<SimulationOptions, "commands" | "nodes">;
}

/** How many things go well before the bug strikes. */
const LATER = 20;
const movesMoney = (writes: readonly Write[]): boolean => writes.some(({ table }) => table === "smartfinance-transactions");

/** Changes what a store does with one commit: the first one that moves money after a while. */
function onceIn(change: (store: Store, writes: readonly Write[]) => ReturnType<Store["commit"]>): (store: Store) => Store {
  return (store) => {
    let seen = 0;
    return {
      ...store,
      commit(writes) {
        if (movesMoney(writes)) seen += 1;
        return seen === LATER && movesMoney(writes) ? change(store, writes) : store.commit(writes);
      },
    };
  };
}

/** Without conditions on versions. */
const unconditional = (writes: readonly Write[]): Write[] =>
  writes.map((write) => (write.op === "check" || typeof write.condition === "string" ? write : { ...write, condition: "none" as const }));

/** The same movement once more: balances are moved again, nothing new is noted. */
const again = (writes: readonly Write[]): Write[] =>
  unconditional(writes.filter(({ table }) => table === "smartfinance-accounts" || table === "smartfinance-holds"));

/** A database in which one of many puts into accounts is not kept. */
function forgetful(database: MemoryDatabase): MemoryDatabase {
  let seen = 0;
  return {
    ...database,
    apply(writes) {
      const kept = writes.filter((write) => write.table !== "smartfinance-accounts" || ++seen !== LATER);
      return database.apply(kept);
    },
  };
}

/** A store that, after a while, answers reads of accounts from memory. */
function remembering(store: Store): Store {
  const known = new Map<string, Item | undefined>();
  return {
    ...store,
    async get(table, key) {
      if (table !== "smartfinance-accounts") return store.get(table, key);
      if (!known.has(key.hash)) known.set(key.hash, await store.get(table, key));
      return known.get(key.hash);
    },
  };
}

/** Answers what is not found with whatever it answered before, whoever asks. */
function mixedUp(): (body: string, request: { readonly method: string }) => string {
  let before = "";
  return (body, { method }) => {
    if (method !== "GET") return body;
    if (!body.includes('"code"')) before = body;
    return body.includes('"not_found"') && before !== "" ? before : body;
  };
}

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: "a commit that is acknowledged and never written",
    plant: () => ({ store: onceIn(() => Promise.resolve({ outcome: "committed" })) }),
    found: /the audit log was told of what is not committed|answered without anything being kept/,
  },
  {
    name: "balances that are written a second time",
    plant: () => ({
      store: onceIn(async (store, writes) => {
        const result = await store.commit(writes);
        if (result.outcome === "committed") await store.commit(again(writes));
        return result;
      }),
    }),
    found: /nothing happened to it/,
  },
  {
    name: "half a commit",
    plant: () => ({ store: onceIn((store, writes) => store.commit(writes.slice(0, Math.ceil(writes.length / 2)))) }),
    found: /half a commit|makes or destroys money/,
  },
  {
    name: "a commit without the credit",
    plant: () => ({
      store: onceIn((store, writes) => {
        const credit = writes.findLastIndex(({ table }) => table === "smartfinance-accounts");
        return store.commit(writes.filter((_, n) => n !== credit));
      }),
    }),
    found: /makes or destroys money|half a commit/,
  },
  {
    name: "a store that ignores conditions",
    plant: () => ({ store: (store) => ({ ...store, commit: (writes) => store.commit(unconditional(writes)) }) }),
    found: /stored account|makes or destroys money|had to be refused/,
    options: { commands: 250, nodes: 3 },
  },
  {
    name: "replies that are not kept",
    plant: () => ({
      store: onceIn((store, writes) => store.commit(writes.filter(({ table }) => table !== "smartfinance-idempotency"))),
    }),
    found: /no client asked for|answered without anything being kept/,
  },
  { name: "a database that forgets one write", plant: () => ({ database: forgetful }), found: /the database lost a write/ },
  { name: "reads that are old", plant: () => ({ store: remembering }), found: /shows what never was/ },
  {
    name: "an account that is shown richer than it is",
    plant: () => ({
      lie: (body, { method }) =>
        method === "GET" ? body.replace(/"balance":(\d+)/, (_, n: string) => `"balance":${Number(n) + 1}`) : body,
    }),
    found: /a wrong balance|shows what never was/,
  },
  {
    name: "a replay with other bytes",
    plant: () => ({ lie: (body, { method }) => (method === "POST" ? body.replace(/"created_at":"2026/, '"created_at":"2025') : body) }),
    found: /not the kept bytes/,
  },
  {
    name: "answers that go to another organisation",
    plant: () => ({ lie: mixedUp() }),
    found: /an answer to org_\w+ names|is another organisation's and was answered/,
  },
  {
    name: "a list that loses an item",
    plant: () => ({
      lie: (body, { url }) => (url.startsWith("/v1/transactions?") ? body.replace(/"data":\[\{.*?\},\{"id"/, '"data":[{"id"') : body),
    }),
    found: /list \S+ misses/,
  },
];
