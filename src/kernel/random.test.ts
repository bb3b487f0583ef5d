import assert from "node:assert/strict";
import { test } from "node:test";
import { type Random, systemRandom, unitInterval } from "./random.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

for (const size of [0, 1, 4, 10, 16, 8191, 8192, 8193, 20_000]) {
  test(`a draw of ${size} bytes has that size`, () => {
    const random = systemRandom();
    for (let n = 0; n < 5; n++) assert.equal(random.bytes(size).length, size);
  });
}

test("the pool never hands out the same bytes twice, nor emptied ones", () => {
  const random = systemRandom();
  const seen = new Set<string>();
  // Sizes that do not divide the pool, so that every refill leaves a rest behind.
  const sizes = [16, 17, 31, 1000, 24];
  const draws = 10_000;
  for (let n = 0; n < draws; n++) {
    const bytes = random.bytes(sizes[n % sizes.length] ?? 16);
    seen.add(hex(bytes.subarray(0, 16)));
    assert.ok(
      bytes.subarray(-16).some((byte) => byte !== 0),
      "sixteen zeros in a row do not happen",
    );
  }
  assert.equal(seen.size, draws);
});

test("draws that overlap in the pool would show: neighbouring windows are all different", () => {
  const random = systemRandom();
  const windows = new Set<string>();
  let count = 0;
  for (let n = 0; n < 200; n++) {
    const bytes = random.bytes(100);
    for (let i = 0; i + 8 <= bytes.length; i++, count++) windows.add(hex(bytes.subarray(i, i + 8)));
  }
  assert.equal(windows.size, count);
});

test("a draw belongs to the caller: writing to it changes no other", () => {
  const random = systemRandom();
  const first = random.bytes(32);
  const second = random.bytes(32);
  const kept = hex(second);
  first.fill(0xaa);
  assert.equal(hex(second), kept);
  assert.notEqual(first.buffer, second.buffer);
  assert.equal(first.buffer.byteLength, 32, "a draw does not show the pool around it");
});

test("two sources have nothing in common", () => {
  const [a, b] = [systemRandom(), systemRandom()];
  assert.notEqual(hex(a.bytes(32)), hex(b.bytes(32)));
});

test("every byte value occurs", () => {
  const random = systemRandom();
  const values = new Set<number>();
  for (let n = 0; n < 100; n++) for (const byte of random.bytes(100)) values.add(byte);
  assert.equal(values.size, 256);
});

test("unitInterval maps four bytes to [0, 1)", () => {
  const fixed = (...bytes: number[]): Random => ({ bytes: (size) => Uint8Array.from(bytes.slice(0, size)) });
  assert.equal(unitInterval(fixed(0, 0, 0, 0)), 0);
  assert.equal(unitInterval(fixed(0x80, 0, 0, 0)), 0.5);
  assert.equal(unitInterval(fixed(0, 0, 0, 1)), 1 / 2 ** 32);
  assert.equal(unitInterval(fixed(255, 255, 255, 255)), 1 - 1 / 2 ** 32);
});
