import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { actorOf, seededRandom, testClock } from "#test/support/builders.ts";
import { createSimulatedKms } from "#test/simulation/kms.ts";
import { createCommitQueue, workOn } from "#commit/index.ts";
import { createIds } from "#kernel/ids.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { rotateKeyFile } from "./change-key-file.ts";
import { dataKeys } from "./data-key-record.ts";
import { readRotation } from "./key-rotation.ts";
import type { Kms } from "./kms.ts";
import { openLocalKms } from "./local-kms.ts";
import { createRotationWorker } from "./rotation-worker.ts";
import { startRotation } from "./start-rotation.ts";
import { createVault } from "./vault.ts";

let directory = "";
let files = 0;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "smartfinance-late-"));
});
after(() => rm(directory, { recursive: true }));

/** A service whose answers to one kind of call can be held back; `asked` resolves when such a call has been made. */
function held(kms: Kms, call: "generateDataKey" | "decrypt") {
  let gate: Promise<void> | undefined;
  let onAsked = (): void => {};
  const late = async <T>(answer: Promise<T>): Promise<T> => {
    const made = await answer;
    onAsked();
    await gate;
    return made;
  };
  const slow: Kms = {
    ...kms,
    ...(call === "decrypt"
      ? { decrypt: (...args: Parameters<Kms["decrypt"]>) => late(kms.decrypt(...args)) }
      : { generateDataKey: (...args: Parameters<Kms["generateDataKey"]>) => late(kms.generateDataKey(...args)) }),
  };
  const hold = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    gate = promise;
    onAsked = asked.resolve;
    const release = (): void => {
      gate = undefined;
      resolve();
    };
    return { asked: asked.promise, release };
  };
  return { kms: slow, hold };
}

async function wrapping(skewMs: number, change: (kms: Kms) => Kms = (kms) => kms) {
  const clock = testClock();
  const random = seededRandom(5);
  const file = join(directory, `${++files}.json`);
  const inner = change(await openLocalKms({ file, random, clock }));
  const { kms, hold } = held(inner, "generateDataKey");
  const store = openMemoryStore(createMemoryDatabase(), { clock });
  const ids = createIds(clock, random);
  const org = ids.next("organisation");
  // The node that makes the key may have a clock that is ahead of the others'.
  const ahead = { now: () => clock.now() + skewMs, sleep: (ms: number) => clock.sleep(ms) };
  const vault = createVault({ store, kms, clock: ahead, ids, random });
  const queue = createCommitQueue({ store, clock, random });
  const deps = { store, vault, queue, kms, clock, ids, environment: "test" as const, places: [] };
  const worker = createRotationWorker({ ...deps, onError: (error) => assert.fail(String(error)) });
  await vault.dataKey(org);
  clock.time += 60_000;
  const { asked, release } = hold();
  const pending = vault.userKey(org, ids.next("user"));
  await asked;
  const facts = { environment: "test" as const, now: clock.now() };
  await rotateKeyFile(file, random, facts);
  clock.time += 5;
  const executed = await startRotation(deps, { actor: actorOf(org), idempotency: undefined }, { target: "wrapping_keys" });
  assert.ok(executed.ok && executed.reply.status === 202);
  const { id: rotationId } = JSON.parse(executed.reply.body) as { id: string };
  clock.time += 5;
  release();
  const { id } = await pending;
  for (let round = 0; round < 6; round++) {
    await worker.work();
    clock.time += 31_000;
  }
  assert.equal((await readRotation(store, org, rotationId))?.status, "completed");
  const record = dataKeys.fromItem((await store.get("smartfinance-data-keys", { hash: id })) ?? {});
  // Format, number of the wrapping key: what it is really wrapped by.
  return { number: Buffer.from(String(record.wrapped), "base64url").readUInt32BE(1), kmsKeyId: record.kmsKeyId };
}

void describe("ENC-07 a wrapping key is rotated while the service makes a data key", () => {
  void it("wraps it anew, though the answer came after the start", async () => {
    assert.deepEqual(await wrapping(0), { number: 2, kmsKeyId: "local/2" });
  });

  void it("wraps it anew, though the clock of the node that made it is ahead", async () => {
    assert.deepEqual(await wrapping(3_600_000), { number: 2, kmsKeyId: "local/2" });
  });

  void it("tells by the time where the service keeps the key's id", async () => {
    const sameId = (kms: Kms): Kms => ({
      ...kms,
      generateDataKey: async (context) => ({ ...(await kms.generateDataKey(context)), kmsKeyId: "key" }),
      reEncrypt: async (...args) => {
        const made = await kms.reEncrypt?.(...args);
        assert.ok(made);
        return { ...made, kmsKeyId: "key" };
      },
      blocked: () => Promise.resolve(false),
      describe: () =>
        Promise.resolve({ engine: "aws", custodian: "", keys: [{ id: "key", state: "enabled", current: true, createdAt: null }] }),
    });
    assert.deepEqual(await wrapping(0, sameId), { number: 2, kmsKeyId: "key" });
  });

  void it("ends all the same when the service calls its current key by another name than it gives with data keys", async () => {
    const alias = (kms: Kms): Kms => ({
      ...kms,
      describe: () =>
        Promise.resolve({ engine: "aws", custodian: "", keys: [{ id: "alias", state: "enabled", current: true, createdAt: null }] }),
    });
    assert.deepEqual(await wrapping(0, alias), { number: 2, kmsKeyId: "local/2" });
  });
});

function shredding(call: "generateDataKey" | "decrypt") {
  const clock = testClock();
  const random = seededRandom(5);
  const { kms, hold } = held(createSimulatedKms(random), call);
  const store = openMemoryStore(createMemoryDatabase(), { clock });
  const ids = createIds(clock, random);
  const org = ids.next("organisation");
  const user = ids.next("user");
  const queue = createCommitQueue({ store, clock, random });
  const node = () => createVault({ store, kms, clock, ids, random });
  const shred = async (vault: ReturnType<typeof node>): Promise<void> => {
    const shredded = await vault.shredUser(org, user);
    const eventId = ids.next("event");
    const executed = await queue.execute({
      actor: actorOf(org),
      needs: shredded.needs,
      decide(view) {
        const work = workOn(view);
        assert.ok(shredded.apply(work));
        work.tell({ id: eventId, type: "user.erased", objectId: user });
        return work.outcome({ status: 200, body: "" });
      },
    });
    assert.ok(executed.ok);
    shredded.forget();
  };
  const worker = (vault: ReturnType<typeof node>) =>
    createRotationWorker({ store, vault, queue, kms, clock, ids, environment: "test", places: [], onError: (e) => assert.fail(String(e)) });
  return { clock, org, user, node, hold, shred, worker };
}

void describe("ENC-06 a key that is destroyed while it is loaded", () => {
  void it("does not come back into memory with the answer, and the answer opens nothing", async () => {
    const made = shredding("decrypt");
    const { id } = await made.node().userKey(made.org, made.user);
    const vault = made.node();
    for (const load of [() => vault.dataKeyById(made.org, id), () => vault.userKey(made.org, made.user)]) {
      const { asked, release } = made.hold();
      const loading = load();
      // The second load finds the key destroyed before the service is asked.
      await Promise.race([asked, loading.catch(() => {})]);
      await made.shred(vault);
      release();
      await assert.rejects(loading, /DataKeyNotFoundError|UserShreddedError/);
      assert.equal(vault.usesOf(id), undefined);
      await assert.rejects(vault.dataKeyById(made.org, id), { name: "DataKeyNotFoundError" });
    }
  });

  void it("is not the current one either, when its making was under way", async () => {
    const made = shredding("decrypt");
    const first = made.node();
    await first.userKey(made.org, made.user);
    const vault = made.node();
    const { asked, release } = made.hold();
    const loading = vault.userKey(made.org, made.user);
    await asked;
    await made.shred(vault);
    release();
    await assert.rejects(loading, { name: "UserShreddedError" });
    await assert.rejects(vault.userKey(made.org, made.user), { name: "UserShreddedError" });
  });

  void it("leaves the memory once it has expired, asked for or not, and its count goes on", async () => {
    const made = shredding("decrypt");
    const vault = made.node();
    const key = await vault.userKey(made.org, made.user);
    const binding = { organisation_id: made.org, table: "smartfinance-users", record: made.user, field: "profile" };
    vault.seal(key, binding, "text");
    made.clock.time += 299_000;
    vault.sweep();
    assert.equal(vault.usesOf(key.id)?.seals, 1);
    made.clock.time += 2_000;
    await made.worker(vault).work();
    assert.equal(vault.usesOf(key.id), undefined);
    const again = await vault.userKey(made.org, made.user);
    assert.notEqual(again, key);
    assert.equal(vault.usesOf(key.id)?.seals, 1);
  });
});
