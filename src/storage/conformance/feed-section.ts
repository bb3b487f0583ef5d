import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { FeedCursor, Item, Store } from "../port.ts";
import {
  account,
  assertCommitted,
  assertConflict,
  distinct,
  drain,
  drainUntil,
  event,
  eventId,
  inLanes,
  putAbsent,
  putEvent,
  type Section,
  unique,
  useHarness,
} from "./harness.ts";

const WRITERS = 8;
const COMMITS = 120;

/** `feed`: none missing, a stable order, nothing that was not committed. */
export function feedSection(section: Section): void {
  const { lagMs, feed } = section.options;

  /** The ids in the order read; an exactly-once feed must not repeat any. */
  const idsOf = (items: readonly Item[]): string[] => {
    const ids = distinct(items);
    if (feed === "exactly_once") assert.equal(ids.length, items.length, "the feed repeated an item");
    return ids;
  };

  void describe("feed", () => {
    const harness = useHarness(section);

    void it("is empty in a new store, and an empty page gives a cursor that stays", async () => {
      const { store } = harness();
      const first = await store.feed(undefined, 10);
      assert.deepEqual(first.items, []);
      assert.match(first.cursor, /^[\x20-\x7e]+$/, "a cursor is printable");
      assert.deepEqual(await store.feed(first.cursor, 10), first);
      // Writes outside the feed table do not move it.
      assertCommitted(await store.commit([putAbsent("smartfinance-meta", { id: unique("meta") })]));
      assert.deepEqual(await store.feed(first.cursor, 10), first);
      const item = event({ after: "the empty page" });
      assertCommitted(await store.commit([putEvent(item)]));
      const { items } = await drainUntil(store, first.cursor, 10, [item.event_id], lagMs);
      assert.deepEqual(items[0], item);
    });

    void it("gives whole items, all of one commit, and only what was committed", async () => {
      const { store } = harness();
      const before = (await drain(store, undefined, 100)).cursor;
      const id = unique("acc");
      const group = [event({ n: 1, nested: { list: ["é", null, 0.5] } }), event({ n: 2 }), event({ n: 3 })];
      assertCommitted(await store.commit([...group.map(putEvent), putAbsent("smartfinance-accounts", account(id, 1))]));
      const refused = event();
      assertConflict(await store.commit([putEvent(refused), putAbsent("smartfinance-accounts", account(id, 1))]), [1]);
      const twice = group[0] ?? event();
      assertConflict(await store.commit([putEvent(twice), putEvent(event({ never: true }))]), [0]);
      const last = event();
      assertCommitted(await store.commit([putEvent(last)]));
      const wanted = [...group, last];
      const { items, cursor } = await drainUntil(store, before, 2, wanted.map(eventId), lagMs);
      assert.deepEqual(idsOf(items).toSorted(), wanted.map(eventId).toSorted());
      for (const item of items) {
        assert.deepEqual(
          item,
          wanted.find((one) => one.event_id === item["event_id"]),
        );
      }
      assert.deepEqual(await store.feed(cursor, 100), { items: [], cursor });
    });

    void it("shows a reader that pages along under concurrent writers everything, in the order it keeps for ever", async () => {
      const { store } = harness();
      const before = (await drain(store, undefined, 100)).cursor;
      const committed: string[] = [];
      const refused: string[] = [];
      const taken = unique("acc");
      assertCommitted(await store.commit([putAbsent("smartfinance-accounts", account(taken, 1))]));
      let writing = true;
      const reader = readAlong(store, before, () => writing);
      try {
        await inLanes(COMMITS, WRITERS, async (n) => {
          const group = Array.from({ length: 1 + (n % 3) }, () => event({ n }));
          const fails = n % 10 === 9;
          const writes = group.map(putEvent);
          if (fails)
            assertConflict(await store.commit([...writes, putAbsent("smartfinance-accounts", account(taken, 1))]), [writes.length]);
          else assertCommitted(await store.commit(writes));
          (fails ? refused : committed).push(...group.map(eventId));
        });
      } finally {
        writing = false;
      }
      const along = await reader;
      const met = new Set(along.items.map(eventId));
      const rest = await drainUntil(
        store,
        along.cursor,
        7,
        committed.filter((id) => !met.has(id)),
        lagMs,
      );
      const seen = idsOf([...along.items, ...rest.items]);
      assert.deepEqual(seen.toSorted(), committed.toSorted(), "the feed is not exactly what was committed");
      assert.ok(!seen.some((id) => refused.includes(id)));
      for (const limit of [1_000, 13]) {
        assert.deepEqual(idsOf((await drain(store, before, limit)).items), seen, "a later reading has another order");
      }
      for (const { cursor, items } of along.pages) {
        const again = await store.feed(cursor, Math.max(items.length, 1));
        assert.deepEqual(again.items.map(eventId).slice(0, items.length), items.map(eventId), "an old cursor gives other items");
      }
      assert.deepEqual(idsOf((await drain(store, undefined, 100)).items).slice(-seen.length), seen);
    });
  });
}

interface Along {
  readonly items: Item[];
  readonly cursor: FeedCursor;
  /** Some of the pages met on the way, to be read again. */
  readonly pages: { readonly cursor: FeedCursor; readonly items: readonly Item[] }[];
}

/** Reads pages of 7 while `going`; bounded so that a broken writer cannot keep the test running. */
async function readAlong(store: Store, from: FeedCursor, going: () => boolean): Promise<Along> {
  const items: Item[] = [];
  const pages: Along["pages"] = [];
  let cursor = from;
  for (let read = 0; read < 100_000 && going(); read++) {
    const page = await store.feed(cursor, 7);
    if (page.items.length === 0) assert.equal(page.cursor, cursor, "an empty page moved the cursor");
    else if (pages.length < 20) pages.push({ cursor, items: page.items });
    items.push(...page.items);
    cursor = page.cursor;
    await sleep(1);
  }
  return { items, cursor, pages };
}
