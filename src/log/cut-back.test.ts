import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, newId, seededRandom, T0 } from "#test/support/builders.ts";
import { buildEvent } from "#audit/index.ts";
import { createIds } from "#kernel/ids.ts";
import type { Item, Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { createAuditTree } from "./audit-tree.ts";
import { entriesId, LOG_TABLE, stateKey } from "./rows.ts";
import { createSealer } from "./sealer.ts";
import { fixedKey } from "./testing/fixed-key.ts";

/** The log of a node over the network, which has no checkpoint kept outside of the store. */
function scene() {
  const clock = { time: T0, now: () => clock.time, sleep: () => Promise.resolve() };
  const store = openMemoryStore(createMemoryDatabase());
  const random = seededRandom(3);
  const errors: string[] = [];
  const tree = createAuditTree({
    store,
    clock,
    random,
    ids: createIds(clock, random),
    ...fixedKey(7),
    environment: "test",
    witnesses: [],
    onError: (error) => errors.push(error instanceof Error ? error.name : String(error)),
  });
  const tell = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n++) {
      const { item } = buildEvent({ id: newId("event"), type: "deposit.posted", objectId: `txn ${n}` }, actorOf(), clock.time);
      await store.commit([{ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" }]);
    }
  };
  const rows = async (): Promise<readonly Item[]> => {
    const found = await store.getMany([stateKey, { hash: entriesId(0) }].map((key) => ({ table: LOG_TABLE, key })));
    return found.filter((item) => item !== undefined);
  };
  return { clock, store, tree, errors, tell, rows };
}

void describe("a log that was cut back to a genuine earlier state while a node runs", () => {
  void it("is sealed on by that node never again, however often it tries", async () => {
    const { store, tree, errors, tell, rows } = scene();
    await tell(10);
    await tree.worker.work();
    const earlier = await rows();
    await tell(10);
    await tree.worker.work();
    assert.equal((await tree.reader.state())?.size, 20);
    await store.commit(earlier.map((item) => ({ op: "put", table: LOG_TABLE, item, condition: "none" })));
    await tell(1);
    // The first step still goes on from what this process believed.
    await tree.worker.work();
    for (let attempt = 1; attempt <= 4; attempt++) {
      await tree.worker.work();
      assert.deepEqual(
        errors.slice(1),
        Array.from({ length: attempt }, () => "LogTamperedError"),
      );
      assert.equal(tree.health, "tampered");
      assert.equal((await tree.reader.state())?.size, 10);
    }
  });
});

void describe("a log that other nodes seal on faster than it is read", () => {
  void it("is not told as one that somebody has changed", async () => {
    const { store, tell, tree, clock, errors } = scene();
    await tell(3);
    await tree.worker.work();
    const signer = await tree.signer();
    let busy = true;
    // Between the state and the rows that are read with it another node always has made a step.
    const raced: Store = {
      ...store,
      async getMany(refs) {
        if (busy && refs.some(({ table }) => table === LOG_TABLE)) {
          await tell(1);
          await tree.worker.work();
        }
        return store.getMany(refs);
      },
    };
    const second = createSealer({ store: raced, clock, random: seededRandom(4), signer });
    await assert.rejects(second.step(), StoreUnavailableError);
    busy = false;
    await tell(1);
    assert.equal((await second.step()).events, 1);
    assert.deepEqual(errors, []);
  });
});
