import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, anAccount, keep, seededRandom, testClock } from "#test/support/builders.ts";
import { createSimulatedKms } from "#test/simulation/kms.ts";
import { createCommitQueue, workOn } from "#commit/index.ts";
import { createIds } from "#kernel/ids.ts";
import { accounts } from "#ledger/index.ts";
import type { Item, Write } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { DATA_KEYS_TABLE, dataKeys, keyrings } from "./data-key-record.ts";
import type { DataKeyId } from "./data-key-record.ts";
import { DataKeyBlockedError } from "./errors.ts";
import { readRotation } from "./key-rotation.ts";
import type { Kms } from "./kms.ts";
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
  return { clock, store, kms, vault, queue, org, user, account, ids, worker, errors, ring, keyOf, text, block, finish, grow };
}

/** The same, with a node that replaces a key after two seals. */
async function often() {
  const made = await bench();
  const { clock, store, ids, org, user, ring, grow } = made;
  const random = seededRandom(8);
  const calls = { made: 0 };
  const kms: Kms = {
    ...made.kms,
    generateDataKey(context) {
      calls.made += 1;
      return made.kms.generateDataKey(context);
    },
  };
  const vault = createVault({ store, kms, clock, ids, random, rotateAfterUses: 2 });
  const sealOnce = async () => sealMetadata(vault, await vault.userKey(org, user), TABLE, ids.next("account"), {});
  return { vault, calls, sealOnce, ring, grow };
}

const current = async ({ ring }: Awaited<ReturnType<typeof bench>>): Promise<DataKeyId> => {
  const { currentKeyId } = await ring();
  assert.ok(currentKeyId !== null);
  return currentKeyId;
};

void describe("a user with as many data keys as one may have", () => {
  void it("can have a compromised one blocked all the same, as often as one erasure can destroy", async () => {
    const made = await bench();
    const all: DataKeyId[] = [await current(made)];
    while (all.length < MOST_KEYS) {
      const blocked = await made.block(all.at(-1) as DataKeyId);
      assert.equal(blocked.http, 202, `key ${all.length}: ${blocked.code ?? ""}`);
      all.push(await current(made));
      await made.finish(blocked.id);
      assert.deepEqual(await made.text(), { id: made.account });
    }
    // Nothing makes room, whatever time goes by, and what is refused changes nothing.
    made.clock.time += 365 * 86_400_000;
    const last = all.at(-1) as DataKeyId;
    const { code, http } = await made.block(last);
    assert.deepEqual([http, code], [422, "too_many_keys"]);
    assert.equal((await made.keyOf(last)).state, "enabled");
    assert.deepEqual(await made.text(), { id: made.account });
    assert.deepEqual((await made.ring()).keyIds, all);
    const kept = await Promise.all(all.map((id) => made.keyOf(id)));
    assert.ok(kept.every(({ wrapped, number }, n) => wrapped !== null && number === n + 1));
    for (const id of all.slice(0, -1)) await assert.rejects(made.vault.dataKeyById(made.org, id), DataKeyBlockedError);
    // One that is blocked already needs no further place.
    const again = await made.block(all[0] as DataKeyId);
    assert.equal(again.http, 202);
    await made.finish(again.id);
    assert.deepEqual(await made.text(), { id: made.account });
  });

  void it("goes on with the one it has where that was used so often that it ought to have another", async () => {
    const { vault, calls, sealOnce, ring, grow } = await often();
    await grow(50);
    for (let n = 0; n < 5; n++) await sealOnce();
    assert.equal((await ring()).keyIds.length, 50);
    assert.equal(calls.made, 0, "no key is asked for that nobody may have");
    assert.equal(vault.usesOf((await ring()).currentKeyId ?? "")?.seals, 5);
  });

  void it("is erased with all keys there are in one commit", async () => {
    const made = await bench();
    await made.grow(MOST_KEYS - 1);
    await made.finish((await made.block(await current(made))).id);
    assert.equal((await made.block(await current(made))).http, 422);
    const { keyIds } = await made.ring();
    assert.equal(keyIds.length, MOST_KEYS);
    const shredding = await made.vault.shredUser(made.org, made.user);
    assert.equal(shredding.needs.length, MOST_KEYS + 1);
    const eventId = made.ids.next("event");
    const executed = await made.queue.execute({
      actor: actorOf(made.org),
      idempotency: undefined,
      needs: shredding.needs,
      appends: 1,
      decide(view) {
        const work = workOn(view);
        assert.ok(shredding.apply(work));
        work.tell({ id: eventId, type: "user.erased", objectId: made.user });
        return work.outcome({ status: 200, body: "" });
      },
    });
    assert.ok(executed.ok);
    for (const id of keyIds) assert.equal((await made.keyOf(id)).wrapped, null);
  });
});
