import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Clock } from "./clock.ts";
import {
  createIds,
  derivedId,
  firstIdAt,
  type IdKind,
  idPattern,
  idPrefixes,
  isId,
  type OrganisationId,
  PARTITIONS,
  partitionName,
  partitionOf,
} from "./ids.ts";
import { type Random, systemRandom } from "./random.ts";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const kinds = Object.keys(idPrefixes) as IdKind[];
const NOW = Date.UTC(2026, 10, 22);

function clockAt(start: number): Clock & { set(ms: number): void } {
  let now = start;
  return { now: () => now, sleep: () => Promise.resolve(), set: (ms) => void (now = ms) };
}
const constant = (byte: number): Random => ({ bytes: (size) => new Uint8Array(size).fill(byte) });

/** The 128 bits an id stands for, read by the textbook. */
function decode(id: string): { time: bigint; version: bigint; counter: bigint; variant: bigint; random: bigint } {
  let bits = 0n;
  for (const character of id.slice(4)) {
    const digit = ALPHABET.indexOf(character);
    assert.ok(digit >= 0, id);
    bits = (bits << 5n) | BigInt(digit);
  }
  assert.ok(bits < 1n << 128n, "an id has no more than 128 bits");
  return {
    time: bits >> 80n,
    version: (bits >> 76n) & 0xfn,
    counter: (bits >> 64n) & 0xfffn,
    variant: (bits >> 62n) & 0b11n,
    random: bits & ((1n << 62n) - 1n),
  };
}

test("every kind has its own prefix of three letters", () => {
  const prefixes = Object.values(idPrefixes);
  assert.equal(new Set(prefixes).size, prefixes.length);
  for (const prefix of prefixes) assert.match(prefix, /^[a-z]{3}$/);
});

test("an id is its kind's prefix and a UUIDv7 in Crockford base32", () => {
  const ids = createIds(clockAt(NOW), systemRandom());
  for (const kind of kinds) {
    const id = ids.next(kind);
    assert.equal(id.length, 30);
    assert.match(id, new RegExp(idPattern(kind)));
    assert.ok(isId(kind, id));
    for (const other of kinds) assert.equal(isId(other, id), other === kind);
    const { time, version, variant } = decode(id);
    assert.deepEqual([time, version, variant], [BigInt(NOW), 7n, 0b10n]);
  }
});

test("what is not an id is none", () => {
  const good = createIds(clockAt(NOW), systemRandom()).next("account");
  const bad = [
    "",
    good.slice(0, -1),
    `${good}0`,
    `${good}\n`,
    ` ${good}`,
    good.toLowerCase(),
    good.replace("acc_", "acc-"),
    `acc_8${good.slice(5)}`,
    `${good.slice(0, -1)}I`,
    `${good.slice(0, -1)}L`,
    `${good.slice(0, -1)}O`,
    `${good.slice(0, -1)}U`,
    undefined,
    null,
    7,
    [good],
  ];
  for (const text of bad) assert.equal(isId("account", text), false, String(text));
});

test("every time and every random byte find their bits", () => {
  const times = fc.integer({ min: 1, max: 2 ** 48 - 1 });
  fc.assert(
    fc.property(times, fc.uint8Array({ minLength: 10, maxLength: 10 }), (time, bytes) => {
      const id = createIds(clockAt(time), { bytes: () => bytes }).next("event");
      const read = decode(id);
      assert.equal(read.time, BigInt(time));
      assert.equal(read.version, 7n);
      assert.equal(read.variant, 0b10n);
      assert.ok(read.counter < 2048n, "the counter starts in the lower half");
      const [b0 = 0, b1 = 0, b2 = 0, b3 = 0, b4 = 0, b5 = 0, b6 = 0, b7 = 0, b8 = 0] = bytes;
      let expected = BigInt(b0 & 0b11);
      for (const byte of [b1, b2, b3, b4, b5, b6, b7]) expected = (expected << 8n) | BigInt(byte);
      assert.equal(read.random, (expected << 4n) | BigInt(b8 >> 4));
    }),
  );
});

test("ids of one maker strictly increase inside one millisecond, whatever the random bytes", () => {
  let draw = 0;
  const falling: Random = { bytes: (size) => new Uint8Array(size).fill(255 - (draw++ % 256)) };
  for (const random of [constant(0), constant(255), falling, systemRandom()]) {
    const ids = createIds(clockAt(NOW), random);
    let last = ids.next("transaction");
    for (let n = 0; n < 20_000; n++) {
      const next = ids.next("transaction");
      assert.ok(next > last, `${next} after ${last}`);
      last = next;
    }
  }
});

test("when the counter runs over, the time moves one millisecond ahead and does not fall back", () => {
  const clock = clockAt(NOW);
  const ids = createIds(clock, constant(0));
  const made = Array.from({ length: 4096 }, () => ids.next("hold"));
  assert.deepEqual(
    made.slice(0, 2).map((id) => decode(id).counter),
    [0n, 1n],
  );
  assert.equal(decode(made[4095] ?? "").counter, 4095n);
  assert.equal(decode(made[4095] ?? "").time, BigInt(NOW));
  const over = decode(ids.next("hold"));
  assert.deepEqual([over.time, over.counter], [BigInt(NOW + 1), 0n]);
  clock.set(NOW + 1);
  assert.deepEqual(
    [decode(ids.next("hold"))].map(({ time, counter }) => [time, counter]),
    [[BigInt(NOW + 1), 1n]],
  );
  clock.set(NOW + 2);
  assert.equal(decode(ids.next("hold")).time, BigInt(NOW + 2));
});

test("ids increase while the clock jumps forth and back", () => {
  const clock = clockAt(NOW);
  const ids = createIds(clock, systemRandom());
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -5000, max: 5000 }), { minLength: 2, maxLength: 50 }), (jumps) => {
      const made = jumps.map((jump) => {
        clock.set(NOW + jump);
        return ids.next("review");
      });
      assert.deepEqual(made, [...made].sort());
      assert.equal(new Set(made).size, made.length);
    }),
  );
});

test("two makers at the same time make different ids", () => {
  const seen = new Set<string>();
  for (let maker = 0; maker < 20; maker++) {
    const ids = createIds(clockAt(NOW), systemRandom());
    for (let n = 0; n < 2000; n++) seen.add(ids.next("account"));
  }
  assert.equal(seen.size, 40_000);
});

test("firstIdAt bounds the ids of a time from below", () => {
  const time = fc.integer({ min: 2, max: 2 ** 48 - 2 });
  fc.assert(
    fc.property(time, fc.integer({ min: 0, max: 255 }), (ms, byte) => {
      const id = createIds(clockAt(ms), constant(byte)).next("event");
      assert.ok(firstIdAt("event", ms) < id);
      assert.ok(firstIdAt("event", ms + 1) > id);
      assert.ok(firstIdAt("event", ms - 1) < firstIdAt("event", ms));
    }),
  );
});

test("an id falls into one of the partitions, by its last character, and all are used evenly", () => {
  const organisation = "org_01J0000000000000000000000A" as OrganisationId;
  const names = new Set(Array.from({ length: PARTITIONS }, (_, n) => partitionName(organisation, n)));
  assert.equal(names.size, PARTITIONS);
  const counts = new Map<string, number>();
  const ids = createIds(clockAt(NOW), systemRandom());
  const draws = 16_000;
  for (let n = 0; n < draws; n++) {
    const id = ids.next("transaction");
    const partition = partitionOf(organisation, id);
    assert.ok(names.has(partition), partition);
    assert.equal(partitionOf(organisation, id), partition);
    counts.set(partition, (counts.get(partition) ?? 0) + 1);
  }
  assert.equal(counts.size, PARTITIONS);
  // 1,000 expected each with a deviation of 31: seven deviations do not happen by chance.
  for (const [partition, count] of counts) assert.ok(Math.abs(count - draws / PARTITIONS) < 215, `${partition}: ${count}`);
  assert.equal(partitionOf(organisation, "txn_0"), `${organisation}#0`);
  assert.equal(partitionOf(organisation, "txn_F"), `${organisation}#15`);
  assert.equal(partitionOf(organisation, "txn_Z"), `${organisation}#15`);
});

test("a derived id is the one id of its kind, parent and name, and as well-formed as any", () => {
  const ids = createIds(clockAt(NOW), systemRandom());
  const seen = new Set<string>();
  const partitions = new Set<string>();
  for (let n = 0; n < 500; n++) {
    const parent = ids.next("organisation");
    for (const [kind, name] of [
      ["account", "EUR"],
      ["account", "USD"],
      ["dataKey", "EUR"],
      ["account", ""],
    ] as const) {
      const id = derivedId(kind, parent, name);
      assert.equal(derivedId(kind, parent, name), id);
      assert.ok(isId(kind, id), id);
      const { time, version, variant } = decode(id);
      assert.deepEqual([time, version, variant], [BigInt(NOW), 7n, 0b10n]);
      seen.add(id.slice(4));
      partitions.add(partitionOf("org_x" as OrganisationId, id));
    }
  }
  assert.equal(seen.size, 2000);
  assert.equal(partitions.size, PARTITIONS);
});
