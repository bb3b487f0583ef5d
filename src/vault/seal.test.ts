import assert from "node:assert/strict";
import { createCipheriv, createSecretKey } from "node:crypto";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { InvariantError } from "#kernel/assert.ts";
import { canonicalJson } from "#kernel/canonical-json.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import { systemRandom } from "#kernel/random.ts";
import { createNonces } from "./nonces.ts";
import { bindingBytes, createSealer, MAX_USES_PER_KEY, SealBrokenError } from "./seal.ts";
import type { Binding, DataKey, Sealed } from "./seal.ts";

const random = systemRandom();
const organisation = "org_01ARZ3NDEKTSV4RRFFQ69G5FAV" as OrganisationId;
const keyBytes = random.bytes(32);

function dataKey(over: Partial<DataKey> = {}): DataKey {
  return { id: "dek_01ARZ3NDEKTSV4RRFFQ69G5FAV", organisationId: organisation, secret: createSecretKey(keyBytes), uses: 0, ...over };
}

const binding: Binding = { organisation_id: organisation, table: "smartfinance-transactions", record: "txn_1", field: "metadata" };
const sealer = createSealer(random);

function brokenBy(reason: string): (error: unknown) => boolean {
  return (error) => error instanceof SealBrokenError && error.reason === reason;
}

/** Flips bit `bit` of a base64 text's bytes. */
function flip(base64: string, bit: number): string {
  const bytes = Buffer.from(base64, "base64");
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return bytes.toString("base64");
}

describe("seal", () => {
  it("opens what it sealed, for any text", () => {
    const anyText = fc.oneof(fc.string({ unit: "grapheme", maxLength: 300 }), fc.string({ unit: "binary", maxLength: 300 }), utf16());
    fc.assert(
      fc.property(anyText, (text) => {
        const key = dataKey();
        assert.equal(sealer.open(key, binding, sealer.seal(key, binding, text)), text);
      }),
      { numRuns: 1000 },
    );
  });

  it("keeps strings that UTF-8 cannot carry", () => {
    for (const text of ["", "\ud800", "a\udc00b", "\ufeffbom", "\u0000", "ÿ", "😀\ud83d"]) {
      const key = dataKey();
      assert.equal(sealer.open(key, binding, sealer.seal(key, binding, text)), text);
    }
  });

  it("gives the stored shape, with a 12-byte nonce and a 16-byte tag, and nothing of the text in it", () => {
    const sealed = sealer.seal(dataKey(), binding, "secret note");
    assert.deepEqual(Object.keys(sealed), ["key_id", "encryption_algorithm", "nonce", "ciphertext"]);
    assert.equal(sealed.key_id, "dek_01ARZ3NDEKTSV4RRFFQ69G5FAV");
    assert.equal(sealed.encryption_algorithm, "AES-256-GCM");
    assert.equal(Buffer.from(sealed.nonce, "base64").length, 12);
    assert.equal(Buffer.from(sealed.ciphertext, "base64").length, "secret note".length + 16);
    assert.deepEqual(JSON.parse(JSON.stringify(sealed)), sealed);
  });

  it("is AES-256-GCM over the canonical binding, as another implementation computes it", () => {
    const sealed = sealer.seal(dataKey(), binding, "secret note");
    const cipher = createCipheriv("aes-256-gcm", keyBytes, Buffer.from(sealed.nonce, "base64"), { authTagLength: 16 });
    cipher.setAAD(Buffer.from(canonicalJson({ ...binding, key_id: sealed.key_id })));
    const expected = Buffer.concat([cipher.update("secret note", "utf8"), cipher.final(), cipher.getAuthTag()]);
    assert.equal(sealed.ciphertext, expected.toString("base64"));
  });

  it("binds canonically and unambiguously: any strings", () => {
    const part = fc.string({ unit: "grapheme", maxLength: 30 });
    fc.assert(
      fc.property(part, part, part, part, part, (keyId, organisation_id, table, record, field) => {
        const fields = { organisation_id, table, record, field };
        assert.equal(bindingBytes(keyId, fields).toString("utf8"), canonicalJson({ ...fields, key_id: keyId }));
      }),
    );
  });

  it("refuses every single flipped bit of nonce, ciphertext and tag", () => {
    const key = dataKey();
    const sealed = sealer.seal(key, binding, "twenty-one characters");
    for (const part of ["nonce", "ciphertext"] as const) {
      const bits = Buffer.from(sealed[part], "base64").length * 8;
      for (let bit = 0; bit < bits; bit++) {
        assert.throws(() => sealer.open(key, binding, { ...sealed, [part]: flip(sealed[part], bit) }), brokenBy("authentication"));
      }
    }
  });

  it("refuses any other character anywhere, spare bits of base64 included", () => {
    const key = dataKey();
    const sealed = sealer.seal(key, binding, "x");
    for (const part of ["nonce", "ciphertext"] as const) {
      for (let at = 0; at < sealed[part].length; at++) {
        for (const other of ["A", "B", "/", "-", " ", "="]) {
          if (sealed[part][at] === other) continue;
          const changed = sealed[part].slice(0, at) + other + sealed[part].slice(at + 1);
          assert.throws(() => sealer.open(key, binding, { ...sealed, [part]: changed }), SealBrokenError);
        }
      }
      assert.throws(() => sealer.open(key, binding, { ...sealed, [part]: `${sealed[part]}\n` }), brokenBy("format"));
    }
  });

  it("ENC-05 refuses tags cut to 4, 8, 12 or any other number of bytes", () => {
    const key = dataKey();
    for (const text of ["", "a text"]) {
      const sealed = sealer.seal(key, binding, text);
      const bytes = Buffer.from(sealed.ciphertext, "base64");
      for (let cut = 1; cut <= bytes.length; cut++) {
        const ciphertext = bytes.subarray(0, bytes.length - cut).toString("base64");
        assert.throws(() => sealer.open(key, binding, { ...sealed, ciphertext }), SealBrokenError);
      }
    }
    // The attack itself: an empty text whose tag alone is kept to 4, 8, 12 bytes.
    const empty = sealer.seal(key, binding, "");
    for (const length of [4, 8, 12]) {
      const ciphertext = Buffer.from(empty.ciphertext, "base64").subarray(0, length).toString("base64");
      assert.throws(() => sealer.open(key, binding, { ...empty, ciphertext }), brokenBy("format"));
    }
  });

  it("refuses a text that was moved: every part of the binding and the key id count", () => {
    const key = dataKey();
    const sealed = sealer.seal(key, binding, "mine");
    for (const part of ["table", "record", "field"] as const) {
      assert.throws(() => sealer.open(key, { ...binding, [part]: `${binding[part]}x` }, sealed), brokenBy("authentication"));
    }
    assert.throws(() => sealer.open(key, { ...binding, organisation_id: "org_other" }, sealed), brokenBy("key"));
    // The same key bytes under another id or organisation, as a confused store might give them.
    const renamed = dataKey({ id: "dek_other" });
    assert.throws(() => sealer.open(renamed, binding, sealed), brokenBy("key"));
    assert.throws(() => sealer.open(renamed, binding, { ...sealed, key_id: "dek_other" }), brokenBy("authentication"));
    const foreign = "org_other" as OrganisationId;
    const theirs = dataKey({ organisationId: foreign });
    assert.throws(() => sealer.open(theirs, { ...binding, organisation_id: foreign }, sealed), brokenBy("authentication"));
    // Parts may not flow into each other.
    assert.throws(() => sealer.open(key, { ...binding, record: "txn_", field: "1metadata" }, sealed), brokenBy("authentication"));
  });

  it("refuses another key, another algorithm and malformed fields", () => {
    const key = dataKey();
    const sealed = sealer.seal(key, binding, "mine");
    assert.throws(() => sealer.open(dataKey({ secret: createSecretKey(random.bytes(32)) }), binding, sealed), brokenBy("authentication"));
    const bad = (over: Record<string, unknown>): Sealed => ({ ...sealed, ...over }) as Sealed;
    assert.throws(() => sealer.open(key, binding, bad({ encryption_algorithm: "AES-128-GCM" })), brokenBy("format"));
    for (const wrong of [undefined, null, 5, {}, "", "AAAA"]) {
      assert.throws(() => sealer.open(key, binding, bad({ nonce: wrong })), brokenBy("format"));
      assert.throws(() => sealer.open(key, binding, bad({ ciphertext: wrong })), brokenBy("format"));
    }
  });

  it("seals for the key's own organisation only, and not beyond the key's uses", () => {
    assert.throws(() => sealer.seal(dataKey(), { ...binding, organisation_id: "org_other" }, "x"), InvariantError);
    const key = dataKey({ uses: MAX_USES_PER_KEY - 1 });
    sealer.seal(key, binding, "the last one");
    assert.throws(() => sealer.seal(key, binding, "one too many"), InvariantError);
  });

  it("never shows the key", () => {
    const shown = `${inspect(dataKey(), { depth: 9, showHidden: true })} ${JSON.stringify(dataKey())}`;
    const bytes = Buffer.from(keyBytes);
    for (const encoding of ["hex", "base64", "base64url"] as const) assert.ok(!shown.includes(bytes.toString(encoding)));
  });
});

describe("nonces", () => {
  it("never repeat: one source over many keys, and a second process beside it", () => {
    const seen = new Set<string>();
    const other = createSealer(random);
    for (let n = 0; n < 5_000; n++) {
      for (const each of [sealer, other]) seen.add(each.seal(dataKey(), binding, "same").nonce);
    }
    assert.equal(seen.size, 10_000);
  });

  it("draw a new prefix when the counter has run through", () => {
    const next = createNonces(random, 2 ** 32 - 2);
    const [a, b, c, d] = [next(), next(), next(), next()].map((nonce) => nonce.toString("hex"));
    assert.equal(a?.slice(16), "fffffffe");
    assert.equal(b?.slice(16), "ffffffff");
    assert.equal(a?.slice(0, 16), b?.slice(0, 16));
    assert.equal(c?.slice(16), "00000000");
    assert.equal(d?.slice(16), "00000001");
    assert.notEqual(c?.slice(0, 16), b?.slice(0, 16));
    assert.equal(c?.slice(0, 16), d?.slice(0, 16));
  });
});

/** Strings of any UTF-16 code units, half surrogate pairs included. */
function utf16(): fc.Arbitrary<string> {
  return fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 100 }).map((units) => String.fromCharCode(...units));
}
