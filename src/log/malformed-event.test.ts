import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, newId, T0 } from "#test/support/builders.ts";
import { buildEvent } from "#audit/index.ts";
import { systemRandom } from "#kernel/random.ts";
import type { Item, Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { findEvent } from "./find.ts";
import { sha256 } from "./hashing.ts";
import { usualText } from "./leaf.ts";
import { signerOf } from "./note-keys.ts";
import { bucketOf, LOG_INDEX_TABLE } from "./rows.ts";
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
