import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import type { JsonValue } from "#kernel/json.ts";
import { type CommitResult, type Item, type Ref, type Store, StoreUnavailableError, type Write } from "../port.ts";
import type { InspectableStore } from "../state-hash.ts";
import { assertItemBytes, assertStorable, validateCommit, validateQuery, validateRefs } from "../validate-commit.ts";
import type { MemoryDatabase } from "./database.ts";

/**
 * What befalls one operation.
 * - `none`: it goes through.
 * - `throttled`: a commit ends in `conflict` with no write named. Reads go through.
 * - `unavailable`: a commit ends in `unavailable`; a read throws StoreUnavailableError.
 * - `timeout_written`, `timeout_unwritten`: a commit ends in `unknown`, applied or not. Reads go through.
 * - `timeout_written_later`: a commit ends in `unknown` and is applied when `laterBy` more operations (1 if left
 *   out) of any node have begun, if its conditions hold then. Reads go through.
 *
 * A commit whose conditions fail at once is a `conflict` under `none` only: behind a lost answer it is `unknown` too.
 */
export interface Fault {
  readonly kind: "none" | "throttled" | "unavailable" | "timeout_written" | "timeout_unwritten" | "timeout_written_later";
  /** Milliseconds of the clock before anything happens: others may come first. */
  readonly beforeMs?: number;
  /** Milliseconds of the clock between what happened and the answer: what was read may be old by then. */
  readonly afterMs?: number;
  /** `getMany`: milliseconds of the clock between the reading of one half of the items and of the other, since it is no snapshot. */
  readonly amidMs?: number;
  readonly laterBy?: number;
}

export type Operation = "commit" | "get" | "getMany" | "query" | "feed" | "ping" | "purgeExpired";

export interface MemoryStoreOptions {
  /** Asked once before each operation, in the order in which they are called. Nothing befalls where it is left out. */
  readonly faults?: (operation: Operation) => Fault;
  /** Needed where faults delay; nothing else here takes time. */
  readonly clock?: Pick<Clock, "sleep">;
  readonly limits?: Partial<Store["limits"]>;
}

const NO_FAULT: Fault = { kind: "none" };
const DEFAULT_LIMITS: Store["limits"] = { writesPerCommit: 100, itemBytes: 400_000, commitsInFlight: 4, batchChunk: 14 };
/** The most items one `purgeExpired` deletes. */
const PURGE_LIMIT = 100;

/**
 * Opens a node on a shared database: the reference engine of the port and, with `faults`, the unreliable
 * one of the simulation. It has no timers and no randomness, so the same fault function gives the same history.
 */
export function openMemoryStore(database: MemoryDatabase, options: MemoryStoreOptions = {}): InspectableStore {
  const { faults, clock } = options;
  const limits: Store["limits"] = { ...DEFAULT_LIMITS, ...options.limits };
  const inFlight = new Set<Promise<unknown>>();
  let closed = false;

  const pause = async (ms: number | undefined): Promise<void> => {
    if (ms === undefined || ms <= 0) return;
    invariant(clock !== undefined, "a fault delays but the memory store has no clock");
    await clock.sleep(ms);
  };

  /** Remembers running work so that `close` can wait for it. */
  const track = <T>(work: Promise<T>): Promise<T> => {
    const settled = work.then(
      () => undefined,
      () => undefined,
    );
    inFlight.add(settled);
    void settled.then(() => inFlight.delete(settled));
    return work;
  };

  const read = async <T>(operation: Operation, answer: (fault: Fault) => T | Promise<T>): Promise<T> => {
    if (closed) throw new StoreUnavailableError("the store is closed");
    const fault = faults?.(operation) ?? NO_FAULT;
    return track(
      (async () => {
        await pause(fault.beforeMs);
        database.beginOperation();
        const refused = fault.kind === "unavailable";
        // Taken before the second pause: an answer on its way does not see what happens meanwhile.
        const value = refused ? undefined : await answer(fault);
        await pause(fault.afterMs);
        if (refused) throw new StoreUnavailableError("injected: reads are unavailable");
        return value as T;
      })(),
    );
  };

  const commit = async (writes: readonly Write[], fault: Fault): Promise<CommitResult> => {
    await pause(fault.beforeMs);
    database.beginOperation();
    const result = commitUnder(database, fault, writes);
    await pause(fault.afterMs);
    return result;
  };

  return {
    limits,
    get: (table, key) =>
      read("get", () => {
        validateRefs([{ table, key }]);
        return database.read(table, key);
      }),
    getMany: (refs) =>
      read("getMany", async (fault) => {
        validateRefs(refs);
        const found = new Map<Ref, Item | undefined>();
        // Every other item first, so that what belongs together is found in both halves.
        for (const half of [0, 1]) {
          for (const [n, ref] of refs.entries()) if (n % 2 === half) found.set(ref, database.read(ref.table, ref.key));
          if (half === 0) await pause(fault.amidMs);
        }
        return refs.map((ref) => found.get(ref));
      }),
    query: (query) =>
      read("query", () => {
        validateQuery(query);
        return database.query(query);
      }),
    async commit(writes) {
      validateCommit(writes, limits);
      const own = writes.map((write) => (write.op === "put" ? { ...write, item: ownCopy(write, limits.itemBytes) } : write));
      if (closed) return { outcome: "unavailable", cause: new StoreUnavailableError("the store is closed") };
      return track(commit(own, faults?.("commit") ?? NO_FAULT));
    },
    feed: (cursor, limit) => read("feed", () => database.feed(cursor, limit)),
    ping: () => read("ping", () => undefined),
    purgeExpired: (nowSeconds) =>
      read("purgeExpired", () => {
        const expired = database.expired(nowSeconds, PURGE_LIMIT);
        database.apply(expired.map(({ table, key }) => ({ op: "delete", table, key, condition: "none" })));
        return expired.length;
      }),
    async close() {
      closed = true;
      await Promise.all(inFlight);
    },
    async *dump() {
      yield* database.dump();
    },
  };
}

function commitUnder(database: MemoryDatabase, fault: Fault, writes: readonly Write[]): CommitResult {
  switch (fault.kind) {
    case "none": {
      const failing = database.apply(writes);
      return failing.length > 0 ? { outcome: "conflict", writes: failing } : { outcome: "committed" };
    }
    case "throttled":
      return { outcome: "conflict", writes: [] };
    case "unavailable":
      return { outcome: "unavailable", cause: new StoreUnavailableError("injected: commits are refused") };
    case "timeout_written":
      database.apply(writes);
      break;
    case "timeout_unwritten":
      break;
    case "timeout_written_later":
      database.applyLater(writes, fault.laterBy ?? 1);
      break;
  }
  return { outcome: "unknown", cause: new Error(`injected: ${fault.kind}`) };
}

/** A frozen copy of the item of a put that went through JSON, as it does in every other engine. */
function ownCopy({ table, item }: Extract<Write, { op: "put" }>, itemBytes: number): Item {
  assertStorable(item);
  const text = JSON.stringify(item);
  assertItemBytes(table, Buffer.byteLength(text), itemBytes);
  return deepFreeze(JSON.parse(text) as Item);
}

function deepFreeze<T extends JsonValue>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const inner of Object.values(value)) if (inner !== undefined) deepFreeze(inner as JsonValue);
  return Object.freeze(value);
}
