import { actorOf, newId, seededRandom } from "#test/support/builders.ts";
import { buildEvent } from "#audit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Item, Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { createSealer } from "#log/sealer.ts";
import { createLogReader } from "#log/log-reader.ts";
import { readSealedTexts } from "#log/sealed-texts.ts";
import { openLogKey } from "#log/log-key.ts";
import type { Signer } from "#log/note-keys.ts";
import { createLeader } from "#webhooks/leader.ts";
import type { Sink } from "../port.ts";
import { SINKS_TABLE } from "../progress.ts";
import type { SealedLog } from "../sealed-log.ts";
import type { SinkWorker } from "../worker.ts";
import { createSinkWorker } from "../worker.ts";

/** A clock whose sleeps take no time of the machine's. */
export function fastClock(start: number): Clock & { time: number } {
  const clock = {
    time: start,
    now: () => clock.time,
    async sleep(ms: number) {
      clock.time += Math.ceil(ms);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
  return clock;
}

/** A store with events, sealed as asked, and workers over it. */
export interface Scene {
  readonly store: Store;
  readonly clock: Clock & { time: number };
  readonly log: SealedLog;
  readonly signer: Signer;
  readonly errors: string[];
  tell(count: number, more?: { readonly at?: number; readonly details?: string }): Promise<readonly Item[]>;
  seal(): Promise<void>;
  worker(sinks: readonly Sink[], name?: string, store?: Store, log?: SealedLog): SinkWorker;
  /** Gives a worker turns until `done`. */
  until(worker: SinkWorker, done: () => boolean | Promise<boolean>): Promise<void>;
}

const TURNS = 2_000;

export async function sceneAt(start: number): Promise<Scene> {
  const clock = fastClock(start);
  const random = seededRandom(7);
  const store = openMemoryStore(createMemoryDatabase(), { clock });
  const seed = Buffer.alloc(32, 9);
  const kms = {
    generateDataKey: () => Promise.resolve({ plaintext: Buffer.from(seed), wrapped: "w", kmsKeyId: "k" }),
    decrypt: () => Promise.resolve(Buffer.from(seed)),
  };
  const signer = await openLogKey({ store, kms, clock, random, environment: "test", origin: "bank.example/audit" });
  const sealer = createSealer({ store, clock, random, signer });
  const reader = createLogReader(store);
  const log: SealedLog = { head: () => reader.checkpoint(), leaves: (from, to) => readSealedTexts(store, from, to) };
  const errors: string[] = [];
  return {
    store,
    clock,
    log,
    signer,
    errors,
    async tell(count, { at = clock.time, details } = {}) {
      const items = Array.from(
        { length: count },
        (_, n) =>
          buildEvent(
            {
              id: newId("event"),
              type: "deposit.posted",
              objectId: `txn ${n}`,
              ...(details === undefined ? {} : { details: { note: details } }),
            },
            { ...actorOf(), ip: "192.0.2.77" },
            at + n,
          ).item,
      );
      for (let from = 0; from < count; from += 50)
        await store.commit(
          items.slice(from, from + 50).map((item) => ({ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" })),
        );
      return items;
    },
    async seal() {
      for (let step = 0; step < 1_000; step++) if (!(await sealer.step()).more) return;
      throw new Error("the feed has no end");
    },
    worker(sinks, name = "node-1", over = store, read = log) {
      const leader = createLeader({ store: over, clock, name, table: SINKS_TABLE });
      const onError = (error: unknown, sink: string): void =>
        void errors.push(`${sink}: ${error instanceof Error ? error.message : String(error)}`);
      return createSinkWorker({ store: over, log: read, clock, random, leader, sinks, onError });
    },
    async until(worker, done) {
      for (let turn = 0; turn < TURNS; turn++) {
        await worker.work();
        if (await done()) return;
        clock.time += 200;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      throw new Error(`it did not come to be; errors: ${errors.join(", ")}`);
    },
  };
}
