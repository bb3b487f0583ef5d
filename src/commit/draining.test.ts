import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { StoreUnavailableError } from "#storage/index.ts";
import { adding, bench, turns } from "./test-kit.ts";

/** Whether a promise has ended by now. */
function watch(promise: Promise<unknown>): () => boolean {
  let ended = false;
  const over = (): void => {
    ended = true;
  };
  promise.then(over, over);
  return () => ended;
}

void describe("draining the commit queue, where a command waits for something else than a commit", () => {
  for (const [why, error] of [
    ["the key service is away", new StoreUnavailableError("no key")],
    ["its key is a broken invariant", new Error("no key")],
  ] as const) {
    void it(`ends though the last command ended before it came to wait: ${why}`, async () => {
      let refuse: (error: Error) => void = () => undefined;
      const sealer = (): Promise<never> => new Promise((_, reject) => (refuse = reject));
      const { queue } = bench({ replyBox: { sealer, open: async () => "" } });
      const ended = watch(queue.execute({ ...adding(["a"], { key: "k" }), privateReply: true }));
      const drained = watch(queue.drain());
      await turns();
      assert.deepEqual([ended(), drained()], [false, false]);
      refuse(error);
      await turns();
      assert.deepEqual([ended(), drained(), queue.depth()], [true, true, 0]);
    });
  }

  void it("waits for a kept reply that is being gotten, from the store or the key service", async () => {
    let show: (body: string) => void = () => undefined;
    const { queue } = bench({ showReply: () => new Promise((resolve) => (show = resolve)) });
    await queue.execute(adding(["a"], { key: "k", shows: "txn_1" }));
    const ended = watch(queue.execute(adding(["a"], { key: "k", shows: "txn_1" })));
    await turns();
    const drained = watch(queue.drain());
    await turns();
    assert.deepEqual([ended(), drained(), queue.depth(), queue.load()], [false, false, 1, 1]);
    show("[1]");
    await turns();
    assert.deepEqual([ended(), drained(), queue.depth(), queue.load()], [true, true, 0, 0]);
  });
});
