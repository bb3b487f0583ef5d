import assert from "node:assert/strict";
import { test } from "node:test";
import { adding, bench, gate, turns } from "./test-kit.ts";

test("DOS-03: a batch weighs what its items keep others waiting, and the queue is bounded by weight", async () => {
  const { queue, script } = bench({ maxWaiting: 10 });
  const door = gate();
  script.push(door.fate);
  // A batch of 40 transfers: 3 new items each, and its reply.
  const batch = queue.execute({ ...adding(["a"]), appends: 121 });
  await turns();
  assert.deepEqual([queue.depth, queue.load], [1, 9]);
  const single = queue.execute(adding(["b"]));
  assert.deepEqual([queue.depth, queue.load], [2, 10]);
  assert.deepEqual(await queue.execute(adding(["c"])), { ok: false, code: "overloaded" });
  door.open();
  assert.equal((await batch).ok && (await single).ok, true);
  assert.deepEqual([queue.depth, queue.load], [0, 0]);
  assert.equal((await queue.execute(adding(["c"]))).ok, true);
});
