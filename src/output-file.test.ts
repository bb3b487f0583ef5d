import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createLogOutput } from "./log-output.ts";
import { openOutputFile } from "./output-file.ts";

/** A disk without room. Stays open, because what could not be written is tried again for as long as the process lives. */
const full = fs.openSync("/dev/full", "w");

/** A file, and what is written to it in the end. */
function place(t: TestContext) {
  const directory = fs.mkdtempSync(join(tmpdir(), "smartfinance-output-"));
  const file = join(directory, "out");
  const fd = fs.openSync(file, "w");
  t.after(() => fs.rmSync(directory, { recursive: true }));
  return { fd, read: () => fs.readFileSync(file, "utf8") };
}

async function until(happened: () => boolean): Promise<void> {
  for (let n = 0; n < 500 && !happened(); n++) await sleep(10);
  assert.ok(happened());
}

const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, n) => `${from + n} ü\n`);

test("everything is written once and in its order, whatever a write takes", async (t) => {
  const { fd, read } = place(t);
  const file = openOutputFile(fd);
  let taken = 0;
  file.on("write", (bytes: number) => void (taken += bytes));
  const texts = [...numbers(0, 1_000), "x".repeat(3 * 2 ** 20), ...numbers(1_000, 2_000)];
  for (const text of texts) file.write(text);
  const whole = texts.join("");
  await until(() => taken === Buffer.byteLength(whole));
  assert.ok(read() === whole);
  file.write("a");
  assert.equal(file.flushSync(), true);
  assert.ok(read() === `${whole}a`);
});

test("a few bytes are written soon", async (t) => {
  const { fd, read } = place(t);
  const file = openOutputFile(fd);
  file.write("a");
  assert.equal(read(), "");
  await until(() => read() === "a");
});

test("DOS-03 what could not be written is tried again until it can be: nothing is lost, doubled or thrown", async (t) => {
  const { fd, read } = place(t);
  const file = openOutputFile(fd);
  const output = createLogOutput(file, { now: () => 0 });
  const { write } = fs;
  let toFull = true;
  let tries = 0;
  // Half of it finds room before the disk is full.
  const mocked = t.mock.method(fs, "write", ((to: number, bytes: Buffer, offset: number, length: number, at: null, done: never) => {
    tries += 1;
    if (tries === 1) write(to, bytes, offset, Math.floor(length / 2), at, done);
    else write(toFull ? full : to, bytes, offset, length, at, done);
  }) as typeof fs.write);
  const before = numbers(0, 1_000).join("");
  output.writeAudit(before);
  await until(() => output.blocked && tries > 3);
  output.writeAudit("later\n");
  assert.equal(output.blocked, true);
  toFull = false;
  await until(() => read().endsWith("later\n"));
  assert.deepEqual([read() === `${before}later\n`, output.blocked], [true, false]);
  mocked.mock.restore();
});

test("DOS-03 a stop does not wait for a full disk", () => {
  const output = createLogOutput(openOutputFile(full), { now: () => 0 });
  output.writeAudit("a\n");
  assert.deepEqual([output.flushSync(), output.blocked], [true, true]);
});

test("a stop in the middle of a write writes what comes behind it", async (t) => {
  const { fd, read } = place(t);
  const file = openOutputFile(fd);
  const first = numbers(0, 1_000).join("");
  file.write(first);
  file.write("a\n");
  assert.equal(file.flushSync(), true);
  file.write("b\n");
  await until(() => read().endsWith("b\n"));
  assert.equal(fs.fstatSync(fd).size, Buffer.byteLength(first) + 4);
});

test("a stop in the middle of a write loses nothing of a text that takes several", async (t) => {
  const { fd, read } = place(t);
  const file = openOutputFile(fd);
  const first = "x".repeat(3 * 2 ** 20);
  file.write(first);
  file.write("a\n");
  assert.equal(file.flushSync(), true);
  // All but the piece that was being written stands there now: a process that ends here loses none of it.
  assert.ok(fs.fstatSync(fd).size >= 2 ** 21 + 2);
  await until(() => fs.fstatSync(fd).size === first.length + 2);
  await sleep(50);
  assert.ok(read().replace("a\n", "") === first);
});

test("a stop that waits for the write under way keeps the order", async (t) => {
  const { fd, read } = place(t);
  const output = createLogOutput(openOutputFile(fd), { now: () => performance.now() });
  const { write } = fs;
  const mocked = t.mock.method(
    fs,
    "write",
    ((...asked: Parameters<typeof write>) => void setTimeout(() => write(...asked), 30)) as typeof write,
  );
  const first = numbers(0, 1_000).join("");
  output.writeAudit(first);
  output.write("last\n");
  await output.settled();
  assert.equal(output.flushSync(), true);
  assert.ok(read() === `${first}last\n`);
  mocked.mock.restore();
});

test("DOS-03 a stop waits for a moment only where nothing is taken", async () => {
  let now = 0;
  const output = createLogOutput(
    { on: () => undefined as never, write: () => true, flush: () => void (now += 500), flushSync: () => true } as never,
    {
      now: () => now,
    },
  );
  output.write("a\n");
  await output.settled();
  assert.equal(now, 2_000);
  assert.equal(output.flushSync(), false);
});

test("a stop in the middle of a long line of writes leaves no more behind than what is being written, and breaks no line of it", async (t) => {
  const { fd, read } = place(t);
  const file = openOutputFile(fd);
  const lines = numbers(0, 400_000);
  const whole = lines.join("");
  assert.ok(Buffer.byteLength(whole) > 3 * 2 ** 20);
  const { write } = fs;
  let begin = (): void => undefined;
  // The first portion is not begun before the stop has written what comes behind it.
  const mocked = t.mock.method(fs, "write", (...args: Parameters<typeof write>) => {
    begin = () => write(...args);
  });
  file.write(whole);
  assert.equal(file.flushSync(), true);
  assert.ok(Buffer.byteLength(whole) - Buffer.byteLength(read()) <= 2 ** 20, "the process may exit now");
  mocked.mock.restore();
  begin();
  await until(() => fs.fstatSync(fd).size === Buffer.byteLength(whole));
  const written = read().split("\n");
  assert.deepEqual(written.length, lines.length + 1);
  assert.equal(new Set(written).size, lines.length + 1);
});
