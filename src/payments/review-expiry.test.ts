import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aTransaction, anAccount, EUR, keep, minor, newId, ORG, paymentDeps, T0, testClock } from "#test/support/builders.ts";
import type { CommitQueue, Executed } from "#commit/index.ts";
import { organisations } from "#identity/index.ts";
import type { ReviewId } from "#kernel/ids.ts";
import { firstIdAt } from "#kernel/ids.ts";
import { accounts, note, readAccount, reserve, transactions } from "#ledger/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import type { Fault, Operation } from "#storage/memory/memory-store.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { readReview } from "./read.ts";
import type { Review } from "./review.ts";
import { reviews } from "./review.ts";
import { createReviewExpiry } from "./review-expiry.ts";

const HOUR = 3_600_000;
const END = T0 + 96 * HOUR;
/** Reviews of one shard that one run looks at. */
const PER_RUN = 200;

/** A review opened at `createdAt`, in shard 0, with its payment and its payer's held funds. */
function waiting(createdAt: number, n: number) {
  const id = newId("transaction");
  const reserved = reserve(anAccount({ balance: minor(100) }), { id, amount: minor(100), expiresAt: null }, createdAt);
  assert.ok(reserved.ok);
  const { payer, payee, legs } = note(id, reserved.account, anAccount(), createdAt);
  const reviewId = `${firstIdAt("review", createdAt)}7000800${String(n).padStart(8, "0")}0` as ReviewId;
  const fields = { id, status: "pending_review", assessment: { score: 9000 }, amount: minor(100), postedAt: null, reviewId } as const;
  const transaction = aTransaction(payer, payee, legs, fields);
  const review: Review = {
    id: reviewId,
    organisationId: ORG,
    transactionId: id,
    fromAccountId: payer.id,
    toAccountId: payee.id,
    amount: minor(100),
    currency: EUR,
    status: "open",
    assessment: {},
    createdAt,
    decidedAt: null,
    decidedBy: null,
    version: 1,
  };
  return { payer, transaction, review };
}

/** The same in another shard of the index. */
function inShard(last: string, { payer, transaction, review }: ReturnType<typeof waiting>): ReturnType<typeof waiting> {
  const id = `${review.id.slice(0, -1)}${last}` as ReviewId;
  return { payer, transaction: { ...transaction, reviewId: id }, review: { ...review, id } };
}

async function stage(made: readonly ReturnType<typeof waiting>[], faults: (operation: Operation) => Fault = () => ({ kind: "none" })) {
  const clock = testClock(END);
  const store = openMemoryStore(createMemoryDatabase(), { clock, faults });
  const errors: unknown[] = [];
  await keep(
    store,
    reviews,
    made.map(({ review }) => review),
  );
  await keep(
    store,
    transactions,
    made.map(({ transaction }) => transaction),
  );
  await keep(
    store,
    accounts,
    made.map(({ payer }) => payer),
  );
  const nodes = [1, 2].map((seed) => createReviewExpiry({ ...paymentDeps(store, clock, seed), onError: (error) => errors.push(error) }));
  const statusOf = async ({ review }: ReturnType<typeof waiting>) => (await readReview(store, ORG, review.id))?.status;
  return { clock, store, errors, nodes, statusOf };
}

void describe("the timer of reviews", () => {
  void it("gives up those whose time is over, on several nodes at once, and leaves the others", async () => {
    const over = [waiting(T0 - 1, 0), waiting(T0, 1)];
    const open = [waiting(T0 + 1, 2), waiting(T0 + 50 * HOUR, 3)];
    const { store, nodes, errors, statusOf, clock } = await stage([...over, ...open]);
    await Promise.all([...nodes, ...nodes].map((node) => node.work()));
    for (const one of over) {
      assert.equal(await statusOf(one), "expired");
      assert.deepEqual((await readAccount(store, ORG, one.payer.id))?.reserved, []);
    }
    for (const one of open) {
      assert.equal(await statusOf(one), "open");
      assert.equal((await readAccount(store, ORG, one.payer.id))?.reserved.length, 1);
    }
    const feed = await store.feed(undefined, 100);
    assert.deepEqual(
      feed.items.map((event) => String(event.object_id)).toSorted((a, b) => (a < b ? -1 : 1)),
      over.map(({ review }) => review.id),
    );
    assert.equal(await nodes[0]?.work(), 0);
    clock.time += HOUR;
    assert.equal(await nodes[0]?.work(), 1);
    assert.deepEqual(errors, []);
  });

  void it("goes on where it ended, so that old reviews of a patient organisation do not hide the others", async () => {
    const patient = newId("organisation");
    const reviews = { dueHours: 1, expiryHours: 8760, fourEyesAbove: new Map() };
    const settings = { rateLimitPerMinute: 1, rateLimitCeiling: 1, keyRateLimitPerMinute: 1, ipAllowlist: [], reviews };
    const old = Array.from({ length: PER_RUN + 50 }, (_, n) => waiting(T0 - 10 * HOUR, n)).map((one) => ({
      ...one,
      review: { ...one.review, organisationId: patient },
    }));
    const hidden = waiting(T0, PER_RUN + 50);
    const { store, nodes, statusOf, errors } = await stage([...old, hidden]);
    await keep(store, organisations, [{ id: patient, name: "Patient", settings, createdAt: T0, version: 1 }]);
    const [node] = nodes;
    assert.equal(await node?.work(), 0);
    assert.equal(await statusOf(hidden), "open");
    assert.equal(await node?.work(), 1);
    assert.equal(await statusOf(hidden), "expired");
    assert.deepEqual(errors, []);
  });

  void it("does not let one review that cannot be written hold up the others, on its page or in other shards", async () => {
    const stuck = waiting(T0 - 2, 0);
    const behind = waiting(T0 - 1, 1);
    const elsewhere = inShard("Z", waiting(T0 - 1, 2));
    const deps = async () => {
      const on = await stage([stuck, behind, elsewhere]);
      return { ...on, means: paymentDeps(on.store, on.clock, 5) };
    };
    const refusals: readonly ((key: string) => Promise<Executed> | undefined)[] = [
      (key) => (key === stuck.review.id ? Promise.resolve({ ok: false, code: "contention" }) : undefined),
      (key) => (key === stuck.review.id ? Promise.reject(new Error("a stored review has its transaction and payer")) : undefined),
    ];
    for (const refusal of refusals) {
      const { means, errors, statusOf } = await deps();
      const execute: CommitQueue["execute"] = (command) => refusal(command.needs[0]?.key.hash ?? "") ?? means.queue.execute(command);
      const timer = createReviewExpiry({ ...means, queue: { ...means.queue, execute }, onError: (error) => errors.push(error) });
      assert.equal(await timer.work(), 2);
      assert.deepEqual([await statusOf(stuck), await statusOf(behind), await statusOf(elsewhere)], ["open", "expired", "expired"]);
      assert.equal(errors.length, 1);
    }
  });

  void it("begins each run at another shard, so that one at which runs end does not hide the others", async () => {
    const first = waiting(T0 - 1, 0);
    const other = inShard("Z", waiting(T0 - 1, 1));
    const { store, clock, errors, statusOf } = await stage([first, other]);
    const means = paymentDeps(store, clock, 5);
    const execute: CommitQueue["execute"] = (command) =>
      command.needs[0]?.key.hash === first.review.id
        ? Promise.resolve({ ok: false, code: "store_unavailable" })
        : means.queue.execute(command);
    const timer = createReviewExpiry({ ...means, queue: { ...means.queue, execute }, onError: (error) => errors.push(error) });
    await timer.work();
    assert.equal(await statusOf(other), "open", "a store that is away ends the run");
    await timer.work();
    assert.equal(await statusOf(other), "expired");
  });

  void it("tells what went wrong and tries again the next time", async () => {
    for (const failing of ["query", "commit"] as const) {
      let broken = false;
      const one = waiting(T0, 0);
      const fault = (operation: Operation): Fault => ({ kind: broken && operation === failing ? "unavailable" : "none" });
      const { nodes, errors, statusOf } = await stage([one], fault);
      broken = true;
      await nodes[0]?.work();
      assert.deepEqual([errors.length, await statusOf(one)], [1, "open"]);
      broken = false;
      assert.equal(await nodes[0]?.work(), 1);
      assert.equal(await statusOf(one), "expired");
    }
  });
});
