import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, anAccount, keep, seededRandom, testClock } from "#test/support/builders.ts";
import type { TestClock } from "#test/support/builders.ts";
import { createSimulatedKms } from "#test/simulation/kms.ts";
import { createCommitQueue } from "#commit/index.ts";
import { createIds } from "#kernel/ids.ts";
import { accounts } from "#ledger/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { DATA_KEYS_TABLE, keyrings } from "./data-key-record.ts";
import type { Kms } from "./kms.ts";
import { readRotation } from "./key-rotation.ts";
import { openMetadata, sealMetadata } from "./metadata.ts";
import type { RotationWorker } from "./rotation-worker.ts";
import { createRotationWorker } from "./rotation-worker.ts";
import { sealedPlace } from "./sealed-places.ts";
import { startRotation } from "./start-rotation.ts";
import type { RotationBody } from "./start-rotation.ts";
import { createVault } from "./vault.ts";

const TABLE = "smartfinance-accounts";
const DAY_MS = 86_400_000;
const places = [sealedPlace({ collection: accounts, fields: ["metadata"], index: "OrganisationAccountsIndex", hashes: (id) => [id] })];

/** Nodes over one database, each with a clock and ids of its own, and a user under whose key three accounts have their metadata. */
async function bench() {
  const database = createMemoryDatabase();
  // Its only wrapping key stays, so what has to be wrapped anew is told by the time alone.
  const reEncrypt: Kms["reEncrypt"] = (wrapped, _context, kmsKeyId = "") => Promise.resolve({ wrapped, kmsKeyId });
  const kms = { ...createSimulatedKms(seededRandom(1)), reEncrypt };
  let seed = 1;
  const node = (aheadMs = 0) => {
    const clock = testClock();
    clock.time += aheadMs;
    const random = seededRandom((seed += 1));
    const ids = createIds(clock, random);
    const store = openMemoryStore(database, { clock });
    const vault = createVault({ store, kms, clock, ids, random });
    const queue = createCommitQueue({ store, clock, random });
    const deps = { store, vault, queue, kms, clock, ids, environment: "test" as const, places };
    const errors: unknown[] = [];
    const worker = createRotationWorker({ ...deps, onError: (error) => errors.push(error) });
    const start = async (body: RotationBody = {}): Promise<string> => {
      const executed = await startRotation(deps, { actor: actorOf(org), idempotency: undefined }, body);
      assert.ok(executed.ok && executed.reply.status === 202);
      return (JSON.parse(executed.reply.body) as { id: string }).id;
    };
    return { clock, ids, store, vault, queue, deps, worker, start };
  };
  const first = createIds(testClock(), seededRandom(9));
  const [org, user] = [first.next("organisation"), first.next("user")];
  const own = node();
  const all = [1, 2, 3].map(() => own.ids.next("account"));
  for (const id of all) {
    const metadata = sealMetadata(own.vault, await own.vault.userKey(org, user), TABLE, id, { id });
    await keep(own.store, accounts, [anAccount({ id, organisationId: org, metadata })]);
  }
  own.clock.time += 60_000;
  const keys = async () => keyrings.fromItem((await own.store.get(DATA_KEYS_TABLE, { hash: user })) ?? {}).keyIds;
  const checkAll = async (): Promise<void> => {
    const { vault, store } = node(2 * DAY_MS);
    for (const id of all) {
      const { metadata } = accounts.fromItem((await store.get(TABLE, { hash: id })) ?? {});
      assert.deepEqual(await openMetadata(vault, org, TABLE, id, metadata), { id });
    }
  };
  /** Lets a worker run for a minute of its clock. */
  const minute = async (worker: RotationWorker, clock: TestClock, id: string) => {
    for (let run = 0; run < 12; run++) {
      await worker.work();
      clock.time += 5_000;
    }
    return (await readRotation(own.store, org, id))?.status;
  };
  return { node, own, keys, checkAll, minute, org };
}

void describe("a rotation, with clocks that were wrong", () => {
  void it("waits for no time that only another node's clock has come to, and makes each user one new key", async () => {
    const { node, own, keys, checkAll, minute } = await bench();
    const id = await node(DAY_MS).start();
    assert.equal(await minute(own.worker, own.clock, id), "completed");
    assert.equal((await keys()).length, 2);
    await checkAll();
  });

  void it("makes each user a new key, though one before it was begun by a clock that was ahead", async () => {
    const { node, own, keys, checkAll, minute } = await bench();
    assert.equal(await minute(own.worker, own.clock, await node(DAY_MS).start()), "completed");
    const [, second] = await keys();
    assert.equal(await minute(own.worker, own.clock, await own.start()), "completed");
    const after = await keys();
    assert.equal(after.length, 3);
    assert.equal(after[1], second);
    // And so does the next one.
    assert.equal(await minute(own.worker, own.clock, await own.start()), "completed");
    assert.equal((await keys()).length, 4);
    await checkAll();
  });

  void it("makes each user a new key, though one before it was worked off by a clock that was ahead", async () => {
    const { node, own, keys, checkAll, minute } = await bench();
    const ahead = node(DAY_MS);
    assert.equal(await minute(ahead.worker, ahead.clock, await own.start()), "completed");
    assert.equal((await keys()).length, 2);
    own.clock.time += 60_000;
    assert.equal(await minute(own.worker, own.clock, await own.start()), "completed");
    assert.equal((await keys()).length, 3);
    await checkAll();
  });

  void it("makes a new key for a user whose key was made by a clock that was ahead, and one only", async () => {
    for (const leftBehind of [false, true]) {
      const { node, own, org, minute } = await bench();
      const ahead = node(DAY_MS);
      const [user, account] = [ahead.ids.next("user"), ahead.ids.next("account")];
      const { id: first } = await ahead.vault.userKey(org, user);
      const metadata = sealMetadata(ahead.vault, await ahead.vault.userKey(org, user), TABLE, account, { id: account });
      await keep(ahead.store, accounts, [anAccount({ id: account, organisationId: org, metadata })]);
      const worker = leftBehind ? node(-DAY_MS) : own;
      assert.equal(await minute(worker.worker, worker.clock, await own.start()), "completed");
      const ring = keyrings.fromItem((await own.store.get(DATA_KEYS_TABLE, { hash: user })) ?? {});
      assert.equal(ring.keyIds.length, 2);
      assert.equal(ring.keyIds[0], first);
      const { metadata: kept } = accounts.fromItem((await own.store.get(TABLE, { hash: account })) ?? {});
      assert.equal(kept?.["key_id"], ring.currentKeyId);
    }
  });

  for (const [clockOf, target] of [
    ["the node that begins it was ahead", "data_keys"],
    ["the node that works it off is behind", "data_keys"],
    ["the node that begins it was ahead", "wrapping_keys"],
  ] as const)
    void it(`ends though there are new users all the time, where the clock of ${clockOf} (${target})`, async () => {
      const { node, own, keys, org } = await bench();
      const worker = clockOf.endsWith("behind") ? node(-DAY_MS) : own;
      const id = await (worker === own ? node(DAY_MS) : own).start({ target });
      own.clock.time += 60_000;
      const added: string[] = [];
      const status = async () => (await readRotation(own.store, org, id))?.status;
      for (let run = 0; run < 24 && (await status()) !== "completed"; run++) {
        const [user, account] = [own.ids.next("user"), own.ids.next("account")];
        const metadata = sealMetadata(own.vault, await own.vault.userKey(org, user), TABLE, account, { id: account });
        await keep(own.store, accounts, [anAccount({ id: account, organisationId: org, metadata })]);
        added.push(account);
        await worker.worker.work();
        for (const { clock } of new Set([own, worker])) clock.time += 5_000;
      }
      assert.equal(await status(), "completed");
      assert.equal((await keys()).length, target === "data_keys" ? 2 : 1);
      for (const account of added) {
        const { metadata } = accounts.fromItem((await own.store.get(TABLE, { hash: account })) ?? {});
        assert.deepEqual(await openMetadata(own.vault, org, TABLE, account, metadata), { id: account });
      }
    });

  void it("is taken over within a minute from a node whose clock was ahead", async () => {
    const { node, own, checkAll, minute } = await bench();
    const ahead = node(DAY_MS);
    const id = await ahead.start();
    await ahead.worker.work();
    await ahead.worker.stop();
    assert.equal(await minute(own.worker, own.clock, id), "completed");
    await checkAll();
  });

  void it("goes on where the clock of its own node is set back", async () => {
    for (const runs of [0, 1]) {
      const { own, keys, checkAll, minute } = await bench();
      own.clock.time += DAY_MS;
      const id = await own.start();
      for (let run = 0; run < runs; run++) await own.worker.work();
      own.clock.time -= DAY_MS;
      assert.equal(await minute(own.worker, own.clock, id), "completed", `after ${runs}`);
      assert.equal((await keys()).length, 2);
      await checkAll();
    }
  });

  void it("leaves a node alone that is at work", async () => {
    const { node, own, org } = await bench();
    const id = await own.start();
    await own.worker.work();
    const before = await readRotation(own.store, org, id);
    const other = node(60_000 + 20_000);
    await other.worker.work();
    assert.equal((await readRotation(own.store, org, id))?.version, before?.version);
  });
});
