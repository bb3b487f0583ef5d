import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InvariantError } from "#kernel/assert.ts";
import type { Item, Query, Store } from "../port.ts";
import { InvalidCursorError } from "../port.ts";
import { assertCommitted, collect, eventually, putAbsent, putVersion, type Section, seed, unique, useHarness, textOf } from "./harness.ts";

const TRANSACTIONS = "smartfinance-transactions";
const REVIEWS = "smartfinance-reviews";

const pad = (n: number): string => `txn_${String(n).padStart(4, "0")}`;
const idsOf = (items: readonly Item[]): string[] => items.map((item) => textOf(item, "id"));

/** Where a test's 260 items are found: by the primary key and by an index that has a hash to itself. */
interface Place {
  readonly name: string;
  prepare(store: Store): Promise<Pick<Query, "table" | "index" | "hash">>;
}

const COUNT = 260;

const places: readonly Place[] = [
  {
    name: "primary key",
    async prepare(store) {
      const partition = unique("partition");
      const other = `${partition}x`;
      const rows = Array.from({ length: COUNT }, (_, n) => putAbsent(TRANSACTIONS, { partition, id: pad(n), n, version: 1 }));
      await seed(store, [...shuffled(rows), putAbsent(TRANSACTIONS, { partition: other, id: pad(5), foreign: true })]);
      return { table: TRANSACTIONS, hash: partition };
    },
  },
  {
    name: "index across partitions",
    async prepare(store) {
      const hash = unique("org#pending");
      const rows = Array.from({ length: COUNT }, (_, n) =>
        putAbsent(TRANSACTIONS, { partition: `${hash}#${n % 7}`, id: pad(n), n, status_key: hash, version: 1 }),
      );
      const foreign = putAbsent(TRANSACTIONS, { partition: `${hash}#0`, id: "txn_0001x", status_key: `${hash}x` });
      await seed(store, [...shuffled(rows), foreign, putAbsent(TRANSACTIONS, { partition: `${hash}#0`, id: "txn_0002x" })]);
      return { table: TRANSACTIONS, index: "StatusTransactionsIndex", hash };
    },
  },
  {
    name: "fixed index of a hot table",
    async prepare(store) {
      const user = unique("user");
      const rows = Array.from({ length: COUNT }, (_, n) =>
        putAbsent("smartfinance-accounts", { id: `${user}-${pad(n)}`, user_id: user, organisation_id: unique("org"), version: 1 }),
      );
      await seed(store, [...shuffled(rows), putAbsent("smartfinance-accounts", { id: `${user}-zz`, user_id: `${user}x` })]);
      return { table: "smartfinance-accounts", index: "UserAccountsIndex", hash: user };
    },
  },
];

/** A fixed permutation: 101 and 262 have no common factor, so every place is met once. */
function shuffled<T>(list: readonly T[]): T[] {
  return list.map((_, n) => list[(n * 101) % list.length] as T);
}

/** `query` on primary keys and indexes. */
export function querySection(section: Section): void {
  const { lagMs } = section.options;
  void describe("query", () => {
    const harness = useHarness(section);

    for (const place of places) {
      void it(`by ${place.name}: order, pages, bounds, limits`, async () => {
        const { store } = harness();
        const base = await place.prepare(store);
        const all = { ...base, order: "ascending", limit: 1_000 } as const;
        await eventually(lagMs, async () => assert.equal((await collect(store, all)).length, COUNT));
        const expected = idsOf(await collect(store, all));
        assert.deepEqual(expected, expected.toSorted());
        assert.deepEqual(
          expected.map((id) => id.slice(-8)),
          Array.from({ length: COUNT }, (_, n) => pad(n)),
        );
        for (const limit of [7, 130, 260, 999]) {
          assert.deepEqual(idsOf(await collect(store, { ...all, limit })), expected, `ascending by ${limit}`);
          const descending = await collect(store, { ...all, limit, order: "descending" });
          assert.deepEqual(idsOf(descending), expected.toReversed(), `descending by ${limit}`);
        }
        const from = expected[20] ?? "";
        const to = expected[40] ?? "";
        for (const limit of [4, 1_000]) {
          const bounded = { ...all, from, to, limit };
          assert.deepEqual(idsOf(await collect(store, bounded)), expected.slice(20, 41), "both bounds are inclusive");
          assert.deepEqual(idsOf(await collect(store, { ...bounded, order: "descending" })), expected.slice(20, 41).toReversed());
        }
        assert.deepEqual(idsOf(await collect(store, { ...all, from: `${from}!` })), expected.slice(21), "a bound need not exist");
        assert.deepEqual(idsOf(await collect(store, { ...all, to })), expected.slice(0, 41));
        assert.deepEqual(await collect(store, { ...all, from: to, to: from }), [], "nothing lies between crossed bounds");
        assert.deepEqual(idsOf((await store.query({ ...all, limit: 1 })).items), expected.slice(0, 1));
        assert.deepEqual(idsOf((await store.query({ ...all, limit: 1, order: "descending" })).items), expected.slice(-1));
        assert.deepEqual(await store.query({ ...all, hash: unique("nothing") }), { items: [] });
      });
    }

    void it("gives whole items", async () => {
      const { store } = harness();
      const item = { partition: unique("p"), id: "txn", status_key: unique("org#held"), nested: { list: [1, null] }, version: 1 };
      assertCommitted(await store.commit([putAbsent(TRANSACTIONS, item)]));
      const base = { table: TRANSACTIONS, order: "ascending", limit: 10 } as const;
      assert.deepEqual((await store.query({ ...base, hash: item.partition })).items, [item]);
      await eventually(lagMs, async () => {
        assert.deepEqual((await store.query({ ...base, index: "StatusTransactionsIndex", hash: item.status_key })).items, [item]);
      });
    });

    void it("reads a table without a range attribute", async () => {
      const { store } = harness();
      const id = unique("meta");
      assertCommitted(await store.commit([putAbsent("smartfinance-meta", { id, n: 1 })]));
      const query = { table: "smartfinance-meta", hash: id, order: "ascending", limit: 10 } as const;
      assert.deepEqual(await collect(store, query), [{ id, n: 1 }]);
      assert.deepEqual(await collect(store, { ...query, limit: 1, order: "descending" }), [{ id, n: 1 }]);
    });

    void it("orders range keys by their UTF-8 bytes", async () => {
      const { store } = harness();
      const partition = unique("p");
      // U+FF5E comes before U+1F3E6 in UTF-8 and after it in UTF-16.
      const ranges = ["a", "B", "b", "_", "-", "~", "10", "9", "ab", "a b", "a-", "é", "e\u0301", "z", "\uff5e", "🏦", "\ud7ff", "\ue000"];
      await seed(
        store,
        ranges.map((id) => putAbsent(TRANSACTIONS, { partition, id })),
      );
      const bytewise = ranges.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      const query = { table: TRANSACTIONS, hash: partition, order: "ascending", limit: 4 } as const;
      assert.deepEqual(idsOf(await collect(store, query)), bytewise);
      assert.deepEqual(idsOf(await collect(store, { ...query, order: "descending" })), bytewise.toReversed());
      assert.deepEqual(idsOf(await collect(store, { ...query, from: "\uff5e" })), bytewise.slice(bytewise.indexOf("\uff5e")));
    });

    void it("goes on after a cursor whose item is gone, and meets items put behind it", async () => {
      const { store } = harness();
      const partition = unique("p");
      await seed(
        store,
        [0, 2, 4, 6].map((n) => putAbsent(TRANSACTIONS, { partition, id: pad(n) })),
      );
      const query = { table: TRANSACTIONS, hash: partition, order: "ascending", limit: 2 } as const;
      const first = await store.query(query);
      assert.deepEqual(idsOf(first.items), [pad(0), pad(2)]);
      assert.ok(first.cursor !== undefined);
      assert.match(first.cursor, /^[\x20-\x7e]+$/, "a cursor is printable");
      assertCommitted(
        await store.commit([
          { op: "delete", table: TRANSACTIONS, key: { hash: partition, range: pad(2) }, condition: "none" },
          putAbsent(TRANSACTIONS, { partition, id: pad(1) }),
          putAbsent(TRANSACTIONS, { partition, id: pad(3) }),
        ]),
      );
      assert.deepEqual(idsOf(await collect(store, { ...query, cursor: first.cursor })), [pad(3), pad(4), pad(6)]);
    });

    void it("refuses a cursor that no page gave, also where there is nothing", async () => {
      const { store } = harness();
      const partition = unique("p");
      await seed(store, [putAbsent(TRANSACTIONS, { partition, id: pad(0), status_key: partition })]);
      const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
      for (const cursor of ["x", "%%%", pad(0), encoded([]), encoded({}), encoded([1, 2]), encoded(["a", "b", "c", "d"])]) {
        for (const hash of [partition, unique("p")]) {
          const query = { table: TRANSACTIONS, hash, order: "descending", limit: 2, cursor } as const;
          await assert.rejects(store.query(query), InvalidCursorError, cursor);
          await assert.rejects(store.query({ ...query, index: "StatusTransactionsIndex" }), InvalidCursorError, cursor);
        }
        await assert.rejects(store.feed(`?${cursor}`, 10), InvalidCursorError, cursor);
      }
    });

    void it("shows an item in a sparse index while it carries the attribute", async () => {
      const { store } = harness();
      const partition = unique("p");
      const pending = `${partition}#pending`;
      const review = `${partition}#review`;
      const listed = async (hash: string, expected: readonly Item[]): Promise<void> => {
        await eventually(lagMs, async () => {
          const query = { table: TRANSACTIONS, index: "StatusTransactionsIndex", hash, order: "ascending", limit: 10 } as const;
          assert.deepEqual((await store.query(query)).items, expected);
        });
      };
      const plain = { partition, id: "txn", version: 1 };
      assertCommitted(await store.commit([putAbsent(TRANSACTIONS, plain)]));
      await listed(pending, []);
      const second = { ...plain, version: 2, status_key: pending };
      assertCommitted(await store.commit([putVersion(TRANSACTIONS, second, 1)]));
      await listed(pending, [second]);
      const third = { ...plain, version: 3, status_key: review };
      assertCommitted(await store.commit([putVersion(TRANSACTIONS, third, 2)]));
      await listed(pending, []);
      await listed(review, [third]);
      const same = { ...third, version: 4, note: "changed" };
      assertCommitted(await store.commit([putVersion(TRANSACTIONS, same, 3)]));
      await listed(review, [same]);
      assertCommitted(await store.commit([putVersion(TRANSACTIONS, { ...plain, version: 5 }, 4)]));
      await listed(review, []);
      const again = { ...plain, version: 6, status_key: pending };
      assertCommitted(await store.commit([putVersion(TRANSACTIONS, again, 5)]));
      await listed(pending, [again]);
      const key = { hash: partition, range: "txn" };
      assertCommitted(await store.commit([{ op: "delete", table: TRANSACTIONS, key, condition: { version: 6 } }]));
      await listed(pending, []);
    });

    void it("keeps two indexes of one table apart and shows updates in a fixed one", async () => {
      const { store } = harness();
      const organisation = unique("org");
      const open = { id: unique("rev"), organisation_id: organisation, status_key: `${organisation}#open`, version: 1 };
      assertCommitted(await store.commit([putAbsent(REVIEWS, open)]));
      const closed = { ...open, status_key: `${organisation}#closed`, version: 2 };
      assertCommitted(await store.commit([putVersion(REVIEWS, closed, 1)]));
      const query = { table: REVIEWS, order: "ascending", limit: 10 } as const;
      await eventually(lagMs, async () => {
        const byStatus = (hash: string): Query => ({ ...query, index: "StatusReviewsIndex", hash });
        assert.deepEqual((await store.query(byStatus(open.status_key))).items, []);
        assert.deepEqual((await store.query(byStatus(closed.status_key))).items, [closed]);
        assert.deepEqual((await store.query({ ...query, index: "OrganisationReviewsIndex", hash: organisation })).items, [closed]);
        assert.deepEqual((await store.query({ ...query, index: "OrganisationReviewsIndex", hash: closed.status_key })).items, []);
      });
    });

    void it("refuses a limit outside 1 to 1,000 and an index that is not declared", async () => {
      const { store } = harness();
      const query: Query = { table: TRANSACTIONS, hash: "h", order: "ascending", limit: 10 };
      for (const limit of [0, -1, 1_001, 1.5, Number.NaN])
        await assert.rejects(async () => store.query({ ...query, limit }), InvariantError);
      await assert.rejects(async () => store.query({ ...query, index: "NoSuchIndex" }), InvariantError);
      assert.deepEqual((await store.query({ ...query, hash: unique("h"), limit: 1_000 })).items, []);
    });
  });
}
