import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ORG, OTHER_ORG, T0, testClock, testIds } from "#test/support/builders.ts";
import { firstIdAt, partitionOf } from "#kernel/ids.ts";
import { createMemoryDatabase } from "./memory/database.ts";
import { openMemoryStore } from "./memory/memory-store.ts";
import type { MergedQuery } from "./merge-partitions.ts";
import { mergePartitions } from "./merge-partitions.ts";
import type { Item, Store } from "./port.ts";

const TABLE = "smartfinance-audit-logs";

/** A store with events at the given distances in time, of two kinds, some of them another organisation's. */
async function storeWith(gaps: readonly number[], organisation = ORG): Promise<{ store: Store; ids: string[] }> {
  const clock = testClock(T0);
  const ids = testIds(gaps.length + 3, clock);
  const store = openMemoryStore(createMemoryDatabase());
  const items: Item[] = [];
  const foreign: Item[] = [];
  for (const [n, gap] of gaps.entries()) {
    clock.time += gap;
    const id = ids.next("event");
    items.push({ partition: partitionOf(organisation, id), event_id: id, n });
    if (n % 5 === 0) {
      const other = ids.next("event");
      foreign.push({ partition: partitionOf(OTHER_ORG, other), event_id: other, n });
    }
  }
  const all = [...items, ...foreign];
  for (let start = 0; start < all.length; start += 100) {
    const writes = all.slice(start, start + 100).map((item) => ({ op: "put", table: TABLE, item, condition: "absent" }) as const);
    assert.equal((await store.commit(writes)).outcome, "committed");
  }
  return { store, ids: items.map(({ event_id }) => String(event_id)) };
}

async function allPages(store: Store, query: Omit<MergedQuery, "before">, start?: string): Promise<{ ids: string[]; pages: number[] }> {
  const ids: string[] = [];
  const pages: number[] = [];
  let before = start;
  for (let page = 0; page < 400; page++) {
    const found = await mergePartitions(store, { ...query, before });
    assert.ok(found.items.length <= query.limit);
    pages.push(found.items.length);
    ids.push(...found.items.map(({ event_id }) => String(event_id)));
    if (found.next === undefined) return { ids, pages };
    assert.ok(before === undefined || found.next < before, "pages go on");
    before = found.next;
  }
  throw new Error("the pages do not end");
}

void describe("mergePartitions", () => {
  void it("gives what a plain sorted list would, page by page", async () => {
    const bound = fc.option(fc.integer({ min: -5, max: 400 }), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(0, 0, 1, 5), { maxLength: 150, size: "max" }),
        fc.integer({ min: 1, max: 40 }),
        fc.record({ from: bound, to: bound, every: fc.integer({ min: 1, max: 9 }) }),
        async (gaps, limit, { from, to, every }) => {
          const { store, ids } = await storeWith(gaps);
          const range = {
            from: from === undefined ? undefined : firstIdAt("event", T0 + from),
            to: to === undefined ? undefined : firstIdAt("event", T0 + to),
          };
          const keep = (item: Item): boolean => Number(item.n) % every === 0;
          const { ids: found } = await allPages(store, { table: TABLE, organisationId: ORG, ...range, limit, keep });
          const wanted = ids.filter(
            (id, n) => n % every === 0 && (range.from === undefined || id >= range.from) && (range.to === undefined || id <= range.to),
          );
          assert.deepEqual(found, wanted.toReversed());
        },
      ),
      { numRuns: 80 },
    );
  });

  void it("goes on before any id, also one that was never given", async () => {
    const { store, ids } = await storeWith(Array.from({ length: 90 }, () => 1));
    const query = { table: TABLE, organisationId: ORG, limit: 7, keep: () => true } as const;
    for (const start of [ids[40], firstIdAt("event", T0 + 33), "evt_", "evt_zzz", ids[0]]) {
      assert.ok(start !== undefined);
      const { ids: found } = await allPages(store, query, start);
      assert.deepEqual(found, ids.filter((id) => id < start).toReversed(), start);
    }
  });

  void it("treats a bound itself as inside and the cursor itself as outside", async () => {
    const { store, ids } = await storeWith(Array.from({ length: 30 }, () => 1));
    const [from, to] = [ids[5], ids[20]];
    const query = { table: TABLE, organisationId: ORG, from, to, limit: 100, keep: () => true } as const;
    assert.deepEqual(
      (await mergePartitions(store, query)).items.map(({ event_id }) => event_id),
      ids.slice(5, 21).toReversed(),
    );
    const rest = await mergePartitions(store, { ...query, before: ids[10] });
    assert.deepEqual(
      rest.items.map(({ event_id }) => event_id),
      ids.slice(5, 10).toReversed(),
    );
    assert.deepEqual((await mergePartitions(store, { ...query, from: to, to: from })).items, []);
  });

  void it("has no next page after the last item, also where the page is exactly full", async () => {
    for (const count of [0, 1, 6, 7, 8, 14]) {
      const { store } = await storeWith(Array.from({ length: count }, () => 1));
      const { pages } = await allPages(store, { table: TABLE, organisationId: ORG, limit: 7, keep: () => true });
      assert.deepEqual(pages, count === 0 ? [0] : Array.from({ length: Math.ceil(count / 7) }, (_, n) => Math.min(7, count - 7 * n)));
    }
  });

  void it("looks at 2,000 items for a page at most, and misses none of those after them", async () => {
    const { store } = await storeWith(Array.from({ length: 4100 }, () => 0));
    let looked = 0;
    const keep = (item: Item): boolean => {
      looked += 1;
      return item.n === 3;
    };
    const first = await mergePartitions(store, { table: TABLE, organisationId: ORG, limit: 5, keep });
    assert.deepEqual([first.items.length, looked], [0, 2000]);
    assert.ok(first.next !== undefined);
    const { pages } = await allPages(store, { table: TABLE, organisationId: ORG, limit: 5, keep }, first.next);
    assert.deepEqual(pages, [0, 1]);
  });

  void it("shows an organisation nothing of another's", async () => {
    const { store } = await storeWith(
      Array.from({ length: 20 }, () => 1),
      OTHER_ORG,
    );
    assert.deepEqual(await mergePartitions(store, { table: TABLE, organisationId: ORG, limit: 5, keep: () => true }), {
      items: [],
      next: undefined,
    });
  });
});
