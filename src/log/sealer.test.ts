import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { actorOf, newId, T0 } from "#test/support/builders.ts";
import { buildEvent } from "#audit/index.ts";
import { canonicalJson } from "#kernel/canonical-json.ts";
import type { Clock } from "#kernel/clock.ts";
import { isId } from "#kernel/ids.ts";
import { systemRandom } from "#kernel/random.ts";
import type { Item, Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import type { Fault } from "#storage/memory/memory-store.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { checkpointText, openCheckpoint } from "./checkpoint.ts";
import { keepCosigned } from "./cosigned.ts";
import { EMPTY_ROOT, leafHash, sha256 } from "./hashing.ts";
import { entryOf, erasedOpening, generalText, hasShownMembersOnly, hasStoredMembers, leafText, usualText } from "./leaf.ts";
import { createLogReader } from "./log-reader.ts";
import { formatNote } from "./note.ts";
import { signerOf } from "./note-keys.ts";
import { entriesFromItem, entriesId, LOG_TABLE, stateFromItem, stateKey, stateToItem } from "./rows.ts";
import { ClockSkewError, createSealer, LogTamperedError, MAX_SKEW_MS } from "./sealer.ts";
import { signState } from "./state-seal.ts";
import { append, EMPTY_EDGE, rootOf } from "./tree.ts";
import { verifyConsistency, verifyInclusion } from "./verify-proofs.ts";

const signer = signerOf("example.com/log", "signature", sha256("key"));
const random = systemRandom();
const clockAt = (now: () => number): Clock => ({ now, sleep: () => Promise.resolve() });
const clock = clockAt(() => T0);

function event(n: number): Item {
  return buildEvent({ id: newId("event"), type: "deposit.posted", objectId: `txn ${n}` }, actorOf(), T0 + n).item;
}

async function tell(store: Store, count: number): Promise<Item[]> {
  const items = Array.from({ length: count }, (_, n) => event(n));
  for (let at = 0; at < count; at += 50) {
    const result = await store.commit(
      items.slice(at, at + 50).map((item) => ({ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" })),
    );
    assert.equal(result.outcome, "committed");
  }
  return items;
}

async function drain(store: Store, sealer = createSealer({ store, clock, random, signer })): Promise<number> {
  let sealed = 0;
  for (let step = 0; step < 1_000; step++) {
    const done = await sealer.step();
    sealed += done.events;
    if (!done.more) return sealed;
  }
  assert.fail("the feed has no end");
}

/** Every event once, in the order of the feed, under the signed root. */
async function assertWhole(store: Store): Promise<void> {
  const item = await store.get(LOG_TABLE, stateKey);
  assert.ok(item);
  const state = stateFromItem(item);
  const ids: string[] = [];
  let edge = EMPTY_EDGE;
  for (let row = 0; row * 256 < state.size; row++) {
    const found = await store.get(LOG_TABLE, { hash: entriesId(row) });
    assert.ok(found);
    for (const { eventId, entry, opening } of entriesFromItem(found)) {
      assert.ok(isId("event", eventId));
      ids.push(eventId);
      edge = append(edge, [leafHash(entry)]);
      assert.equal(opening.length, 16);
    }
  }
  const fed: string[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < 1_000; page++) {
    const got = await store.feed(cursor, 100);
    if (got.items.length === 0) break;
    fed.push(...got.items.map(({ event_id }) => String(event_id)));
    cursor = got.cursor;
  }
  assert.deepEqual(ids, fed);
  const opened = openCheckpoint(state.checkpoint, signer.verifier);
  assert.ok(opened.ok);
  assert.equal(opened.checkpoint.size, fed.length);
  assert.ok(opened.checkpoint.root.equals(rootOf(edge)));
}

void describe("leaves", () => {
  void it("cover the operator who acted, and events with and without one have no other members", () => {
    const operatorId = newId("operator");
    const draft = { id: newId("event"), type: "deposit.posted", objectId: "txn" } as const;
    const [plain, by] = [buildEvent(draft, actorOf(), T0).item, buildEvent(draft, { ...actorOf(), operatorId }, T0).item];
    const opening = Buffer.alloc(16, 1);
    assert.ok(leafText(by, opening).includes(operatorId));
    assert.notDeepEqual(entryOf(plain, opening), entryOf(by, opening));
    for (const event of [plain, by]) {
      assert.ok(hasStoredMembers(event));
      assert.ok(!hasStoredMembers({ ...event, surprise: 1 }));
      const { partition: _partition, ...shown } = event;
      assert.ok(hasShownMembersOnly({ ...shown, id: draft.id, object: "event" }));
    }
    const { request_id: _request, ...lacking } = by;
    assert.ok(!hasStoredMembers(lacking), "the operator does not stand in another member's place");
    assert.ok(!hasStoredMembers({ ...plain, operator_id: null }), "one that says nothing is none");
  });

  void it("are the canonical text of the event without the caller's address, in the fast way as in the general one", () => {
    for (const item of [
      event(1),
      buildEvent({ id: newId("event"), type: "transfer.posted", objectId: "x", entries: [] }, actorOf(), T0).item,
      buildEvent({ id: newId("event"), type: "transfer.posted", objectId: "x", entries: [] }, actorOf(), T0, { version: 1 }).item,
    ]) {
      const salt = sha256("salt").subarray(0, 16);
      const text = leafText(item, salt);
      assert.equal(usualText(item, "00"), generalText(item, "00"));
      assert.equal(canonicalJson(JSON.parse(text) as Item), text);
      assert.ok(!text.includes("192.0.2.1") && !text.includes("user_agent"), "no personal data in a leaf");
      const other = JSON.parse(JSON.stringify(item)) as Item;
      assert.equal(leafText(other, salt), text);
      assert.notEqual(leafText(item, sha256("other").subarray(0, 16)), text);
      assert.notEqual(leafText({ ...item, ip_address: "192.0.2.2" }, salt), text);
      assert.notEqual(leafText({ ...item, object_id: "y" }, salt), text);
    }
    const detailed = buildEvent(
      { id: newId("event"), type: "account.updated", objectId: "a", details: { 10: 1, 9: 2 } },
      actorOf(),
      T0,
    ).item;
    assert.equal(usualText(detailed, "00"), undefined);
    assert.equal(usualText({ ...event(1), further: 1 }, "00"), undefined);
    const { item: told } = buildEvent({ id: newId("event"), type: "account.updated", objectId: "a" }, actorOf(), T0, {
      version: 2,
      changes: [{ objectId: "a", version: 2, set: { status: "frozen" } }],
    });
    assert.equal(usualText(told, "00"), undefined);
    assert.ok(leafText(told, sha256("salt").subarray(0, 16)).includes('"changes":[{"object_id":"a"'), "a leaf says what changed");
  });

  void it("survive the erasure of the address", () => {
    const item = event(1);
    const salt = sha256("salt").subarray(0, 16);
    const erased = { ...item, ip_address: null, user_agent: null };
    assert.deepEqual(entryOf(erased, erasedOpening(item, salt)), entryOf(item, salt));
    assert.notDeepEqual(entryOf(erased, salt), entryOf(item, salt));
  });
});

void describe("the sealer", () => {
  void it("seals every event once, in order, and proves each", async () => {
    const store = openMemoryStore(createMemoryDatabase());
    const reader = createLogReader(store);
    const told: Item[] = [];
    const heads: { readonly size: number; readonly root: Buffer }[] = [];
    for (const count of [1, 3, 300, 1, 250, 40]) {
      told.push(...(await tell(store, count)));
      assert.equal(await drain(store), count);
      await assertWhole(store);
      const opened = openCheckpoint((await reader.checkpoint())?.text ?? "", signer.verifier);
      assert.ok(opened.ok);
      heads.push(opened.checkpoint);
    }
    assert.equal(await drain(store), 0);
    const latest = heads.at(-1);
    assert.ok(latest);
    for (const item of told) {
      const proof = await reader.proof(String(item.event_id));
      assert.ok(proof);
      assert.ok(proof.leaf.equals(leafHash(entryOf(item, proof.opening))));
      assert.ok(verifyInclusion(proof.index, proof.size, proof.leaf, proof.hashes, latest.root));
    }
    for (const older of heads)
      assert.ok(
        verifyConsistency(older.size, latest.size, (await reader.consistency(older.size, latest.size)) ?? [], older.root, latest.root),
      );
    assert.equal(await reader.proof(newId("event")), undefined);
    assert.equal(await reader.consistency(1, latest.size + 1), undefined);
  });

  void it("AUD-04 many at once over a store that fails in every way neither lose, double nor fork", async () => {
    const kinds: Fault["kind"][] = ["throttled", "unavailable", "timeout_written", "timeout_unwritten", "timeout_written_later"];
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 120 }), fc.infiniteStream(fc.nat(9)), async (count, dice) => {
        const database = createMemoryDatabase();
        const sound = openMemoryStore(database);
        const pause = {
          sleep: async (ms: number) => {
            for (let n = 0; n < ms; n++) await Promise.resolve();
          },
        };
        const heads = new Map<number, string>();
        const sealers = [0, 1, 2].map(() => {
          const faults = (operation: string): Fault => {
            const kind = kinds[dice.next().value ?? 0] ?? "none";
            const applies = operation === "commit" || kind === "unavailable";
            return { kind: applies ? kind : "none", beforeMs: dice.next().value ?? 0, afterMs: dice.next().value ?? 0, laterBy: 3 };
          };
          return () => createSealer({ store: openMemoryStore(database, { faults, clock: pause }), clock, random, signer });
        });
        const watch = async (): Promise<void> => {
          const item = await sound.get(LOG_TABLE, stateKey);
          if (item === undefined) return;
          const { size, checkpoint } = stateFromItem(item);
          assert.equal(heads.get(size) ?? checkpoint, checkpoint, "two checkpoints of one size");
          assert.ok(size >= Math.max(0, ...heads.keys()), "the log shrank");
          heads.set(size, checkpoint);
        };
        await Promise.all([
          (async () => {
            for (let told = 0; told < count; told += 20) await tell(sound, Math.min(20, count - told));
          })(),
          ...sealers.map(async (make) => {
            let sealer = make();
            for (let step = 0; step < 12; step++) {
              try {
                await sealer.step();
              } catch {
                // As after a crash: nothing is known any more.
                sealer = make();
              }
              await watch();
            }
          }),
        ]);
        await drain(sound);
        await assertWhole(sound);
      }),
      { numRuns: 40 },
    );
  });

  void it("takes a feed that tells events again", async () => {
    const store = openMemoryStore(createMemoryDatabase());
    await tell(store, 30);
    await drain(store);
    await tell(store, 5);
    // Like a feed that has lost its place: everything again, and some of it twice in a page.
    const again: Store = {
      ...store,
      feed: async (cursor, limit) => {
        const page = await store.feed(cursor === "again" ? undefined : cursor, limit);
        return page.items.length === 0 ? page : { ...page, items: [...(await store.feed(undefined, 35)).items, ...page.items] };
      },
    };
    assert.equal(await drain(again), 5);
    await assertWhole(store);
  });

  void it("signs nothing on top of a state that it did not sign, nor with a clock that is behind (AUD-12)", async () => {
    const store = openMemoryStore(createMemoryDatabase());
    await tell(store, 3);
    await drain(store);
    await tell(store, 1);
    const behind = createSealer({ store, clock: clockAt(() => T0 - MAX_SKEW_MS - 1), random, signer });
    await assert.rejects(behind.step(), ClockSkewError);
    const slightly = createSealer({ store, clock: clockAt(() => T0 - MAX_SKEW_MS), random, signer });
    assert.equal((await slightly.step()).events, 1);
    const item = await store.get(LOG_TABLE, stateKey);
    assert.ok(item);
    assert.equal(item["sealed_at"], T0, "the time of sealing does not go back");
    await tell(store, 1);
    for (const changed of [
      { ...item, peaks: ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="] },
      { ...item, checkpoint: String(item["checkpoint"]).replace("\n4\n", "\n5\n") },
    ]) {
      await store.commit([{ op: "put", table: LOG_TABLE, item: changed, condition: "none" }]);
      await assert.rejects(drain(store), LogTamperedError);
    }
    await store.commit([{ op: "put", table: LOG_TABLE, item, condition: "none" }]);
    assert.equal(await drain(store), 1);
    await assertWhole(store);
  });

  void it("AUD-03 signs no rewritten history from which its state was taken, or an older one brought back", async () => {
    const database = createMemoryDatabase();
    const store = openMemoryStore(database);
    const put = async (item: Item): Promise<void> => void (await store.commit([{ op: "put", table: LOG_TABLE, item, condition: "none" }]));
    const remove = async (hash: string): Promise<void> =>
      void (await store.commit([{ op: "delete", table: LOG_TABLE, key: { hash }, condition: "none" }]));
    let kept: string | undefined;
    const anchor = { read: () => kept, keep: (checkpoint: string) => void (kept = checkpoint) };
    const fresh = (anchored = true) => createSealer({ store, clock, random, signer, ...(anchored ? { anchor } : {}) });

    const empty = signState(signer, {
      ...EMPTY_EDGE,
      cursor: undefined,
      checkpoint: formatNote(emptyNote()),
      sealedAt: T0,
      version: 1,
    });
    await put({ id: "key", version: 1 });
    await put(stateToItem(empty));
    await tell(store, 3);
    await drain(store, fresh());
    const small = await store.get(LOG_TABLE, stateKey);
    const first = await store.get(LOG_TABLE, { hash: entriesId(0) });
    await tell(store, 2);
    const running = fresh();
    await drain(store, running);
    const whole = await store.get(LOG_TABLE, stateKey);
    assert.ok(small && whole && first && kept);
    await tell(store, 1);

    await remove("state");
    await assert.rejects(fresh(false).step(), /the state was removed/);
    await assert.rejects(
      running.step().then(() => running.step()),
      LogTamperedError,
    );
    await remove("key");
    await assert.rejects(fresh(false).step(), /leaves behind its end/, "also without the key");
    await put({ id: "key", version: 1 });
    for (const older of [small, stateToItem(empty)]) {
      await put(older);
      await assert.rejects(fresh(false).step(), /leaves behind its end/);
    }
    // A thorough one takes the leaves as well: only what is kept outside the store tells of it.
    await put(small);
    await put(first);
    await assert.rejects(fresh().step(), /cut back from 5 to 3/);
    await assert.rejects(running.step(), /cut back from 5 to 3/);
    await keepCosigned(store, 5, String(whole["checkpoint"]));
    await assert.rejects(fresh(false).step(), /witnesses have cosigned a log of 5/);
    await remove("cosigned");
    await remove(entriesId(0));
    await put(stateToItem(empty));
    await assert.rejects(fresh().step(), /cut back from 5 to 0/);
  });

  void it("AUD-03 reads on from no cursor that it did not sign, and takes no other event for one it has", async () => {
    const store = openMemoryStore(createMemoryDatabase());
    const [told] = await tell(store, 3);
    await drain(store);
    const item = await store.get(LOG_TABLE, stateKey);
    assert.ok(item && told);
    for (const changed of [{ cursor: null }, { sealed_at: 9e15 }, { seal: "" }]) {
      await store.commit([{ op: "put", table: LOG_TABLE, item: { ...item, ...changed }, condition: "none" }]);
      await assert.rejects(drain(store), /cursor, time or version that was not signed/);
    }
    await store.commit([{ op: "put", table: LOG_TABLE, item, condition: "none" }]);
    for (const other of [{ amount: 7 }, { partition: "elsewhere" }, { ip_address: "198.51.100.9" }]) {
      const page = { items: [{ ...told, ...other }], cursor: "x" };
      const lying: Store = { ...store, feed: () => Promise.resolve(page) };
      await assert.rejects(createSealer({ store: lying, clock, random, signer, eventsPerStep: 256 }).step(), /another event|two events/);
    }
  });
});

function emptyNote() {
  const text = checkpointText({ origin: signer.verifier.name, size: 0, root: EMPTY_ROOT });
  return { text, signatures: [signer.sign(text, T0)] };
}
