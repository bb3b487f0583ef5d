import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { createLogOutput, gathered } from "./log-output.ts";

/** A destination that takes bytes only when it is told to. */
function standstill() {
  const emitter = new EventEmitter();
  const written: string[] = [];
  let flushed = 0;
  let broken = false;
  const destination = {
    on: emitter.on.bind(emitter),
    write(text: string) {
      written.push(text);
      return true;
    },
    flush: () => undefined,
    flushSync() {
      flushed += 1;
      return !broken;
    },
  };
  const take = (bytes: number): void => {
    broken = false;
    emitter.emit("write", bytes);
  };
  const fail = (code: string): void => {
    broken = true;
    emitter.emit("error", Object.assign(new Error(code), { code }));
  };
  return { destination, written, take, fail, flushes: () => flushed };
}

const line = `${"x".repeat(9)}\n`;

test("DOS-03: log lines are dropped while nobody reads, counted, and the gap is told of", () => {
  const { destination, written, take } = standstill();
  const output = createLogOutput(destination, { now: () => 0, dropAt: 200, blockAt: 400 });
  for (let n = 0; n < 25; n++) output.write(line);
  assert.deepEqual([written.length, output.dropped], [20, 5]);
  take(200);
  output.write(line);
  assert.equal(written.length, 22);
  assert.deepEqual(JSON.parse(written[20] ?? "") as unknown, {
    level: 40,
    dropped: 5,
    msg: "log lines were dropped while standard output stood still",
  });
  assert.equal(written[21], line);
  output.write(line);
  assert.equal(written.length, 23, "it is told once");
});

test("DOS-03: audit lines are never dropped; too many of them block until they are written", () => {
  const { destination, written, take } = standstill();
  const output = createLogOutput(destination, { now: () => 0, dropAt: 100, blockAt: 200 });
  for (let n = 0; n < 19; n++) output.writeAudit(line);
  assert.equal(output.blocked, false);
  output.write(line);
  output.writeAudit(line);
  assert.equal(output.blocked, true);
  // What was accepted before leaves its lines all the same.
  output.writeAudit(line);
  assert.deepEqual([written.length, output.dropped], [21, 1]);
  take(11);
  assert.equal(output.blocked, false);
});

test("DOS-03: a write that fails blocks until one succeeds, and a stop does not wait for it", () => {
  const { destination, take, fail, flushes } = standstill();
  let now = 0;
  const output = createLogOutput(destination, { now: () => now });
  output.writeAudit(line);
  fail("ENOSPC");
  now = 10_000;
  assert.equal(output.blocked, true);
  assert.deepEqual([output.flushSync(), flushes(), output.blocked], [true, 1, true]);
  take(10);
  assert.equal(output.blocked, false);
  // Who has gone away is one who stands still: what waits for him is bounded.
  output.writeAudit(line);
  fail("EPIPE");
  assert.deepEqual([output.blocked, output.flushSync()], [false, true]);
});

test("bytes are counted, not characters", () => {
  const { destination } = standstill();
  const output = createLogOutput(destination, { now: () => 0, dropAt: 100, blockAt: 12 });
  output.writeAudit("€€€€");
  assert.equal(output.blocked, true);
});

test("a process that stops does not wait for a reader who stopped reading", () => {
  const { destination, take, flushes } = standstill();
  let now = 0;
  const output = createLogOutput(destination, { now: () => now });
  output.write(line);
  now = 1_000;
  assert.equal(output.flushSync(), true, "it may be a moment late");
  output.write(line);
  now = 4_000;
  assert.equal(output.flushSync(), false);
  take(1);
  assert.equal(output.flushSync(), true);
  assert.equal(flushes(), 2);
});

test("what is written in one turn goes out as one text, in its order, and at once when it is flushed", () => {
  const { destination, written, flushes } = standstill();
  const turns: (() => void)[] = [];
  const gathering = gathered(destination, (pass) => turns.push(pass));
  gathering.write("a");
  gathering.write("b");
  assert.deepEqual([written, turns.length], [[], 1]);
  turns.pop()?.();
  assert.deepEqual(written, ["ab"]);
  gathering.write("c");
  gathering.flushSync();
  assert.deepEqual([written, flushes()], [["ab", "c"], 1]);
  // The turn that was announced has nothing left to pass.
  turns.pop()?.();
  gathering.write("d");
  gathering.write("e");
  turns.pop()?.();
  assert.deepEqual(written, ["ab", "c", "de"]);
});

test("what is gathered counts as waiting", () => {
  const { destination, take } = standstill();
  const turns: (() => void)[] = [];
  const output = createLogOutput(
    gathered(destination, (pass) => turns.push(pass)),
    { now: () => 0, blockAt: 20 },
  );
  output.writeAudit(line);
  output.writeAudit(line);
  assert.equal(output.blocked, true);
  turns.pop()?.();
  assert.equal(output.blocked, true);
  take(20);
  assert.equal(output.blocked, false);
});
