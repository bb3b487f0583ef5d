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
  assert.deepEqual([queue.depth(), queue.load()], [1, 9]);
  const single = queue.execute(adding(["b"]));
  assert.deepEqual([queue.depth(), queue.load()], [2, 10]);
  assert.deepEqual(await queue.execute(adding(["c"])), { ok: false, code: "overloaded" });
  door.open();
  assert.equal((await batch).ok && (await single).ok, true);
  assert.deepEqual([queue.depth(), queue.load()], [0, 0]);
  assert.equal((await queue.execute(adding(["c"]))).ok, true);
});

test("DOS-03: what follows a command as part of the same request is weighed with it, and not refused afterwards", async () => {
  const { queue, script } = bench({ maxWaiting: 10 });
  const first = gate();
  script.push(first.fate);
  const whole = queue.execute({ ...adding(["a"]), appends: 31, followers: 90 });
  await turns();
  assert.deepEqual([queue.depth(), queue.load()], [1, 9]);
  const other = queue.execute({ ...adding(["b"]), appends: 31, followers: 90 });
  assert.equal(queue.load(), 18);
  assert.deepEqual(await queue.execute({ ...adding(["c"]), followers: 90 }), { ok: false, code: "overloaded" });
  // Also while others are before it that leave no room.
  const rest = [1, 2, 3].map((n) => queue.execute({ ...adding([`a${n}`]), appends: 30, follows: true }));
  assert.equal(queue.load(), 27);
  first.open();
  for (const ended of await Promise.all([whole, other, ...rest])) assert.equal(ended.ok, true);
  assert.deepEqual([queue.depth(), queue.load()], [0, 0]);
});
