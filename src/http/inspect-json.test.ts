import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MAX_DEPTH, inspectJson } from "./inspect-json.ts";

const inspect = (text: string) => inspectJson(Buffer.from(text));
const codeOf = (text: string) => inspect(text)?.code;
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

/** Reads as the server does: inspected, then parsed. */
function accepts(text: string): { value: unknown } | undefined {
  if (inspect(text) !== undefined) return undefined;
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

test("passes what a double and an object can hold", () => {
  for (const text of [
    "{}",
    "[]",
    "null",
    "-0",
    "0.1",
    "9007199254740991",
    "-9007199254740991",
    "1e15",
    "1.5e-300",
    "0.30000000000000004",
    '{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}',
    '{"prototype":1,"constructor":{"name":1}}',
    '{"a\\"b":1,"a\\\\":2,"a":3}',
    '"\\ud83d\\ude00 \\u00e9"',
    nested(MAX_DEPTH),
  ]) {
    assert.equal(inspect(text), undefined, text);
  }
});

test("names the place of a duplicate field", () => {
  assert.deepEqual(inspect('{"items":[{"a":1},{"b":1},{},{"amount":1,"x":[1,{}],"amount":2}]}'), {
    ok: false,
    code: "duplicate_field",
    param: "items.3.amount",
  });
});

test("finds duplicates behind escapes and among many names", () => {
  assert.equal(codeOf('{"amount":1,"\\u0061mount":2}'), "duplicate_field");
  assert.equal(codeOf('{"\\u0061mount":1,"amount":2}'), "duplicate_field");
  assert.equal(codeOf('{"é":1,"\\u00e9":2}'), "duplicate_field");
  const many = Array.from({ length: 40 }, (_, i) => `"n${i}":${i}`);
  assert.equal(inspect(`{${many.join()}}`), undefined);
  assert.equal(inspect(`{${many.join()},"n3":0}`)?.param, "n3");
  assert.equal(inspect(`{${many.join()},"n39":0}`)?.param, "n39");
});

test("forgets the names of one object before the next at the same depth", () => {
  assert.equal(inspect('[{"a":1,"b":2},{"a":1},{"\\u0061":1},{"a":1}]'), undefined);
});

test("refuses nesting beyond the limit, naming the place", () => {
  assert.equal(codeOf(nested(MAX_DEPTH + 1)), "too_deep");
  assert.equal(codeOf(`{"a":${nested(MAX_DEPTH)}}`), "too_deep");
  assert.match(inspect(`{"a":${nested(MAX_DEPTH)}}`)?.param ?? "", /^a(\.0)+$/);
  assert.equal(codeOf("[".repeat(100_000)), "too_deep");
});

test("refuses numbers a double does not hold exactly, naming the place", () => {
  for (const number of [
    "9007199254740992",
    "-9007199254740993",
    "1e16",
    "1e400",
    "-1e400",
    "1e-400",
    "0.100000000000000001",
    "5.00000000000000001",
    "9007199254740990.6",
  ]) {
    assert.deepEqual(inspect(`{"a":[0,${number}]}`), { ok: false, code: "number_out_of_range", param: "a.1" }, number);
  }
});

test("refuses names that reach into prototypes, however written", () => {
  for (const text of [
    '{"__proto__":1}',
    '{"a":{"__proto__":{}}}',
    '{"\\u005f_proto__":1}',
    '{"constructor":{"prototype":{}}}',
    '{"constructor":{"\\u0070rototype":1}}',
  ]) {
    assert.equal(codeOf(text), "unknown_field", text);
  }
  assert.equal(inspect('{"a":{"__proto__":1}}')?.param, "a.__proto__");
});

test("refuses a byte order mark and lone surrogates", () => {
  assert.equal(codeOf("\ufeff{}"), "invalid_encoding");
  assert.deepEqual(inspect('{"a":"\\ud83d"}'), {
    ok: false,
    code: "invalid_encoding",
    param: "a",
    detail: "A string has half of a surrogate pair.",
  });
  assert.equal(codeOf('{"\\uDC00":1}'), "invalid_encoding");
});

test("ends on unfinished text", () => {
  for (const text of ['"', '"abc', '"abc\\', '{"a', "[", "{", "]", "}", "", "-", '"\\u']) assert.equal(accepts(text), undefined, text);
});

test("keeps param short", () => {
  assert.equal((inspect(`{"${"x".repeat(5_000)}":1e400}`)?.param ?? "").length, 256);
});

test("property: what JSON.stringify writes is accepted with the same value", () => {
  // Names without the refused ones; doubles beyond 2^53 and lone surrogates are refused by intent.
  const safe = fc.jsonValue({ maxDepth: 6 }).filter((value) => {
    const text = JSON.stringify(value);
    const exact = (v: unknown): boolean =>
      typeof v === "number" ? Math.abs(v) <= Number.MAX_SAFE_INTEGER : typeof v !== "object" || v === null || Object.values(v).every(exact);
    return exact(value) && !/__proto__|prototype|\\ud/i.test(text);
  });
  fc.assert(
    fc.property(safe, fc.constantFrom(undefined, 2, "\t"), (value, space) => {
      const text = JSON.stringify(value, undefined, space);
      assert.deepEqual(accepts(text), { value: JSON.parse(text) as unknown });
    }),
    { numRuns: 500 },
  );
});

test("property: damaged JSON is accepted exactly when JSON.parse accepts it and no rule speaks against it", () => {
  const text = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value));
  const mark = fc.constantFrom("{", "}", "[", "]", '"', ",", ":", "\\", "1", "-", ".", "e", " ", "t", "\u0000", "é");
  fc.assert(
    fc.property(text, fc.nat(), mark, fc.boolean(), (original, at, inserted, replace) => {
      const cut = original.length === 0 ? 0 : at % (original.length + 1);
      const damaged = original.slice(0, cut) + inserted + original.slice(replace ? cut + 1 : cut);
      let parsed: { value: unknown } | undefined;
      try {
        parsed = { value: JSON.parse(damaged) as unknown };
      } catch {
        parsed = undefined;
      }
      const refusal = inspect(damaged);
      if (refusal === undefined) assert.deepEqual(accepts(damaged), parsed);
      // Only text that is no JSON may be called so; the other codes need no parser to be right.
      else if (refusal.code === "invalid_json") assert.equal(parsed, undefined);
    }),
    { numRuns: 2_000 },
  );
});

test("property: one name twice is found wherever it stands", () => {
  const names = fc.uniqueArray(
    fc.string({ unit: "grapheme", maxLength: 12 }).filter((name) => name !== "__proto__"),
    { minLength: 1, maxLength: 40 },
  );
  fc.assert(
    fc.property(names, fc.nat(), fc.nat(), (unique, which, where) => {
      const member = (name: string) => `${JSON.stringify(name)}:null`;
      const twice = unique[which % unique.length] ?? "";
      const members = unique.map(member);
      assert.equal(inspect(`{${members.join()}}`), undefined);
      members.splice(where % (members.length + 1), 0, member(twice));
      const refusal = inspect(`{"outer":{${members.join()}}}`);
      assert.equal(refusal?.code, "duplicate_field");
      assert.equal(refusal?.param, `outer.${twice}`);
    }),
  );
});
