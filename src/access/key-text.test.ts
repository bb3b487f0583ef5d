import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { createIds } from "#kernel/ids.ts";
import { systemClock } from "#kernel/clock.ts";
import type { ApiKeyId } from "#kernel/ids.ts";
import { systemRandom } from "#kernel/random.ts";
import { base62, base62Of32Bits } from "./base62.ts";
import { API_KEY_LENGTH, API_KEY_PATTERN, comparableHash, hashSecret, mintApiKey, parseApiKey, secretMatches } from "./key-text.ts";
import type { Environment } from "./key-text.ts";

const random = systemRandom();
const ids = createIds(systemClock, random);
const mint = (environment: Environment = "live", id: ApiKeyId = ids.next("apiKey")) => ({
  id,
  ...mintApiKey({ id, environment, random }),
});

/** A key with a part replaced and the checksum made to fit again. */
function reforge(body: string): string {
  return `${body}_${base62Of32Bits(crc32(body))}`;
}

describe("an API key's text", () => {
  it("KEY-01 is prefix, environment, id, secret, checksum, and parses back", () => {
    for (const environment of ["live", "test"] as const) {
      const { id, text, secretHash } = mint(environment);
      const [prefix, env, body, secret = "", checksum, ...rest] = text.split("_");
      assert.deepEqual([prefix, env, body, rest.length], ["sfk", environment, id.slice(4), 0]);
      assert.equal(text.length, API_KEY_LENGTH);
      assert.equal(checksum, base62(BigInt(crc32(text.slice(0, -7))), 6));
      assert.equal(secretHash, createHash("sha256").update(secret).digest("hex"));
      assert.deepEqual(parseApiKey(text), { ok: true, id, environment, secret });
    }
  });

  it("KEY-01 is found by the scanner pattern: 10,000 keys, alone and inside other text", () => {
    const whole = new RegExp(`^${API_KEY_PATTERN}$`);
    const within = new RegExp(API_KEY_PATTERN);
    const around = ["", " ", '"', "_", "X-API-Key: ", "abc", "=", "\n", "0", "é"];
    const secrets = new Set<string>();
    for (let n = 0; n < 10_000; n++) {
      const { text } = mint(n % 2 === 0 ? "live" : "test");
      secrets.add(text.slice(36, 79));
      assert.match(text, whole);
      const side = around[n % around.length] ?? "";
      assert.equal(within.exec(`${side}${text}${side}`)?.[0], text);
    }
    assert.equal(secrets.size, 10_000);
  });

  it("KEY-01 is refused with any one character changed, added or taken away", () => {
    const { text } = mint();
    for (let at = 0; at < text.length; at++) {
      for (const other of ["0", "A", "z", "_", "-", " ", "é"]) {
        if (text[at] === other) continue;
        assert.deepEqual(parseApiKey(text.slice(0, at) + other + text.slice(at + 1)), { ok: false, code: "unauthenticated" });
        assert.equal(parseApiKey(text.slice(0, at) + other + text.slice(at)).ok, false);
      }
      assert.equal(parseApiKey(text.slice(0, at)).ok, false);
    }
  });

  it("KEY-01 is refused when malformed although the checksum fits", () => {
    const { text } = mint();
    const body = text.slice(0, -7);
    assert.equal(parseApiKey(reforge(body)).ok, true);
    const bad = [
      body.replace("sfk_live", "sfk_prod"),
      body.replace("sfk_", "sfx_"),
      body.replace(/^sfk_live_./, "sfk_live_8"),
      body.replace(/^sfk_live_(.)./, "sfk_live_$1I"),
      `${body.slice(0, -1)}-`,
      `${body.slice(0, 35)}-${body.slice(36)}`,
      body.toLowerCase(),
    ];
    for (const wrong of bad) assert.equal(parseApiKey(reforge(wrong)).ok, false, wrong);
  });

  it("is refused for any other text", () => {
    fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 100 }), (text) => !parseApiKey(text).ok));
    for (const text of [
      "",
      "sfk",
      "sfk_live_",
      "x".repeat(API_KEY_LENGTH),
      "x".repeat(100_000),
      `${mint().text}\n`,
      `${mint().text}, ${mint().text}`,
    ]) {
      assert.equal(parseApiKey(text).ok, false);
    }
  });

  it("mints extreme randomness into keys of the same length", () => {
    const id = ids.next("apiKey");
    for (const fill of [0, 255]) {
      const { text } = mintApiKey({ id, environment: "test", random: { bytes: (size) => new Uint8Array(size).fill(fill) } });
      assert.equal(parseApiKey(text).ok, true);
    }
  });
});

describe("a secret's hash", () => {
  it("matches its secret only", () => {
    const hash = comparableHash(hashSecret("one secret"));
    assert.equal(secretMatches("one secret", hash), true);
    for (const other of ["one secreu", "", "one secret "]) assert.equal(secretMatches(other, hash), false);
  });

  it("is refused when it is none", () => {
    for (const wrong of ["", "abc", "A".repeat(64), "g".repeat(64), "a".repeat(65)]) assert.throws(() => comparableHash(wrong));
  });
});

describe("base62", () => {
  it("is injective, of fixed length, and the same in both forms", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), (value) => {
        const text = base62Of32Bits(value);
        assert.match(text, /^[0-9A-Za-z]{6}$/);
        assert.equal(text, base62(BigInt(value), 6));
      }),
    );
    assert.equal(base62Of32Bits(0xffffffff), "4gfFC3");
    assert.equal(base62(2n ** 256n - 1n, 43).length, 43);
    assert.throws(() => base62(62n ** 6n, 6));
  });
});
