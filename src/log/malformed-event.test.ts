import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, newId, T0 } from "#test/support/builders.ts";
import { buildEvent } from "#audit/index.ts";
import { InvariantError } from "#kernel/assert.ts";
import { systemRandom } from "#kernel/random.ts";
import type { Item, Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { findEvent, rowsIn } from "./find.ts";
import { sha256 } from "./hashing.ts";
import { usualText } from "./leaf.ts";
import { signerOf } from "./note-keys.ts";
import { bucketOf, entriesId, LOG_INDEX_TABLE, LOG_TABLE, stateKey } from "./rows.ts";
import { createSealer, LogTamperedError } from "./sealer.ts";

const clock = { now: () => T0, sleep: () => Promise.resolve() };

/** A log of five events, into whose tables somebody writes by hand. */
async function scene() {
  const store = openMemoryStore(createMemoryDatabase());
  /** What is in the database and no store of this program would take. */
  const slipped: Item[] = [];
  const feed: Store["feed"] = async (cursor, limit) => {
    const page = await store.feed(cursor, limit);
    return { ...page, items: [...page.items, ...slipped.splice(0)] };
  };
  const sealer = createSealer({
    store: { ...store, feed },
    clock,
    random: systemRandom(),
    signer: signerOf("example.com/log", "signature", sha256("key")),
  });
  const eventOf = (members: Item = {}): Item => ({
    ...buildEvent({ id: newId("event"), type: "deposit.posted", objectId: "txn" }, actorOf(), T0).item,
    ...members,
  });
  const put = async (item: Item): Promise<string> => {
    const result = await store.commit([{ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" }]);
    assert.equal(result.outcome, "committed");
    return String(item.event_id);
  };
  for (let n = 0; n < 5; n++) await put(eventOf());
  assert.equal((await sealer.step()).events, 5);
  return { store, sealer, eventOf, put, slip: (item: Item) => void slipped.push(item) };
}

void describe("an event that no version of this program has written", () => {
  for (const entries of [[null], [1], ["ab"], [[1, 2]], [{ account_id: "a", amount: 1 }, null], null, 7])
    void it(`is sealed as what it is with the entries ${JSON.stringify(entries)}, and those behind it are`, async () => {
      const { store, sealer, eventOf, put } = await scene();
      const id = await put(eventOf({ entries }));
      const next = await put(eventOf());
      assert.equal((await sealer.step()).events, 2);
      assert.equal((await findEvent(store, id, 7))?.index, 5);
      assert.equal((await findEvent(store, next, 7))?.index, 6);
    });

  void it("is told as tampering, with its id, where it has no text that a leaf could commit to", async () => {
    for (const member of ['"details":{"half":"\\ud800"}', '"__proto__":"x"']) {
      const { sealer, eventOf, slip } = await scene();
      const event = JSON.parse(JSON.stringify(eventOf()).replace(/\}$/, `,${member}}`)) as Item;
      slip(event);
      const told = (error: unknown): boolean => error instanceof LogTamperedError && error.message.includes(String(event.event_id));
      await assert.rejects(sealer.step(), told);
    }
  });

  void it("is told as tampering where it is none at all", async () => {
    for (const row of [null, 7, []]) {
      const { sealer, slip } = await scene();
      slip(row as never);
      await assert.rejects(sealer.step(), LogTamperedError);
    }
  });

  void it("leaves the text of the usual ones as it was", () => {
    const item = buildEvent({ id: newId("event"), type: "deposit.posted", objectId: "txn" }, actorOf(), T0).item;
    const entries = [{ account_id: "acc_1", amount: 5 }];
    assert.match(usualText({ ...item, details: null, entries }, "00") ?? "", /"entries":\[\{"account_id":"acc_1","amount":5\}\]/);
    assert.equal(usualText({ ...item, details: null, entries: [null] }, "00"), undefined);
  });
});

void describe("a row of the index that leads before the beginning of the log", () => {
  void it("is no errand: neither whoever asks for an event nor the sealer goes after it", { timeout: 5_000 }, async () => {
    const { store, sealer, eventOf, put } = await scene();
    const id = await put(eventOf());
    // So far that going row by row would take days.
    const item = { bucket: bucketOf(id), first: "-900000000000000", last: 4 };
    await store.commit([{ op: "put", table: LOG_INDEX_TABLE, item, condition: "none" }]);
    assert.equal(await findEvent(store, id, 5), undefined);
    assert.equal((await sealer.step()).events, 1);
  });
});

void describe("rows beside the events that no version of this program has written", () => {
  type Scene = Awaited<ReturnType<typeof scene>>;
  /** The store, whose table has `items` besides what it has. */
  const beside = ({ store }: Scene, table: string, items: readonly unknown[]): Store => ({
    ...store,
    query: async (query) => {
      const page = await store.query(query);
      return query.table === table ? { ...page, items: [...(items as Item[]), ...page.items] } : page;
    },
  });
  const sealerOver = (store: Store) =>
    createSealer({ store, clock, random: systemRandom(), signer: signerOf("example.com/log", "signature", sha256("key")) });

  void it("of the index are stepped over, by the sealer and by whoever asks for an event", async () => {
    const made = await scene();
    const bad: readonly unknown[] = [
      null,
      7,
      "x",
      [],
      {},
      { first: {}, last: {} },
      { first: "0", last: "z" },
      { first: "0", last: null },
      { first: "4", last: 2 },
      { first: { toString: 1, valueOf: 1 }, last: 4 },
      { first: "0", last: { toString: 1, valueOf: 1 } },
    ];
    const store = beside(made, LOG_INDEX_TABLE, bad);
    const id = await made.put(made.eventOf());
    assert.equal((await sealerOver(store).step()).events, 1);
    assert.equal((await findEvent(store, id, 6))?.index, 5);
    // What the feed tells again is found by the row that is as it ought to be.
    const again = await store.feed(undefined, 100);
    const repeating: Store = {
      ...store,
      feed: async (cursor, limit) => ({ ...again, ...(await store.feed(cursor, limit)), items: again.items }),
    };
    assert.equal((await sealerOver(repeating).step()).events, 0);
  });

  void it("of the index lead over no more of the log than one step seals", () => {
    const far = Number.MAX_SAFE_INTEGER;
    assert.equal(rowsIn([{ first: 0, last: far }], 1_000_000_000).size, 0);
    assert.deepEqual([...rowsIn([{ first: 500, last: 520 }], 1_000_000_000)], [1, 2]);
    // One step at its largest.
    assert.equal(rowsIn([{ first: 0, last: 99_999 }], 1_000_000_000).size, 391);
  });

  void it("of the log are told as tampering, and so is what cannot be read", async () => {
    for (const events of [[null], "x", [[0, "evt_1"]]]) {
      const made = await scene();
      const item = { ...(await made.store.get(LOG_TABLE, { hash: entriesId(0) })), events } as Item;
      await made.put(made.eventOf());
      const store: Store = {
        ...made.store,
        getMany: async (refs) =>
          (await made.store.getMany(refs)).map((found, n) => (refs[n]?.key.hash === entriesId(0) && refs.length === 1 ? item : found)),
      };
      await assert.rejects(sealerOver(store).step(), LogTamperedError);
    }
    const first = await (await scene()).store.get(LOG_TABLE, { hash: entriesId(0) });
    for (const row of [null, { ...first, organisations: [{ toString: 1, valueOf: 1 }] }]) {
      const made = await scene();
      const id = await made.put(made.eventOf());
      const store: Store = {
        ...made.store,
        getMany: async (refs) =>
          (await made.store.getMany(refs)).map((found, n) => (refs[n]?.key.hash === entriesId(0) ? (row as unknown as Item) : found)),
      };
      // Behind the look at the state, which finds it as well.
      const known = sealerOver(made.store);
      assert.equal((await known.step()).events, 1);
      const again = await made.store.feed(undefined, 100);
      const repeating: Store = { ...store, feed: async () => again };
      await assert.rejects(sealerOver(repeating).step(), LogTamperedError, JSON.stringify(row));
      await assert.rejects(findEvent(store, id, 6), InvariantError);
    }
    const made = await scene();
    await made.put(made.eventOf());
    const unreadable: Store = { ...made.store, query: async () => Promise.reject(new SyntaxError("Unexpected token")) };
    await assert.rejects(sealerOver(unreadable).step(), LogTamperedError);
    // And those that are looked at before anything is built upon them: what SQLite reads of a file that was edited.
    const isCut = (hash: string | undefined): boolean => hash === stateKey.hash || hash === entriesId(0);
    const cut = (): Promise<never> => Promise.reject(new SyntaxError("Unexpected token"));
    const { store } = made;
    for (const edited of [
      { ...store, get: ((table, key) => (isCut(key.hash) ? cut() : store.get(table, key))) satisfies Store["get"] },
      { ...store, getMany: ((refs) => (isCut(refs[0]?.key.hash) ? cut() : store.getMany(refs))) satisfies Store["getMany"] },
    ])
      await assert.rejects(sealerOver(edited).step(), LogTamperedError);
    const kept = { id: "cosigned", size: 0, checkpoint: "", by: [null], version: 1 };
    await made.store.commit([{ op: "put", table: LOG_TABLE, item: kept, condition: "none" }]);
    await assert.rejects(sealerOver(made.store).step(), LogTamperedError);
  });

  void it("are events without an id that could be found, which are told as tampering", async () => {
    for (const event_id of ["", { toString: 1, valueOf: 1 }, []] as unknown as string[]) {
      const { sealer, eventOf, slip } = await scene();
      slip(eventOf({ event_id }));
      await assert.rejects(sealer.step(), LogTamperedError);
    }
    const { sealer, eventOf, slip } = await scene();
    slip(eventOf({ organisation_id: { toString: 1, valueOf: 1 } }));
    await assert.rejects(sealer.step(), LogTamperedError);
  });
});
