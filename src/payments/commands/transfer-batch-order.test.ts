import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Store } from "#storage/index.ts";
import type { Answer } from "./test-kit.ts";
import { aBank, answerOf, asking } from "./test-kit.ts";
import { transferBatch } from "./transfer-batch.ts";

const DAY_MS = 24 * 60 * 60_000;
const statuses = ({ body }: Answer): unknown[] =>
  (body["results"] as { status: number; code?: string }[]).map(({ status, code }) => code ?? status);

void describe("the chunks of an independent batch, where commits are applied in order", () => {
  for (const first of ["refuses all of its own", "posts between others"] as const) {
    void it(`decides no chunk where one before it was not done that ${first}, though it changes nothing that the other needs`, async () => {
      let commits = 0;
      const refusing = (store: Store): Store => ({
        ...store,
        commit: async (writes) => (++commits === 2 ? { outcome: "unavailable", cause: "throttled" } : store.commit(writes)),
      });
      const limits = { batchChunk: 3, writesPerCommit: 32, ordered: true, commitsInFlight: 4 };
      const bank = await aBank(6, 100, { limits, wrap: refusing });
      const deps = await bank.node();
      // The third chunk brings what would let the second one post.
      const posts = first === "posts between others" ? bank.body(2, 3, 1) : bank.body(0, 1, 150);
      const third = [90, 1, 1].map((amount) => bank.body(5, 0, amount));
      const transfers = [
        ...[1, 1, 1].map((amount) => bank.body(4, 5, amount)),
        posts,
        bank.body(0, 1, 150),
        bank.body(0, 1, 150),
        ...third,
      ];
      const ask = () => transferBatch(deps, asking("k"), { mode: "independent", transfers });
      const broken = answerOf(await ask());
      assert.equal(
        broken.body["detail"],
        "Of the transfers 0 to 2 are decided, 3 to 8 are not done by this request. A repetition finishes them.",
      );
      const refused = "insufficient_funds";
      const inOrder = [201, 201, 201, first === "posts between others" ? 201 : refused, refused, refused, 201, 201, 201];
      assert.deepEqual(statuses(answerOf(await ask())), inOrder);
      assert.deepEqual(statuses(answerOf(await ask())), inOrder);
      bank.check();
    });
  }

  for (const writesPerCommit of [32, 1_000])
    void it(`is done anew in order once what was kept has run out, ${writesPerCommit} writes a commit`, async () => {
      const limits = { batchChunk: 3, writesPerCommit, ordered: true, commitsInFlight: 4 };
      const bank = await aBank(6, 100, { limits });
      const deps = await bank.node();
      const transfers = Array.from({ length: 15 }, (_, n) => bank.body(Math.floor(n / 3), 5, 1));
      const ask = async () => answerOf(await transferBatch(deps, asking("k"), { mode: "independent", transfers }));
      for (const done of [15, 30, 45]) {
        const answer = await ask();
        assert.deepEqual([answer.status, answer.replayed, bank.check().transactions.length], [200, false, done]);
        assert.deepEqual([(await ask()).replayed, bank.check().transactions.length], [true, done]);
        bank.clock.time += 31 * DAY_MS;
      }
    });
});
