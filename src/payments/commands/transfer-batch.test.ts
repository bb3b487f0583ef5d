import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CommitResult, Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { newId, seededRandom } from "#test/support/builders.ts";
import { createCommitQueue } from "#commit/index.ts";
import { aBank, answerOf, asking } from "./test-kit.ts";
import type { Answer } from "./test-kit.ts";
import { transfer } from "./transfer.ts";
import { MAX_ATOMIC, transferBatch } from "./transfer-batch.ts";

const resultsOf = ({ body }: Answer) =>
  body["results"] as { index: number; status: number; code?: string; param?: string; transaction_id?: string }[];
const statuses = (answer: Answer): unknown[] => resultsOf(answer).map(({ status, code }) => code ?? status);
const CHUNKS_OF_3 = { batchChunk: 3 };
const DAY_MS = 24 * 60 * 60 * 1000;

/** Lets commits through while `left` lasts; then all of them end as told. */
function failing(left: { commits: number }, outcome: CommitResult) {
  return (store: Store): Store => ({
    ...store,
    commit: async (writes) => (left.commits-- > 0 ? store.commit(writes) : outcome),
  });
}

void describe("an independent batch", () => {
  void it("decides every transfer on its own, in order, each over what the ones before it left", async () => {
    const bank = await aBank(3, 100);
    const transfers = [bank.body(0, 1, 100), bank.body(0, 1, 1), bank.body(1, 2, 200), bank.body(1, 1, 1), bank.body(2, 0, 300)];
    const answer = answerOf(await transferBatch(await bank.node(), asking("k"), { mode: "independent", transfers }));
    assert.deepEqual([answer.status, answer.replayed, answer.body["mode"]], [200, false, "independent"]);
    assert.deepEqual(statuses(answer), [201, "insufficient_funds", 201, "same_account", 201]);
    assert.deepEqual(
      resultsOf(answer).map(({ index }) => index),
      [0, 1, 2, 3, 4],
    );
    assert.equal(resultsOf(answer)[1]?.param, "amount");
    const { accounts } = bank.check();
    const balanceOf = (n: number) => accounts.find(({ id }) => id === bank.customer(n))?.balance;
    assert.deepEqual([balanceOf(0), balanceOf(1), balanceOf(2)], [300n, 0n, 0n]);
  });

  void it("answers unknown accounts one by one", async () => {
    const bank = await aBank(2, 100);
    const nobody = { ...bank.body(0, 1, 1), to_account_id: newId("account") };
    const answer = answerOf(
      await transferBatch(await bank.node(), asking("k"), { mode: "independent", transfers: [nobody, bank.body(0, 1, 1)] }),
    );
    assert.deepEqual(statuses(answer), ["account_not_found", 201]);
  });

  void it("goes in chunks, each with its own record, and is replayed whole", async () => {
    const bank = await aBank(2, 1000, { limits: CHUNKS_OF_3 });
    const transfers = Array.from({ length: 8 }, (_, n) => bank.body(0, 1, n + 1));
    const deps = await bank.node();
    const first = await transferBatch(deps, asking("k"), { mode: "independent", transfers });
    assert.deepEqual(
      resultsOf(answerOf(first)).map(({ index, status }) => [index, status]),
      transfers.map((_, n) => [n, 201]),
    );
    const again = await transferBatch(deps, asking("k"), { mode: "independent", transfers });
    assert.ok(first.ok && again.ok);
    assert.deepEqual([again.replayed, again.reply], [true, first.reply]);
    assert.equal(bank.check().transactions.length, 8);
    assert.deepEqual(bank.replies(), ["k", "k.3.body", "k.6.body"]);
  });

  for (const outcome of [
    { outcome: "unavailable", cause: "crash" },
    { outcome: "unknown", cause: "crash" },
    { outcome: "conflict", writes: [0] },
  ] as const) {
    void it(`interrupted by ${outcome.outcome} after its first chunk never says that nothing was done, and the repetition finishes it`, async () => {
      const left = { commits: 1 };
      const bank = await aBank(2, 1000, { limits: CHUNKS_OF_3, wrap: failing(left, outcome) });
      const transfers = Array.from({ length: 8 }, (_, n) => bank.body(0, 1, n + 1));
      const broken = answerOf(await transferBatch(await bank.node(), asking("k"), { mode: "independent", transfers }));
      assert.equal(bank.check().transactions.length, 3);
      // Who is told «nothing was done» may ask again under a new key, and would pay the first chunk twice.
      assert.equal(broken.body["code"], "outcome_unknown");
      const rest = outcome.outcome === "unknown" ? "in doubt" : "not done by this request";
      const known = `Of the transfers 0 to 2 are decided, 3 to 7 are ${rest}. A repetition finishes them.`;
      assert.deepEqual([broken.status, broken.replayed, broken.body["detail"]], [504, false, known]);
      left.commits = 1000;
      const answer = answerOf(await transferBatch(await bank.node(), asking("k"), { mode: "independent", transfers }));
      assert.deepEqual([answer.status, answer.replayed], [200, false]);
      assert.deepEqual(
        statuses(answer),
        transfers.map(() => 201),
      );
      const { transactions } = bank.check();
      assert.equal(transactions.length, 8);
      assert.deepEqual(
        transactions.map(({ amount }) => Number(amount)).toSorted((a, b) => a - b),
        [1, 2, 3, 4, 5, 6, 7, 8],
      );
    });
  }

  for (const [before, now, records] of [
    // A release that took 1,000 at once, and the one after it.
    [1_000, 3, ["k"]],
    [3, 1_000, ["k", "k.3.body", "k.6.body"]],
    [3, 2, ["k", "k.3.body", "k.6.body"]],
    [2, 3, ["k", "k.2.body", "k.4.body", "k.6.body"]],
  ] as const) {
    void it(`done in chunks of ${before} is replayed by a store that takes ${now} as it was, and no money moves`, async () => {
      const bank = await aBank(2, 1000);
      const chunks = (batchChunk: number) => bank.node({ batchChunk });
      const transfers = Array.from({ length: 8 }, (_, n) => bank.body(0, 1, n + 1));
      const first = await transferBatch(await chunks(before), asking("k"), { mode: "independent", transfers });
      const again = await transferBatch(await chunks(now), asking("k"), { mode: "independent", transfers });
      assert.ok(first.ok && again.ok);
      assert.equal(bank.check().transactions.length, 8);
      assert.deepEqual([again.replayed, again.reply], [true, first.reply]);
      assert.deepEqual(bank.replies(), records);
    });

    void it(`begun in chunks of ${before} is finished so by a store that takes ${now}`, async () => {
      const left = { commits: 1 };
      const bank = await aBank(2, 1000, { wrap: failing(left, { outcome: "unavailable", cause: "crash" }) });
      const transfers = Array.from({ length: 8 }, (_, n) => bank.body(0, 1, n + 1));
      await transferBatch(await bank.node({ batchChunk: before }), asking("k"), { mode: "independent", transfers });
      assert.equal(bank.check().transactions.length, Math.min(before, 8));
      left.commits = 1000;
      const again = answerOf(await transferBatch(await bank.node({ batchChunk: now }), asking("k"), { mode: "independent", transfers }));
      assert.deepEqual(
        resultsOf(again).map(({ index, status }) => [index, status]),
        transfers.map((_, n) => [n, 201]),
      );
      const { transactions } = bank.check();
      assert.deepEqual(
        transactions.map(({ amount }) => Number(amount)).toSorted((a, b) => a - b),
        [1, 2, 3, 4, 5, 6, 7, 8],
      );
      assert.deepEqual(bank.replies(), records);
    });
  }

  void it("whose first record has run out before a later one of other chunks is not answered with too many results", async () => {
    const left = { commits: 1 };
    const bank = await aBank(2, 1000, { wrap: failing(left, { outcome: "unavailable", cause: "crash" }) });
    const transfers = Array.from({ length: 8 }, () => bank.body(0, 1, 1));
    const ask = async (batchChunk: number) =>
      transferBatch(await bank.node({ batchChunk }), asking("k"), { mode: "independent", transfers });
    await ask(2);
    left.commits = 1000;
    bank.clock.time += 20 * DAY_MS;
    await ask(2);
    bank.clock.time += 11 * DAY_MS;
    await assert.rejects(ask(4), /does not answer the transfers/);
  });

  void it("runs no chunk where the key was used for something else, however many chunks there are", async () => {
    const bank = await aBank(2, 1000, { limits: CHUNKS_OF_3 });
    const deps = await bank.node();
    await transferBatch(deps, asking("k", "one"), { mode: "independent", transfers: [bank.body(0, 1, 1)] });
    const longer = Array.from({ length: 8 }, () => bank.body(0, 1, 2));
    assert.deepEqual(answerOf(await transferBatch(deps, asking("k", "two"), { mode: "independent", transfers: longer })).body, {
      code: "idempotency_key_reused",
    });
    await transfer(deps, asking("t", "transfer"), bank.body(0, 1, 3));
    assert.deepEqual(answerOf(await transferBatch(deps, asking("t", "batch"), { mode: "independent", transfers: longer })).body, {
      code: "idempotency_key_reused",
    });
    assert.deepEqual(answerOf(await transfer(deps, asking("k", "transfer"), bank.body(0, 1, 4))).body, { code: "idempotency_key_reused" });
    assert.equal(bank.check().transactions.length, 2);
  });

  for (const [order, limits] of [
    ["as they come", { batchChunk: 3, writesPerCommit: 24 }],
    ["in order", { batchChunk: 3, writesPerCommit: 24, ordered: true, commitsInFlight: 4 }],
  ] as const) {
    void it(`decides nothing on what a chunk that failed was to do before, where commits are applied ${order}`, async () => {
      let commits = 0;
      const refusing = (store: Store): Store => ({
        ...store,
        commit: async (writes) => (++commits === 2 ? { outcome: "unavailable", cause: "throttled" } : store.commit(writes)),
      });
      const bank = await aBank(3, 100, { limits, wrap: refusing });
      const deps = await bank.node();
      // The second chunk brings what the third one spends.
      const transfers = [1, 1, 1, 40, 40, 1, 150, 5, 5].map((amount, n) => bank.body(n < 6 ? 0 : 2, n < 6 ? 2 : 1, amount));
      const ask = () => transferBatch(deps, asking("k"), { mode: "independent", transfers });
      const broken = answerOf(await ask());
      assert.equal(
        broken.body["detail"],
        "Of the transfers 0 to 2 are decided, 3 to 8 are not done by this request. A repetition finishes them.",
      );
      assert.deepEqual(
        statuses(answerOf(await ask())),
        transfers.map(() => 201),
      );
      assert.equal(bank.check().transactions.length, 9);
    });
  }

  for (const [what, error, limits] of [
    ["is read for", new SyntaxError("no JSON"), { batchChunk: 3, writesPerCommit: 24, ordered: true, commitsInFlight: 4 }],
    ["is read for", new SyntaxError("no JSON"), { batchChunk: 3, writesPerCommit: 24 }],
    ["is decided in one group", undefined, { batchChunk: 3, writesPerCommit: 1_000, ordered: true, commitsInFlight: 4 }],
  ] as const) {
    void it(`decides nothing on what a chunk was to do whose record is broken when it ${what}${"ordered" in limits ? ", in order" : ""}`, async () => {
      let breaks = true;
      let broken = "";
      const damaged = (store: Store): Store => ({
        ...store,
        async getMany(refs) {
          const there = breaks && refs.some(({ key }) => key.hash === broken);
          if (there && error !== undefined) throw error;
          // Read at once, so that one group is as soon read as another is found to be broken.
          const items = refs.map(({ table, key }) => bank.database.read(table, key));
          // A record that lacks what every account has.
          return items.map((item, n) => (there && refs[n]?.key.hash === broken && item !== undefined ? { id: broken } : item));
        },
      });
      const bank = await aBank(4, 100, { limits, wrap: damaged });
      const deps = await bank.node();
      broken = bank.customer(3);
      const transfers = [1, 1, 1, 40, 40, 1, 150, 5, 5].map((amount, n) => bank.body(n < 6 ? 0 : 2, n < 6 ? 2 : 1, amount));
      transfers[5] = bank.body(3, 2, 1);
      const ask = () => transferBatch(deps, asking("k"), { mode: "independent", transfers });
      await assert.rejects(ask());
      await deps.queue.drain();
      assert.deepEqual([deps.queue.depth(), deps.queue.load()], [0, 0]);
      assert.equal(bank.check().transactions.length, 3);
      breaks = false;
      assert.deepEqual(
        statuses(answerOf(await ask())),
        transfers.map(() => 201),
      );
      assert.equal(bank.check().transactions.length, 9);
    });
  }

  void it("does not say of what an earlier attempt did that it is not done, where a repetition cannot look", async () => {
    let blind = "";
    let refused = "";
    const failingAt = (store: Store): Store => ({
      ...store,
      async getMany(refs) {
        if (blind !== "" && refs.some(({ key }) => key.hash === blind)) throw new StoreUnavailableError("throttled");
        return store.getMany(refs);
      },
      async commit(writes) {
        const named = refused !== "" && writes.some((write) => write.op === "put" && write.item["id"] === refused);
        return named ? { outcome: "unavailable", cause: "throttled" } : store.commit(writes);
      },
    });
    const bank = await aBank(6, 100, { limits: { batchChunk: 3, writesPerCommit: 24 }, wrap: failingAt });
    const transfers = Array.from({ length: 9 }, (_, n) => bank.body(2 * Math.floor(n / 3), 2 * Math.floor(n / 3) + 1, 1));
    const deps = await bank.node();
    const ask = async () => answerOf(await transferBatch(deps, asking("k"), { mode: "independent", transfers })).body["detail"];
    refused = bank.customer(2);
    // Nobody else's: what is between was refused, and what is behind it does not need it.
    assert.equal(
      await ask(),
      "Of the transfers 0 to 2 are decided, 3 to 5 are not done by this request, 6 to 8 are decided. A repetition finishes them.",
    );
    blind = bank.customer(4);
    assert.equal(await ask(), "Of the transfers 0 to 2 are decided, 3 to 8 are in doubt. A repetition finishes them.");
    [refused, blind] = ["", ""];
    assert.equal(await ask(), undefined);
    assert.equal(bank.check().transactions.length, 9);
  });

  void it("does not say on one node that what the sending that began it may still do on another is not done", async () => {
    const gate = Promise.withResolvers<void>();
    let nodes = 0;
    const wrap = (store: Store): Store => {
      const node = nodes++;
      return {
        ...store,
        async commit(writes) {
          const later = bank.replies().length > 0;
          if (later && node === 0) await gate.promise;
          return later && node === 1 ? { outcome: "unavailable", cause: "throttled" } : store.commit(writes);
        },
      };
    };
    const bank = await aBank(3, 100, { limits: { batchChunk: 3, writesPerCommit: 24 }, wrap });
    const transfers = Array.from({ length: 9 }, (_, n) => bank.body(n % 2, 2, 1));
    const [began, other] = [await bank.node(), await bank.node()];
    const first = transferBatch(began, asking("k"), { mode: "independent", transfers });
    while (bank.replies().length === 0) await new Promise((resolve) => setImmediate(resolve));
    const repeated = answerOf(await transferBatch(other, asking("k"), { mode: "independent", transfers }));
    assert.equal(repeated.body["detail"], "Of the transfers 0 to 2 are decided, 3 to 8 are in doubt. A repetition finishes them.");
    gate.resolve();
    assert.equal(answerOf(await first).status, 200);
    assert.equal(bank.check().transactions.length, 9);
  });

  void it("is refused for load before anything of it is done, or not at all", async () => {
    const bank = await aBank(2, 1000, { limits: CHUNKS_OF_3 });
    const deps = await bank.node();
    const queue = createCommitQueue({ store: deps.store, clock: bank.clock, random: seededRandom(1), maxWaiting: 4 });
    const transfers = Array.from({ length: 9 }, () => bank.body(0, 1, 1));
    const ask = (key: string) => transferBatch({ ...deps, queue }, asking(key), { mode: "independent", transfers });
    const keys = ["a", "b", "c", "d", "e", "f"];
    const answers = (await Promise.all(keys.map(ask))).map(answerOf);
    // Two weigh more than there is room for, and one less.
    assert.deepEqual(
      answers.map(({ status, body }) => body["code"] ?? status),
      [200, 200, "overloaded", "overloaded", "overloaded", "overloaded"],
    );
    assert.equal(bank.check().transactions.length, 18);
    assert.deepEqual(
      bank.replies().filter((id) => /^[c-f]/.test(id)),
      [],
    );
    // What was refused is not in doubt, and a repetition does all of it.
    assert.equal(answerOf(await ask("c")).status, 200);
    assert.equal(bank.check().transactions.length, 27);
  });

  void it("asked twice at once is done once", async () => {
    const bank = await aBank(2, 1000, { limits: CHUNKS_OF_3 });
    const deps = await bank.node();
    const transfers = Array.from({ length: 8 }, () => bank.body(0, 1, 1));
    const answers = (await Promise.all([1, 2].map(() => transferBatch(deps, asking("k"), { mode: "independent", transfers })))).map(
      answerOf,
    );
    assert.deepEqual(
      answers.map(({ status, body }) => body["code"] ?? status),
      [200, "idempotency_key_in_use"],
    );
    assert.equal(bank.check().transactions.length, 8);
  });
});

void describe("an atomic batch", () => {
  void it("posts all, in order", async () => {
    const bank = await aBank(3, 100);
    const transfers = [bank.body(0, 1, 100), bank.body(1, 2, 200), bank.body(2, 0, 300)];
    const answer = answerOf(await transferBatch(await bank.node(), asking("k"), { mode: "atomic", transfers }));
    assert.deepEqual([answer.status, statuses(answer)], [201, [201, 201, 201]]);
    assert.equal(bank.check().transactions.length, 3);
  });

  void it("posts none where one is refused, and says which", async () => {
    const bank = await aBank(2, 100);
    const deps = await bank.node();
    const transfers = [bank.body(0, 1, 60), bank.body(0, 1, 41)];
    const answer = answerOf(await transferBatch(deps, asking("k"), { mode: "atomic", transfers }));
    assert.deepEqual([answer.status, answer.body["code"], answer.body["param"]], [422, "insufficient_funds", "transfers.1.amount"]);
    assert.equal(bank.check().transactions.length, 0);
    const again = answerOf(await transferBatch(deps, asking("k"), { mode: "atomic", transfers }));
    assert.deepEqual([again.replayed, again.body], [true, answer.body]);
    assert.ok(
      [...bank.database.dump()].every(({ table }) => table !== "smartfinance-risk-profiles"),
      "nobody's profile learnt from it",
    );
  });

  void it("takes what one commit of any store takes, and not more", async () => {
    const bank = await aBank(2 * MAX_ATOMIC, 100);
    const deps = await bank.node();
    const transfers = Array.from({ length: MAX_ATOMIC }, (_, n) => bank.body(2 * n, 2 * n + 1, 1));
    assert.equal(answerOf(await transferBatch(deps, asking("k"), { mode: "atomic", transfers })).status, 201);
    const more = answerOf(await transferBatch(deps, asking("l"), { mode: "atomic", transfers: [...transfers, bank.body(0, 1, 1)] }));
    assert.deepEqual([more.status, more.body["code"], more.body["param"]], [400, "invalid_request", "transfers"]);
  });
});
