import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, anAccount, keep, seededRandom, testClock } from "#test/support/builders.ts";
import { createSimulatedKms } from "#test/simulation/kms.ts";
import { createCommitQueue, workOn } from "#commit/index.ts";
import { createIds } from "#kernel/ids.ts";
import { accounts } from "#ledger/index.ts";
import type { Item, Store, Write } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { DATA_KEYS_TABLE, dataKeys, keyrings } from "./data-key-record.ts";
import type { DataKeyId } from "./data-key-record.ts";
import { DataKeyBlockedError } from "./errors.ts";
import { readRotation } from "./key-rotation.ts";
import { openMetadata, sealMetadata } from "./metadata.ts";
import { createRotationWorker } from "./rotation-worker.ts";
import { sealedPlace } from "./sealed-places.ts";
import { startRotation } from "./start-rotation.ts";
import { createVault } from "./vault.ts";

const TABLE = "smartfinance-accounts";
const places = [sealedPlace({ collection: accounts, fields: ["metadata"], index: "OrganisationAccountsIndex", hashes: (id) => [id] })];
const HOUR_MS = 3_600_000;

/** Nodes over one database, with a user whose ring is all but full. */
async function bench() {
  const database = createMemoryDatabase();
  const kms = createSimulatedKms(seededRandom(1));
  let seed = 1;
  const node = (change: (store: Store) => Store = (store) => store) => {
    const clock = testClock();
    const random = seededRandom((seed += 1));
    const ids = createIds(clock, random);
    const store = change(openMemoryStore(database, { clock }));
    const vault = createVault({ store, kms, clock, ids, random });
    const queue = createCommitQueue({ store, clock, random });
    const deps = { store, vault, queue, kms, clock, ids, environment: "test" as const, places };
    return { ...deps, worker: createRotationWorker({ ...deps, onError: () => undefined }) };
  };
  const first = node();
  const [org, user] = [first.ids.next("organisation"), first.ids.next("user")];
  const old = (await first.vault.userKey(org, user)).id as DataKeyId;
  const ring = async () => keyrings.fromItem((await first.store.get(DATA_KEYS_TABLE, { hash: user })) ?? {});
  const keyOf = async (id: string) => dataKeys.fromItem((await first.store.get(DATA_KEYS_TABLE, { hash: id })) ?? {});
  const [held, own] = [await ring(), await keyOf(old)];
  const older = Array.from({ length: 78 }, (_, n) => ({
    ...own,
    id: first.ids.next("dataKey"),
    number: n + 1,
    state: "compromised" as const,
  }));
  const put = (item: Item): Write => ({ op: "put", table: DATA_KEYS_TABLE, item, condition: "none" });
  const keyIds = [...older.map(({ id }) => id), old];
  for (const item of [...older.map((one) => dataKeys.toItem(one)), keyrings.toItem({ ...held, keyIds, version: held.version + 1 })])
    assert.equal((await first.store.commit([put(item)])).outcome, "committed");

  type Node = ReturnType<typeof node>;
  const block = async (at: Node, id: DataKeyId) => {
    const executed = await startRotation(at, { actor: actorOf(org), idempotency: undefined }, { reason: "compromise", key_id: id });
    assert.ok(executed.ok);
    return { http: executed.reply.status, id: (JSON.parse(executed.reply.body) as { id: string }).id };
  };
  const finish = async ({ worker, store, clock }: Node, id: string): Promise<void> => {
    for (let run = 0; run < 20; run++) {
      await worker.work();
      if ((await readRotation(store, org, id))?.status === "completed") return;
      clock.time += 11_000;
    }
    assert.fail("not completed");
  };
  /** Blocks the current key as often as the ring allows. */
  const blockAll = async (at: Node, pauseMs: number): Promise<void> => {
    for (let round = 0; round < 30; round++) {
      at.clock.time += pauseMs;
      const { currentKeyId } = await ring();
      assert.ok(currentKeyId !== null);
      const blocked = await block(at, currentKeyId);
      if (blocked.http === 202) await finish(at, blocked.id);
    }
  };
  /** What the record of the account says, after the key was named once more. */
  const textOf = async (at: Node, id: string) => {
    const again = await block(at, old);
    assert.equal(again.http, 202);
    await finish(at, again.id);
    const { metadata } = accounts.fromItem((await at.store.get(TABLE, { hash: id })) ?? {});
    return openMetadata(at.vault, org, TABLE, id, metadata);
  };
  return { node, first, org, user, old, ring, keyOf, block, finish, blockAll, textOf };
}

void describe("a text that was sealed before its key was blocked", () => {
  void it("is not lost, however late its commit is", async () => {
    const made = await bench();
    const resumed = Promise.withResolvers<void>();
    const stopped = made.node((store) => ({
      ...store,
      async commit(writes) {
        await resumed.promise;
        return store.commit(writes);
      },
    }));
    // This node seals, and stands still before it commits (a machine that is suspended, a process that is stopped).
    const id = stopped.ids.next("account");
    const metadata = sealMetadata(stopped.vault, await stopped.vault.userKey(made.org, made.user), TABLE, id, { id });
    const account = anAccount({ id, organisationId: made.org, metadata });
    const eventId = stopped.ids.next("event");
    const opening = stopped.queue.execute({
      actor: actorOf(made.org),
      idempotency: undefined,
      needs: [{ collection: accounts, key: { hash: id }, mode: "write" }],
      appends: 1,
      decide(view) {
        const work = workOn(view);
        work.put(accounts, account);
        work.tell({ id: eventId, type: "account.created", objectId: id, details: {} });
        return work.outcome({ status: 201, body: "" });
      },
    });
    await made.finish(made.first, (await made.block(made.first, made.old)).id);
    await made.blockAll(made.first, HOUR_MS);
    resumed.resolve();
    const executed = await opening;
    assert.ok(executed.ok && executed.reply.status === 201);
    assert.deepEqual(await made.textOf(made.first, id), { id });
  });

  void it("is not lost where the clocks of two nodes differ by a quarter of an hour", async () => {
    const made = await bench();
    const behind = made.node();
    const ahead = made.node();
    ahead.clock.time += 900_000;
    const id = behind.ids.next("account");
    const metadata = sealMetadata(behind.vault, await behind.vault.userKey(made.org, made.user), TABLE, id, { id });
    await made.finish(behind, (await made.block(behind, made.old)).id);
    const { currentKeyId } = await made.ring();
    const next = await made.block(ahead, currentKeyId as DataKeyId);
    if (next.http === 202) await made.finish(ahead, next.id);
    // Less than a minute has passed.
    await keep(behind.store, accounts, [anAccount({ id, organisationId: made.org, metadata })]);
    assert.deepEqual(await made.textOf(ahead, id), { id });
  });

  void it("is sealed anew whatever reason its key is named for", async () => {
    const made = await bench();
    const { ids, vault, store } = made.first;
    const id = ids.next("account");
    const metadata = sealMetadata(vault, await vault.userKey(made.org, made.user), TABLE, id, { id });
    await made.finish(made.first, (await made.block(made.first, made.old)).id);
    await keep(store, accounts, [anAccount({ id, organisationId: made.org, metadata })]);
    await assert.rejects(openMetadata(vault, made.org, TABLE, id, metadata), DataKeyBlockedError);
    const executed = await startRotation(made.first, { actor: actorOf(made.org), idempotency: undefined }, { key_id: made.old });
    assert.ok(executed.ok && executed.reply.status === 202);
    await made.finish(made.first, (JSON.parse(executed.reply.body) as { id: string }).id);
    const { metadata: kept } = accounts.fromItem((await store.get(TABLE, { hash: id })) ?? {});
    assert.deepEqual(await openMetadata(vault, made.org, TABLE, id, kept), { id });
    assert.equal((await made.keyOf(made.old)).state, "compromised");
  });

  void it("is not lost where an index of the store tells of it late", async () => {
    const made = await bench();
    let lags = true;
    const lagging = made.node((store) => ({
      ...store,
      async query(query) {
        const page = await store.query(query);
        return lags && query.index === "OrganisationAccountsIndex" ? { items: [] } : page;
      },
    }));
    const id = lagging.ids.next("account");
    const metadata = sealMetadata(lagging.vault, await lagging.vault.userKey(made.org, made.user), TABLE, id, { id });
    await keep(lagging.store, accounts, [anAccount({ id, organisationId: made.org, metadata })]);
    await made.finish(lagging, (await made.block(lagging, made.old)).id);
    await made.blockAll(lagging, HOUR_MS);
    lags = false;
    assert.deepEqual(await made.textOf(lagging, id), { id });
  });
});
