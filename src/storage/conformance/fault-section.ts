import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CommitResult, type Item, type Store, StoreUnavailableError, type Write } from "../port.ts";
import {
  account,
  assertCommitted,
  assertConflict,
  drainUntil,
  event,
  eventId,
  type Harness,
  type InjectableFault,
  type Injector,
  putAbsent,
  putEvent,
  putVersion,
  type Section,
  unique,
  useHarness,
  textOf,
} from "./harness.ts";

const ACCOUNTS = "smartfinance-accounts";

/** A commit as ours are: a condition on a version, something under absent, an event. */
interface Sample {
  readonly id: string;
  readonly audit: Item & { readonly event_id: string };
  readonly writes: readonly Write[];
}

async function sample(store: Store): Promise<Sample> {
  const id = unique("acc");
  assertCommitted(await store.commit([putAbsent(ACCOUNTS, account(id, 1))]));
  const audit = event();
  return {
    id,
    audit,
    writes: [putVersion(ACCOUNTS, account(id, 2), 1), putAbsent("smartfinance-idempotency", { id }), putEvent(audit)],
  };
}

async function armed<T>(inject: Injector, fault: InjectableFault, work: () => Promise<T>): Promise<T> {
  inject.arm(fault);
  try {
    return await work();
  } finally {
    inject.disarm();
  }
}

async function assertWritten(store: Store, { id, audit }: Sample, options: Section["options"]): Promise<void> {
  assert.deepEqual(await store.get(ACCOUNTS, { hash: id }), account(id, 2));
  assert.deepEqual(await store.get("smartfinance-idempotency", { hash: id }), { id });
  const { items } = await drainUntil(store, undefined, 1_000, [audit.event_id], options.lagMs);
  const times = items.filter((item) => eventId(item) === audit.event_id).length;
  assert.ok(times === 1 || options.feed === "at_least_once", "the event is in the feed twice");
}

async function assertUntouched(store: Store, { id, audit }: Sample): Promise<void> {
  assert.deepEqual(await store.get(ACCOUNTS, { hash: id }), account(id, 1));
  assert.equal(await store.get("smartfinance-idempotency", { hash: id }), undefined);
  assert.equal(await store.get("smartfinance-audit-logs", { hash: textOf(audit, "partition"), range: audit.event_id }), undefined);
}

/** What a store says when its engine fails, as far as the engine's injector can bring it about. */
export function faultSection(section: Section): void {
  const { options } = section;
  void describe("faults", () => {
    const harness = useHarness(section);

    const offered = (fault: InjectableFault, test: (store: Harness["store"], inject: Injector) => Promise<void>) => {
      return async (t: { diagnostic(message: string): void }): Promise<void> => {
        const { store, inject } = harness();
        if (inject?.offers.includes(fault) === true) await test(store, inject);
        else t.diagnostic(`this engine's harness does not inject ${fault}`);
      };
    };

    void it(
      "written but timed out: unknown; sent again it happens no second time",
      offered("written_timeout", async (store, inject) => {
        const one = await sample(store);
        const first = await armed(inject, "written_timeout", () => store.commit(one.writes));
        assert.equal(first.outcome, "unknown");
        await assertWritten(store, one, options);
        const again: CommitResult = await store.commit(one.writes);
        if (again.outcome !== "committed") assertConflict(again, [0, 1, 2]);
        await assertWritten(store, one, options);
      }),
    );

    void it(
      "timed out and not written: unknown; sent again it happens",
      offered("unwritten_timeout", async (store, inject) => {
        const one = await sample(store);
        const first = await armed(inject, "unwritten_timeout", () => store.commit(one.writes));
        assert.equal(first.outcome, "unknown");
        await assertUntouched(store, one);
        assertCommitted(await store.commit(one.writes));
        await assertWritten(store, one, options);
      }),
    );

    void it(
      "unavailable: nothing is written, then or later",
      offered("unavailable", async (store, inject) => {
        const one = await sample(store);
        const first = await armed(inject, "unavailable", () => store.commit(one.writes));
        assert.equal(first.outcome, "unavailable");
        await assertUntouched(store, one);
        assertCommitted(await store.commit(one.writes));
        await assertWritten(store, one, options);
      }),
    );

    void it(
      "throttled by concurrent transactions: a conflict that names no write",
      offered("throttled", async (store, inject) => {
        const one = await sample(store);
        const first = await armed(inject, "throttled", () => store.commit(one.writes));
        assert.deepEqual(first, { outcome: "conflict", writes: [] });
        await assertUntouched(store, one);
        assertCommitted(await store.commit(one.writes));
      }),
    );

    void it(
      "reads that cannot be answered throw StoreUnavailableError",
      offered("read_unavailable", async (store, inject) => {
        const { id } = await sample(store);
        const key = { hash: id };
        await armed(inject, "read_unavailable", async () => {
          await assert.rejects(async () => store.get("smartfinance-idempotency", key), StoreUnavailableError);
          await assert.rejects(async () => store.getMany([{ table: "smartfinance-idempotency", key }]), StoreUnavailableError);
          await assert.rejects(
            async () => store.query({ table: "smartfinance-transactions", hash: id, order: "ascending", limit: 1 }),
            StoreUnavailableError,
          );
          await assert.rejects(async () => store.feed(undefined, 1), StoreUnavailableError);
          await assert.rejects(async () => store.ping(), StoreUnavailableError);
        });
        await store.ping();
        assert.deepEqual(await store.get(ACCOUNTS, key), account(id, 1));
      }),
    );
  });
}
