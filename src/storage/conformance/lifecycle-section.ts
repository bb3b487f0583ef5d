import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Item, type Store, StoreUnavailableError } from "../port.ts";
import { stateHash } from "../state-hash.ts";
import {
  account,
  assertCommitted,
  collect,
  distinct,
  drain,
  drainUntil,
  event,
  eventId,
  eventually,
  putAbsent,
  putEvent,
  putVersion,
  type Section,
  seed,
  unique,
  useHarness,
  textOf,
} from "./harness.ts";

const IDEMPOTENCY = "smartfinance-idempotency";
const NOW = 1_800_000_000;
const MAX_PURGES = 10_000;

async function present(store: Store, items: readonly Item[]): Promise<number> {
  const refs = items.map((item) => ({ table: IDEMPOTENCY, key: { hash: textOf(item, "id") } }) as const);
  return (await store.getMany(refs)).filter((item) => item !== undefined).length;
}

/** `purgeExpired`, `ping`, `close` and opening again. */
export function lifecycleSection(section: Section): void {
  const { expiry, lagMs } = section.options;

  void describe("purgeExpired", () => {
    const harness = useHarness(section);

    void it("deletes only what is past, a bounded number at a time", async () => {
      const { store } = harness();
      const record = (expires: number): Item => ({ id: unique("idem"), expires_at: expires });
      // 1,200 in all: one call may not take them at one go, or a large backlog would block the engine.
      const past = Array.from({ length: 1_000 }, (_, n) => record(NOW - 1 - n));
      const kept = [...Array.from({ length: 200 }, (_, n) => record(NOW + 1 + n)), { id: unique("idem") }];
      const elsewhere = { id: unique("meta"), expires_at: 1 };
      await seed(
        store,
        [...past, ...kept].map((item) => putAbsent(IDEMPOTENCY, item)),
      );
      assertCommitted(await store.commit([putAbsent("smartfinance-meta", elsewhere)]));
      assert.ok((await store.purgeExpired(NOW - 100_000)) === 0, "nothing had expired");
      assert.equal(await present(store, past), past.length);
      let purged = 0;
      for (let call = 0; call < MAX_PURGES; call++) {
        const count = await store.purgeExpired(NOW);
        if (call === 0) assert.ok(count < past.length, "one call purged the whole backlog");
        purged += count;
        if (count === 0) break;
      }
      if (expiry === "store") {
        assert.equal(purged, past.length);
        assert.equal(await present(store, past), 0);
      }
      assert.equal(await present(store, kept), kept.length);
      assert.deepEqual(await store.get("smartfinance-meta", { hash: elsewhere.id }), elsewhere);
    });

    void it("leaves a record whose time to live was moved, and an expired key can be taken again", async () => {
      const { store } = harness();
      const id = unique("idem");
      assertCommitted(await store.commit([putAbsent(IDEMPOTENCY, { id, expires_at: NOW - 10, version: 1 })]));
      assertCommitted(await store.commit([putVersion(IDEMPOTENCY, { id, expires_at: NOW + 10, version: 2 }, 1)]));
      await store.purgeExpired(NOW);
      assert.deepEqual(await store.get(IDEMPOTENCY, { hash: id }), { id, expires_at: NOW + 10, version: 2 });
      if (expiry !== "store") return;
      for (let call = 0; call < MAX_PURGES && (await store.purgeExpired(NOW + 11)) > 0; call++);
      assert.equal(await store.get(IDEMPOTENCY, { hash: id }), undefined);
      assertCommitted(await store.commit([putAbsent(IDEMPOTENCY, { id, fresh: true })]));
    });
  });

  void describe("open, ping, close", () => {
    void it("answers a ping, tells sound limits and the hash of nothing", async () => {
      const harness = await section.open();
      try {
        await harness.store.ping();
        const { limits } = harness.store;
        for (const limit of Object.values(limits)) assert.ok(limit === true || (Number.isSafeInteger(limit) && Number(limit) >= 1));
        assert.ok(limits.writesPerCommit >= 25, "a transfer needs room for its writes");
        assert.equal(await stateHash(harness.store.dump()), await stateHash([]));
      } finally {
        await harness.dispose();
      }
    });

    void it("refuses everything after close, which may be called twice", async () => {
      const harness = await section.open();
      try {
        const { store } = harness;
        await store.close();
        await store.close();
        assert.equal((await store.commit([putAbsent("smartfinance-meta", { id: unique("meta") })])).outcome, "unavailable");
        await assert.rejects(async () => store.get("smartfinance-meta", { hash: "x" }), StoreUnavailableError);
        await assert.rejects(async () => store.get("smartfinance-accounts", { hash: "x" }), StoreUnavailableError);
        await assert.rejects(async () => store.getMany([{ table: "smartfinance-meta", key: { hash: "x" } }]), StoreUnavailableError);
        await assert.rejects(
          async () => store.query({ table: "smartfinance-meta", hash: "x", order: "ascending", limit: 1 }),
          StoreUnavailableError,
        );
        await assert.rejects(async () => store.feed(undefined, 1), StoreUnavailableError);
        await assert.rejects(async () => store.purgeExpired(NOW), StoreUnavailableError);
        await assert.rejects(async () => store.ping(), StoreUnavailableError);
      } finally {
        await harness.dispose();
      }
    });

    void it("finishes what is in flight when closed, and keeps exactly what it acknowledged", async () => {
      const harness = await section.open();
      try {
        const items = Array.from({ length: 30 }, () => ({ id: unique("meta") }));
        const running = items.map((item) => harness.store.commit([putAbsent("smartfinance-meta", item), putEvent(event())]));
        const closing = harness.store.close();
        const outcomes = (await Promise.all(running)).map(({ outcome }) => outcome);
        await closing;
        assert.ok(outcomes.every((outcome) => outcome === "committed" || outcome === "unavailable"));
        if (harness.reopen === undefined) return;
        const store = await harness.reopen();
        const found = await store.getMany(items.map(({ id }) => ({ table: "smartfinance-meta", key: { hash: id } })));
        assert.deepEqual(
          found.map((item) => (item === undefined ? "unavailable" : "committed")),
          outcomes,
        );
      } finally {
        await harness.dispose();
      }
    });

    void it("keeps everything when opened again: items, conditions, indexes, the feed's order and its cursors", async (t) => {
      const harness = await section.open();
      try {
        if (harness.reopen === undefined) {
          t.diagnostic("this engine's data does not outlive close");
          return;
        }
        const { store } = harness;
        const id = unique("acc");
        const events = Array.from({ length: 25 }, (_, n) => event({ n }));
        const pending = { partition: unique("p"), id: "txn", status_key: unique("org#pending"), version: 1 };
        assertCommitted(
          await store.commit([putAbsent("smartfinance-accounts", account(id, 1)), putAbsent("smartfinance-transactions", pending)]),
        );
        for (const item of events) assertCommitted(await store.commit([putEvent(item)]));
        assertCommitted(await store.commit([putVersion("smartfinance-accounts", account(id, 2), 1)]));
        const before = await drainUntil(store, undefined, 7, events.map(eventId), lagMs);
        const middle = (await store.feed(undefined, 10)).cursor;
        const rest = (await drain(store, middle, 10)).items;
        const hash = await stateHash(store.dump());

        const again = await harness.reopen();
        assert.equal(await stateHash(again.dump()), hash);
        assert.deepEqual(distinct((await drain(again, undefined, 100)).items), distinct(before.items));
        assert.deepEqual(distinct((await drain(again, middle, 10)).items), distinct(rest));
        assert.deepEqual(await again.feed(before.cursor, 10), { items: [], cursor: before.cursor });
        const late = event({ after: "reopening" });
        assertCommitted(await again.commit([putEvent(late)]));
        const news = await drainUntil(again, before.cursor, 10, [late.event_id], lagMs);
        assert.deepEqual(distinct(news.items), [late.event_id], "an old cursor skips or repeats after reopening");
        assert.equal((await again.commit([putVersion("smartfinance-accounts", account(id, 2), 1)])).outcome, "conflict");
        assert.equal((await again.commit([putAbsent("smartfinance-accounts", account(id, 1))])).outcome, "conflict");
        assertCommitted(await again.commit([putVersion("smartfinance-accounts", account(id, 3), 2)]));
        await eventually(lagMs, async () => {
          const query = { table: "smartfinance-accounts", order: "ascending", limit: 10 } as const;
          assert.deepEqual(await collect(again, { ...query, index: "UserAccountsIndex", hash: `user-of-${id}` }), [account(id, 3)]);
          assert.deepEqual(
            await collect(again, {
              ...query,
              table: "smartfinance-transactions",
              index: "StatusTransactionsIndex",
              hash: pending.status_key,
            }),
            [pending],
          );
        });
      } finally {
        await harness.dispose();
      }
    });
  });
}
