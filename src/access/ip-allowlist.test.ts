import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { allows, isNarrower, MAX_ALLOWLIST_ENTRIES, parseAllowlist } from "./ip-allowlist.ts";
import type { IpMatcher } from "./ip-allowlist.ts";

function matcherOf(...entries: string[]): IpMatcher | undefined {
  const parsed = parseAllowlist(entries);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return parsed.matcher;
}

/** Few different bits, so that random addresses and blocks meet. */
const byte = fc.constantFrom(0, 1, 127, 128, 254, 255);
const v4 = fc.array(byte, { minLength: 4, maxLength: 4 });
const v6 = fc.array(byte, { minLength: 16, maxLength: 16 }).filter((bytes) => !isMapped(bytes));

function isMapped(bytes: readonly number[]): boolean {
  return bytes.slice(0, 10).every((b) => b === 0) && bytes[10] === 255 && bytes[11] === 255;
}
const spellV4 = (bytes: readonly number[]): string => bytes.join(".");
function spellV6(bytes: readonly number[]): string {
  return Array.from({ length: 8 }, (_, n) => (((bytes[2 * n] ?? 0) << 8) | (bytes[2 * n + 1] ?? 0)).toString(16)).join(":");
}
const spell = (bytes: readonly number[]): string => (bytes.length === 4 ? spellV4(bytes) : spellV6(bytes));
const bitsOf = (bytes: readonly number[]): string => bytes.map((b) => b.toString(2).padStart(8, "0")).join("");
function network(bytes: readonly number[], prefix: number): number[] {
  const bits = bitsOf(bytes)
    .slice(0, prefix)
    .padEnd(bytes.length * 8, "0");
  return bytes.map((_, n) => Number.parseInt(bits.slice(8 * n, 8 * n + 8), 2));
}

describe("the IP allow-list", () => {
  it("IP-01 agrees with a naive comparison of bits, over IPv4, IPv6 and mapped spellings", () => {
    const address = fc.oneof(v4, v6);
    const block = address.chain((bytes) => fc.tuple(fc.constant(bytes), fc.integer({ min: 0, max: bytes.length * 8 })));
    let inside = 0;
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 5 }), address, fc.boolean(), (blocks, client, mapped) => {
        const networks = blocks.map(([bytes, prefix]) => [network(bytes, prefix), prefix] as const).filter(([bytes]) => !isMapped(bytes));
        const matcher = matcherOf(...networks.map(([bytes, prefix]) => `${spell(bytes)}/${prefix}`));
        const expected =
          networks.length === 0 ||
          networks.some(([bytes, prefix]) => bytes.length === client.length && bitsOf(client).startsWith(bitsOf(bytes).slice(0, prefix)));
        if (expected) inside += 1;
        const text = mapped && client.length === 4 ? `::ffff:${spellV4(client)}` : spell(client);
        assert.equal(allows(matcher, text), expected);
      }),
      { numRuns: 3000 },
    );
    assert.ok(inside > 300 && inside < 2700, `${inside} of 3000 were inside`);
  });

  it("IP-01 an empty list is no list: every address, whatever its text", () => {
    const parsed = parseAllowlist([]);
    assert.deepEqual(parsed, { ok: true, matcher: undefined, entries: [] });
    for (const ip of ["10.0.0.1", "::1", "nonsense", ""]) assert.equal(allows(undefined, ip), true);
  });

  it("IP-01 IPv4 in IPv6 spelling is IPv4, in the list and in the address", () => {
    for (const entry of ["10.1.0.0/16", "::ffff:10.1.0.0/112", "::ffff:a01:0/112", "::FFFF:10.1.0.0/112"]) {
      const matcher = matcherOf(entry);
      for (const ip of ["10.1.2.3", "::ffff:10.1.2.3", "::ffff:a01:203", "0:0:0:0:0:FFFF:0a01:0203"])
        assert.equal(allows(matcher, ip), true);
      for (const ip of ["10.2.2.3", "::ffff:10.2.2.3", "::10.1.2.3", "::a01:203", "a01:203::", "64:ff9b::10.1.2.3"])
        assert.equal(allows(matcher, ip), false);
    }
    assert.equal(allows(matcherOf("::/0"), "10.1.2.3"), false);
    assert.equal(allows(matcherOf("::/0"), "::ffff:10.1.2.3"), false);
    assert.equal(allows(matcherOf("::/0"), "2001:db8::1"), true);
    assert.equal(allows(matcherOf("0.0.0.0/0"), "::ffff:10.1.2.3"), true);
    assert.equal(allows(matcherOf("0.0.0.0/0"), "2001:db8::1"), false);
  });

  it("IP-01 text that is no address is inside no list", () => {
    const matcher = matcherOf("0.0.0.0/0", "::/0");
    for (const ip of [
      "",
      "nonsense",
      "10.0.0",
      "10.0.0.1 ",
      "10.0.0.1:80",
      "[::1]",
      "010.0.0.1",
      "0x0a.0.0.1",
      "167772161",
      "10.0.0.1/32",
      "%eth0",
    ]) {
      assert.equal(allows(matcher, ip), false, ip);
    }
  });

  it("takes the interface name off a socket's link-local address", () => {
    assert.equal(allows(matcherOf("fe80::/10"), "fe80::1%eth0"), true);
    assert.equal(allows(matcherOf("fe80::2"), "fe80::1%eth0"), false);
  });

  it("IP-01 bad syntax is refused when the list is made, with the entry's index", () => {
    const bad = [
      "",
      " ",
      "nonsense",
      "10.0.0",
      "10.0.0.256",
      "010.0.0.1",
      "0x0a.0.0.1",
      "167772161",
      " 10.0.0.1",
      "10.0.0.1 ",
      "10.0.0.0/",
      "10.0.0.0/ 8",
      "10.0.0.0/33",
      "10.0.0.0/-1",
      "10.0.0.0/08",
      "10.0.0.0/8.0",
      "10.0.0.0/1e1",
      "10.0.0.0/255.0.0.0",
      "10.0.0.0/8/8",
      "2001:db8::/129",
      "2001:db8::g",
      "::ffff:10.0.0.0/95",
      "::10.0.0.1",
      "::10.0.0.0/104",
      "fe80::1%eth0",
      "fe80::%1/64",
      "[::1]",
      "10.0.0.1:80",
      "10.0.0.0-10.0.0.9",
      "*",
      "example.com",
    ];
    for (const entry of bad) {
      const refused = parseAllowlist(["10.0.0.0/8", entry]);
      assert.ok(!refused.ok, entry);
      assert.deepEqual([refused.code, refused.param], ["invalid_request", "ip_allowlist.1"], entry);
    }
    assert.equal((parseAllowlist(["x"], "allow") as { param?: string }).param, "allow.0");
  });

  it("IP-01 bits set behind the prefix are refused, not cut off", () => {
    for (const entry of ["10.0.0.1/8", "10.0.0.1/31", "2001:db8::1/64", "::ffff:10.0.0.1/104", "128.0.0.0/0", "::1/0"]) {
      const refused = parseAllowlist([entry]);
      assert.ok(!refused.ok, entry);
      assert.match(refused.detail ?? "", /behind its prefix/);
    }
    for (const entry of ["10.0.0.1/32", "10.0.0.2/31", "2001:db8::1/128", "0.0.0.0/0", "::/0"])
      assert.ok(parseAllowlist([entry]).ok, entry);
  });

  it("gives entries in one spelling without repetitions, which parse to the same", () => {
    const parsed = parseAllowlist(["10.0.0.1/32", "10.0.0.1", "::ffff:10.0.0.1", "2001:DB8:0:0::/32", "2001:db8::/32", "192.168.0.0/16"]);
    assert.ok(parsed.ok);
    assert.deepEqual(parsed.entries, ["10.0.0.1", "2001:db8::/32", "192.168.0.0/16"]);
    const again = parseAllowlist(parsed.entries);
    assert.ok(again.ok);
    assert.deepEqual(again.entries, parsed.entries);
  });

  it("takes 100 entries and refuses more", () => {
    const entries = Array.from({ length: MAX_ALLOWLIST_ENTRIES }, (_, n) => `10.0.0.${n}`);
    const parsed = parseAllowlist(entries);
    assert.ok(parsed.ok && allows(parsed.matcher, "10.0.0.99") && !allows(parsed.matcher, "10.0.0.100"));
    const refused = parseAllowlist([...entries, "10.0.0.100"]);
    assert.ok(!refused.ok && refused.param === "ip_allowlist");
  });
});

describe("a narrower allow-list", () => {
  const entriesOf = (...entries: string[]): readonly string[] => {
    const parsed = parseAllowlist(entries);
    assert.ok(parsed.ok);
    return parsed.entries;
  };

  it("lets in nobody whom the one before did not", () => {
    const block = fc.tuple(v4, fc.integer({ min: 0, max: 32 })).map(([bytes, bits]) => {
      const masked = bytes.map((b, n) => b & ~(0xff >> Math.min(8, Math.max(0, bits - n * 8))) & 0xff);
      return `${masked.join(".")}/${bits}`;
    });
    const list = fc.array(block, { maxLength: 3 }).map((entries) => entriesOf(...entries));
    let narrower = 0;
    fc.assert(
      fc.property(list, list, fc.array(v4, { minLength: 20, maxLength: 20 }), (after, before, addresses) => {
        assert.equal(isNarrower(before, before), true);
        if (!isNarrower(after, before)) return;
        narrower += 1;
        const [now, then] = [matcherOf(...after), matcherOf(...before)];
        for (const address of addresses.map((bytes) => bytes.join(".")))
          if (allows(now, address)) assert.ok(allows(then, address), address);
      }),
      { numRuns: 500 },
    );
    assert.ok(narrower > 50, "hardly anything was looked at");
  });

  it("is none when it is empty, unless there was none; families are not mixed", () => {
    assert.equal(isNarrower([], []), true);
    assert.equal(isNarrower(["10.0.0.0/8"], []), true);
    assert.equal(isNarrower([], ["10.0.0.0/8"]), false);
    assert.equal(isNarrower(["10.0.0.0/9"], ["10.0.0.0/8"]), true);
    assert.equal(isNarrower(["10.0.0.0/8"], ["10.0.0.0/9", "10.128.0.0/9"]), false);
    assert.equal(isNarrower(["10.0.0.1"], entriesOf("::/0")), false);
    assert.equal(isNarrower(entriesOf("2001:db8::1"), entriesOf("::/0")), true);
  });
});
