import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, seededRandom, testClock } from "#test/support/builders.ts";
import type { TestClock } from "#test/support/builders.ts";
import { createSimulatedKms } from "#test/simulation/kms.ts";
import { createCommitQueue, workOn } from "#commit/index.ts";
import type { CommitQueue } from "#commit/index.ts";
import { InvariantError } from "#kernel/assert.ts";
import { createIds } from "#kernel/ids.ts";
import type { Ids, OrganisationId, UserId } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { dataKeys } from "./data-key-record.ts";
import { DataKeyBlockedError, DataKeyNotFoundError, UserShreddedError } from "./errors.ts";
import type { EncryptionContext, Kms } from "./kms.ts";
import { KmsUnavailableError } from "./kms.ts";
import type { Shredding } from "./shred-user.ts";
import { createVault } from "./vault.ts";
import type { Vault, VaultDeps } from "./vault.ts";

interface Bench {
  readonly clock: TestClock;
  readonly ids: Ids;
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly org: OrganisationId;
  readonly user: UserId;
  /** Every context the KMS was asked with. */
  readonly contexts: EncryptionContext[];
  down: boolean;
  readonly node: (options?: Partial<VaultDeps>) => Vault;
  readonly erase: (shredding: Shredding) => Promise<number>;
}

function bench(): Bench {
  const clock = testClock();
  const random = seededRandom(11);
  const ids = createIds(clock, random);
  const simulated = createSimulatedKms(random);
  const store = openMemoryStore(createMemoryDatabase(), { clock });
  const queue = createCommitQueue({ store, clock, random });
  const asked = <T>(context: EncryptionContext, answer: () => Promise<T>): Promise<T> => {
    if (made.down) return Promise.reject(new KmsUnavailableError("down"));
    made.contexts.push(context);
    return answer();
  };
  const kms: Kms = {
    generateDataKey: (context) => asked(context, () => simulated.generateDataKey(context)),
    decrypt: (wrapped, context) => asked(context, () => simulated.decrypt(wrapped, context)),
  };
  const org = ids.next("organisation");
  const made: Bench = {
    clock,
    ids,
    store,
    queue,
    org,
    user: ids.next("user"),
    contexts: [],
    down: false,
    node: (options = {}) => createVault({ store, kms, clock, ids, random, ...options }),
    async erase(shredding) {
      const executed = await queue.execute({
        actor: actorOf(org),
        needs: shredding.needs,
        decide(view) {
          const work = workOn(view);
          if (!shredding.apply(work)) return { reply: { status: 409, body: "" }, changes: [], events: [] };
          work.tell({ id: ids.next("event"), type: "user.erased", objectId: "u" });
          return work.outcome({ status: 200, body: "" });
        },
      });
      assert.ok(executed.ok);
      return executed.reply.status;
    },
  };
  return made;
}

const place = (org: OrganisationId) => ({ organisation_id: org, table: "smartfinance-users", record: "usr_1", field: "profile" });

void describe("keys of users", () => {
  void it("are made on first use, one for each user, and found by id from every node", async () => {
    const { node, org, user, ids } = bench();
    const [one, two] = [node(), node()];
    const key = await one.userKey(org, user);
    const sealed = one.seal(key, place(org), "Ada");
    assert.equal((await two.userKey(org, user)).id, key.id);
    assert.equal(two.open(await two.dataKeyById(org, sealed.key_id), place(org), sealed), "Ada");
    const ofOthers = [await one.userKey(org, ids.next("user")), await one.dataKey(org)];
    for (const other of ofOthers) assert.notEqual(other.id, key.id);
    const foreign = ids.next("organisation");
    await assert.rejects(two.dataKeyById(foreign, key.id), DataKeyNotFoundError);
    await assert.rejects(two.userKey(foreign, user), DataKeyNotFoundError);
  });

  void it("ENC-03 are wrapped under ids alone: organisation, user, key, purpose, environment", async () => {
    const { node, org, user, contexts } = bench();
    const vault = node({ environment: "live" });
    const key = await vault.userKey(org, user);
    await vault.dataKey(org);
    await vault.indexKey(org);
    assert.deepEqual(contexts[0], { organisation_id: org, user_id: user, data_key_id: key.id, purpose: "data-key", environment: "live" });
    for (const context of contexts)
      for (const [name, value] of Object.entries(context))
        assert.match(value, name.endsWith("_id") ? /^(org|usr|dek)_[0-9A-Z]{26}$/ : /^(data-key|index-key|live)$/);
  });

  void it("ENC-08 do not open in an installation of the other environment", async () => {
    const { node, org, user } = bench();
    const { id } = await node({ environment: "test" }).userKey(org, user);
    await assert.rejects(node({ environment: "live" }).dataKeyById(org, id));
  });

  void it("are destroyed in one commit with other changes: nothing opens any more, and no new key is made", async () => {
    const { node, org, user, store, clock, erase } = bench();
    const [one, two] = [node(), node()];
    const key = await one.userKey(org, user);
    const sealed = one.seal(key, place(org), "Ada");
    await one.replaceKey({ organisationId: org, userId: user, purpose: "data-key" }, key.id as never);
    const held = await two.dataKeyById(org, key.id);
    const shredding = await one.shredUser(org, user);
    assert.equal(shredding.needs.length, 3);
    assert.equal(await erase(shredding), 200);
    shredding.forget();
    // On this process at once, handles given out before included.
    await assert.rejects(one.dataKeyById(org, key.id), DataKeyNotFoundError);
    await assert.rejects(one.userKey(org, user), UserShreddedError);
    assert.throws(() => one.open(key, place(org), sealed), DataKeyBlockedError);
    assert.throws(() => one.seal(key, place(org), "again"), DataKeyBlockedError);
    // On another within five seconds.
    assert.equal(two.open(held, place(org), sealed), "Ada");
    clock.time += 5_000;
    await assert.rejects(two.dataKeyById(org, key.id), DataKeyNotFoundError);
    await assert.rejects(two.userKey(org, user), UserShreddedError);
    assert.throws(() => two.open(held, place(org), sealed), DataKeyBlockedError);
    const item = await store.get("smartfinance-data-keys", { hash: key.id });
    assert.ok(item !== undefined && dataKeys.fromItem(item).wrapped === null);
    // A second erasure is no different.
    assert.equal(await erase(await two.shredUser(org, user)), 200);
  });

  void it("are not made for a user without any who is erased", async () => {
    const { node, org, user, erase } = bench();
    const vault = node();
    assert.equal(await erase(await vault.shredUser(org, user)), 200);
    await assert.rejects(vault.userKey(org, user), UserShreddedError);
  });

  void it("that are made between preparation and commit make the erasure start anew", async () => {
    const { node, org, user, erase } = bench();
    const vault = node();
    const early = await vault.shredUser(org, user);
    const key = await vault.userKey(org, user);
    assert.equal(await erase(early), 409);
    assert.equal((await vault.dataKeyById(org, key.id)).id, key.id);
    assert.equal(await erase(await vault.shredUser(org, user)), 200);
  });

  void it("of another organisation's user cannot be destroyed", async () => {
    const { node, org, user, ids, queue } = bench();
    const vault = node();
    await vault.userKey(org, user);
    const shredding = await vault.shredUser(ids.next("organisation"), user);
    let applied = true;
    await queue.execute({
      actor: actorOf(org),
      needs: shredding.needs,
      decide(view) {
        applied = shredding.apply(workOn(view));
        return { reply: { status: 200, body: "" }, changes: [], events: [] };
      },
    });
    assert.equal(applied, false);
  });
});

void describe("index keys", () => {
  void it("give the same text on every node, after every rotation, for one field and one organisation only", async () => {
    const { node, org, ids } = bench();
    const [one, two] = [node({ rotateAfterUses: 1 }), node()];
    const text = (await one.indexKey(org)).hmac("email", "ada@example.com");
    assert.match(text, /^[A-Za-z0-9_-]{43}$/);
    one.seal(await one.dataKey(org), place(org), "x");
    await one.dataKey(org);
    assert.equal((await two.indexKey(org)).hmac("email", "ada@example.com"), text);
    assert.notEqual((await two.indexKey(org)).hmac("phone", "ada@example.com"), text);
    assert.notEqual((await two.indexKey(ids.next("organisation"))).hmac("email", "ada@example.com"), text);
    const key = await two.indexKey(org);
    assert.notEqual(key.hmac("a", "bc"), key.hmac("ab", "c"));
  });

  void it("seal nothing, and sealing keys index nothing", async () => {
    const { node, org, store } = bench();
    const vault = node();
    await vault.indexKey(org);
    const ring = await store.get("smartfinance-data-keys", { hash: `${org}#index-key` });
    const id = String(ring?.["current_key_id"]);
    await assert.rejects(vault.dataKeyById(org, id), DataKeyNotFoundError);
    const handle = await vault.unwrapAny(org, id);
    assert.throws(() => vault.seal(handle, place(org), "x"), InvariantError);
  });
});

void describe("the cache of data keys", () => {
  void it("bridges an outage of the KMS to its limit of time, and then refuses", async () => {
    const made = bench();
    const vault = made.node({ cacheMs: 60_000 });
    const key = await vault.dataKey(made.org);
    const sealed = vault.seal(key, place(made.org), "text");
    made.down = true;
    made.clock.time += 59_999;
    assert.equal(vault.open(await vault.dataKeyById(made.org, key.id), place(made.org), sealed), "text");
    assert.equal((await vault.dataKey(made.org)).id, key.id);
    made.clock.time += 1;
    await assert.rejects(vault.dataKey(made.org), KmsUnavailableError);
    await assert.rejects(vault.dataKeyById(made.org, key.id), KmsUnavailableError);
    made.down = false;
    assert.equal(vault.open(await vault.dataKeyById(made.org, key.id), place(made.org), sealed), "text");
  });

  void it("holds no key for longer because the clock was set back", async () => {
    const made = bench();
    const other = made.node();
    const vault = made.node({ cacheMs: 60_000 });
    const key = await vault.dataKey(made.org);
    const since = made.clock.time;
    const next = await other.replaceKey({ organisationId: made.org, userId: null, purpose: "data-key" }, key.id as never);
    made.clock.time = since - 3_600_000;
    assert.equal((await vault.dataKey(made.org)).id, next?.id);
    const asked = made.contexts.length;
    await vault.dataKeyById(made.org, key.id);
    assert.equal(made.contexts.length, asked + 1);
    // What was unwrapped since is good by the clock as it goes now.
    made.clock.time += 59_999;
    made.down = true;
    assert.equal((await vault.dataKeyById(made.org, key.id)).id, key.id);
  });

  void it("asks the KMS again after so many uses, seals and opens alike", async () => {
    const made = bench();
    const vault = made.node({ cacheUses: 4 });
    const key = await vault.dataKey(made.org);
    const sealed = vault.seal(key, place(made.org), "text");
    for (let n = 0; n < 3; n++) vault.open(await vault.dataKeyById(made.org, key.id), place(made.org), sealed);
    assert.equal(made.contexts.length, 1);
    assert.deepEqual(vault.usesOf(key.id), { seals: 1, opens: 3 });
    made.down = true;
    await assert.rejects(vault.dataKeyById(made.org, key.id), KmsUnavailableError);
    made.down = false;
    await vault.dataKeyById(made.org, key.id);
    assert.equal(made.contexts.length, 2);
    for (let n = 0; n < 4; n++) await vault.dataKeyById(made.org, key.id);
    assert.equal(made.contexts.length, 2);
  });

  void it("ENC-07 a retired key opens and does not seal, on every node within five seconds", async () => {
    const { node, org, store, clock } = bench();
    const [one, two] = [node(), node()];
    const key = await one.dataKey(org);
    const held = await two.dataKeyById(org, key.id);
    const sealed = one.seal(key, place(org), "text");
    const next = await one.replaceKey({ organisationId: org, userId: null, purpose: "data-key" }, key.id as never);
    assert.ok(next && next.id !== key.id);
    const record = dataKeys.fromItem((await store.get("smartfinance-data-keys", { hash: key.id })) ?? {});
    const item = dataKeys.toItem({ ...record, state: "retired", version: record.version + 1 });
    await store.commit([{ op: "put", table: dataKeys.table, item, condition: { version: record.version } }]);
    clock.time += 5_000;
    for (const vault of [one, two]) {
      const again = await vault.dataKeyById(org, key.id);
      assert.equal(vault.open(again, place(org), sealed), "text");
      assert.throws(() => vault.seal(again, place(org), "more"), DataKeyBlockedError);
      assert.equal((await vault.dataKey(org)).id, next.id);
    }
    assert.throws(() => two.seal(held, place(org), "more"), DataKeyBlockedError);
  });

  void it("ENC-07 a compromised key is blocked both ways, and opens for its rotation only", async () => {
    const { node, org, store, clock } = bench();
    const vault = node();
    const key = await vault.dataKey(org);
    const sealed = vault.seal(key, place(org), "text");
    const record = dataKeys.fromItem((await store.get("smartfinance-data-keys", { hash: key.id })) ?? {});
    const item = dataKeys.toItem({ ...record, state: "compromised", version: record.version + 1 });
    await store.commit([{ op: "put", table: dataKeys.table, item, condition: { version: record.version } }]);
    clock.time += 5_000;
    await assert.rejects(vault.dataKeyById(org, key.id), DataKeyBlockedError);
    assert.throws(() => vault.open(key, place(org), sealed), DataKeyBlockedError);
    assert.throws(() => vault.seal(key, place(org), "more"), DataKeyBlockedError);
    const handle = await vault.unwrapAny(org, key.id);
    assert.equal(vault.open(handle, place(org), sealed), "text");
    assert.throws(() => vault.seal(handle, place(org), "more"), DataKeyBlockedError);
  });
});
