import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, anAccount, keep, seededRandom, testClock } from "#test/support/builders.ts";
import { createSimulatedKms } from "#test/simulation/kms.ts";
import { createCommitQueue } from "#commit/index.ts";
import { createIds } from "#kernel/ids.ts";
import { accounts } from "#ledger/index.ts";
import type { Item, Write } from "#storage/index.ts";
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
/** What DynamoDB takes in one commit, less what erasing a user writes besides the keys and their ring. */
const MOST_KEYS = 100 - 10;

/** An organisation with a user, under whose key one account has its metadata. */
async function bench() {
  const clock = testClock();
  const random = seededRandom(7);
  const kms = createSimulatedKms(random);
  const store = openMemoryStore(createMemoryDatabase(), { clock });
  const ids = createIds(clock, random);
  const [org, user, account] = [ids.next("organisation"), ids.next("user"), ids.next("account")];
  const vault = createVault({ store, kms, clock, ids, random });
  const queue = createCommitQueue({ store, clock, random });
  const deps = { store, vault, queue, kms, clock, ids, environment: "test" as const, places };
  const errors: unknown[] = [];
  const worker = createRotationWorker({ ...deps, onError: (error) => errors.push(error) });
  const metadata = sealMetadata(vault, await vault.userKey(org, user), TABLE, account, { id: account });
  await keep(store, accounts, [anAccount({ id: account, organisationId: org, metadata })]);

  const ring = async () => keyrings.fromItem((await store.get(DATA_KEYS_TABLE, { hash: user })) ?? {});
  const keyOf = async (id: string) => dataKeys.fromItem((await store.get(DATA_KEYS_TABLE, { hash: id })) ?? {});
  const text = async () => {
    const { metadata: kept } = accounts.fromItem((await store.get(TABLE, { hash: account })) ?? {});
    return openMetadata(vault, org, TABLE, account, kept);
  };
  /** Reports the key as compromised. */
  const block = async (id: DataKeyId) => {
    const executed = await startRotation(deps, { actor: actorOf(org), idempotency: undefined }, { reason: "compromise", key_id: id });
    assert.ok(executed.ok);
    return { http: executed.reply.status, ...(JSON.parse(executed.reply.body) as { id: string; code?: string }) };
  };
  const finish = async (id: string): Promise<void> => {
    for (let run = 0; run < 20; run++) {
      await worker.work();
      if ((await readRotation(store, org, id))?.status === "completed") return;
      clock.time += 11_000;
    }
    assert.fail(`not completed: ${String(errors.at(-1))}`);
  };
  /** Gives the ring as many keys as it had in a release that took `count` of them. */
  const grow = async (count: number): Promise<void> => {
    const held = await ring();
    const own = await keyOf(held.keyIds[0] ?? "");
    const older = Array.from({ length: count - held.keyIds.length }, (_, n) => ({
      ...own,
      id: ids.next("dataKey"),
      number: n + 1,
      state: n < 49 ? ("retired" as const) : ("compromised" as const),
    }));
    const put = (item: Item): Write => ({ op: "put", table: DATA_KEYS_TABLE, item, condition: "none" });
    const keyIds = [...older.map(({ id }) => id), ...held.keyIds];
    const made = [...older.map((one) => dataKeys.toItem(one)), keyrings.toItem({ ...held, keyIds, version: held.version + 1 })];
    for (const item of made) assert.equal((await store.commit([put(item)])).outcome, "committed");
  };
  return { clock, store, vault, queue, org, user, account, ids, worker, errors, ring, keyOf, text, block, finish, grow };
}

const current = async ({ ring }: Awaited<ReturnType<typeof bench>>): Promise<DataKeyId> => {
  const { currentKeyId } = await ring();
  assert.ok(currentKeyId !== null);
  return currentKeyId;
};

void describe("a user with as many data keys as one may have", () => {
  void it("can have a compromised one blocked all the same, however often: keys that seal nothing any more make room", async () => {
    const made = await bench();
    const all: DataKeyId[] = [];
    for (let round = 0; round < 130; round++) {
      const id = await current(made);
      all.push(id);
      const blocked = await made.block(id);
      assert.equal(blocked.http, 202, `round ${round}: ${blocked.code ?? ""}`);
      assert.notEqual(await current(made), id);
      await made.finish(blocked.id);
      assert.deepEqual(await made.text(), { id: made.account });
      assert.ok((await made.ring()).keyIds.length <= MOST_KEYS);
    }
    // Each has the number of its own, and none opens anything.
    all.push(await current(made));
    assert.deepEqual(
      (await Promise.all(all.map((id) => made.keyOf(id)))).map(({ number }) => number),
      all.map((_, n) => n + 1),
    );
    for (const id of all.slice(0, -1)) await assert.rejects(made.vault.dataKeyById(made.org, id), DataKeyBlockedError);
    const held = new Set((await made.ring()).keyIds);
    for (const id of all) assert.equal((await made.keyOf(id)).wrapped === null, !held.has(id));
    // One that made room can be named again, which changes nothing.
    const again = await made.block(all[0] as DataKeyId);
    assert.equal(again.http, 202);
    await made.finish(again.id);
    assert.deepEqual(await made.text(), { id: made.account });
  });

  void it("can have one blocked where a release of before had filled the ring", async () => {
    const made = await bench();
    await made.grow(70);
    for (let round = 0; round < 40; round++) {
      const id = await current(made);
      const blocked = await made.block(id);
      assert.equal(blocked.http, 202, `round ${round}: ${blocked.code ?? ""}`);
      await made.finish(blocked.id);
      made.clock.time += 60_000;
      assert.deepEqual(await made.text(), { id: made.account });
      assert.ok((await made.ring()).keyIds.length <= MOST_KEYS);
    }
    // The retired ones of before open kept replies: they are all there.
    const states = await Promise.all((await made.ring()).keyIds.map((id) => made.keyOf(id)));
    assert.equal(states.filter(({ state, wrapped }) => state === "retired" && wrapped !== null).length, 49);
  });

  void it("gives up no key that something may still be sealed under", async () => {
    const made = await bench();
    await made.grow(50);
    const first = await current(made);
    let last = { http: 202, id: "" };
    const started: string[] = [];
    // The worker does not come by: what the first one sealed stays under it.
    for (let round = 0; round < 40 && last.http === 202; round++) {
      last = await made.block(await current(made));
      if (last.http === 202) started.push(last.id);
    }
    assert.equal(last.http, 422);
    assert.notEqual((await made.keyOf(first)).wrapped, null);
    for (const id of started) await made.finish(id);
    assert.deepEqual(await made.text(), { id: made.account });
    // What was found empty a moment ago may still be written under by a commit that is late.
    assert.equal((await made.block(await current(made))).http, 422);
    made.clock.time += 600_000;
    const blocked = await made.block(await current(made));
    assert.equal(blocked.http, 202);
    await made.finish(blocked.id);
    assert.deepEqual(await made.text(), { id: made.account });
  });

  void it("gives up no key under which a commit was late, and opens what that wrote when the key is named again", async () => {
    for (const [count, pauseMs] of [
      [1, 60_000],
      [79, 600_000],
    ] as const) {
      const made = await bench();
      if (count > 1) await made.grow(count);
      const first = await current(made);
      const late = made.ids.next("account");
      // Sealed before the key is blocked; the commit takes longer than the rotation.
      const metadata = sealMetadata(made.vault, await made.vault.userKey(made.org, made.user), TABLE, late, { id: late });
      await made.finish((await made.block(first)).id);
      assert.notEqual((await made.keyOf(first)).emptiedAt, undefined);
      await keep(made.store, accounts, [anAccount({ id: late, organisationId: made.org, metadata })]);
      made.clock.time += pauseMs;
      for (let round = 0; round < 100; round++) {
        const blocked = await made.block(await current(made));
        if (blocked.http === 202) await made.finish(blocked.id);
        made.clock.time += pauseMs;
        assert.notEqual((await made.keyOf(first)).wrapped, null, `round ${round} of ${count}`);
      }
      const named = await made.block(first);
      assert.equal((await made.keyOf(first)).emptiedAt, undefined);
      await made.finish(named.id);
      assert.notEqual((await made.keyOf(first)).emptiedAt, undefined);
      const { metadata: kept } = accounts.fromItem((await made.store.get(TABLE, { hash: late })) ?? {});
      assert.deepEqual(await openMetadata(made.vault, made.org, TABLE, late, kept), { id: late });
      assert.ok((await made.ring()).keyIds.length <= MOST_KEYS);
    }
  });

  void it("gives up no key of which a text stayed, because it does not open", async () => {
    const made = await bench();
    const broken = made.ids.next("account");
    const first = await current(made);
    const metadata = sealMetadata(made.vault, await made.vault.userKey(made.org, made.user), TABLE, made.account, { id: "elsewhere" });
    await keep(made.store, accounts, [anAccount({ id: broken, organisationId: made.org, metadata })]);
    for (let round = 0; round < 90; round++) {
      const blocked = await made.block(await current(made));
      assert.equal(blocked.http, 202);
      await made.finish(blocked.id);
    }
    assert.notEqual((await made.keyOf(first)).wrapped, null);
    assert.ok((await made.ring()).keyIds.includes(first));
  });

  void it("is erased with all keys there are in one commit", async () => {
    const made = await bench();
    await made.grow(50);
    for (let round = 0; round < 40; round++) {
      await made.finish((await made.block(await current(made))).id);
      made.clock.time += 60_000;
    }
    const { keyIds } = await made.ring();
    const shredding = await made.vault.shredUser(made.org, made.user);
    assert.ok(shredding.needs.length <= MOST_KEYS + 1 && shredding.needs.length === keyIds.length + 1);
  });
});
