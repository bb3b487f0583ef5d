import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { countryKey, keyOf, MAX_TEXT, networkKey, optionalKey } from "./keys.ts";

test("a key is a number of 36 bits, never 0, and tells texts apart", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const key = keyOf(text);
      assert.ok(Number.isInteger(key) && key > 0 && key < 2 ** 36);
      assert.equal(keyOf(text), key);
    }),
  );
  const keys = new Set(Array.from({ length: 20_000 }, (_, i) => keyOf(`acc_${i}`)));
  assert.ok(keys.size >= 19_998, `${20_000 - keys.size} collisions`);
});

test("what is no id has no key", () => {
  for (const bad of [undefined, null, "", "   ", "x".repeat(MAX_TEXT + 1), 7, Number.NaN, {}, []]) assert.equal(optionalKey(bad), 0);
  assert.notEqual(optionalKey("x".repeat(MAX_TEXT)), 0);
});

test("countries are two capital letters", () => {
  assert.notEqual(countryKey("DE"), countryKey("ED"));
  for (const bad of ["de", "D", "DEU", "D1", "", undefined, 5, null]) assert.equal(countryKey(bad), 0);
});

test("addresses of one network have one key", () => {
  assert.equal(networkKey("192.0.2.1"), networkKey("192.0.2.254"));
  assert.equal(networkKey("192.0.2.1"), networkKey("::ffff:192.0.2.9"));
  assert.notEqual(networkKey("192.0.2.1"), networkKey("192.0.3.1"));
  assert.equal(networkKey("2001:db8:1::1"), networkKey("2001:0DB8:0001:ffff:0:0:0:2"));
  assert.notEqual(networkKey("2001:db8:1::1"), networkKey("2001:db8:2::1"));
  assert.equal(networkKey("2001:db8::"), networkKey("2001:db8:0:1::"));
  assert.notEqual(networkKey("::1"), 0);
});

test("what is no address has no network", () => {
  const bad = [
    "",
    "1",
    "1.2.3",
    "1.2.3.256",
    "1.2.3.4.5",
    "a.b.c.d",
    "::ffff:1.2.3.999",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3",
    "g::1",
  ];
  for (const text of [...bad, "12345::", ":", "1:2:3:4:5:6:7:8::", "x".repeat(60), undefined, 4, null])
    assert.equal(networkKey(text), 0, String(text));
});

test("an address is in one network however it is spelt, and two IPv4 networks are two", () => {
  const spellings = ["192.0.2.9", "::ffff:192.0.2.1", "::FFFF:c000:0207", "0:0:0:0:0:ffff:192.0.2.3", "0:0::ffff:c000:2ff"];
  assert.equal(new Set(spellings.map(networkKey)).size, 1);
  assert.notEqual(networkKey("::ffff:c000:0207"), networkKey("::ffff:c633:6407"));
  assert.equal(networkKey("64:ff9b::192.0.2.1"), networkKey("64:ff9b::c000:201"));
  for (const none of ["64:ff9b::192.0.2.256", "::1.2.3", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3.4:1"]) assert.equal(networkKey(none), 0);
});
