import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { COUNTRIES } from "./countries.ts";
import { isBirthDate, normaliseEmail } from "./normalise.ts";

const NOW = Date.UTC(2026, 10, 22, 13);

void describe("normaliseEmail", () => {
  void it("takes case and Unicode compatibility forms for the same address, and nothing else", () => {
    const ada = "ada@example.com";
    for (const same of [
      "ada@example.com",
      "ADA@Example.COM",
      "  ada@example.com\t",
      "ａｄａ@example.com",
      "ada＠example.com",
      "Ada@EXAMPLE.com",
    ])
      assert.equal(normaliseEmail(same), ada, same);
    for (const other of ["a.da@example.com", "ada+bank@example.com", "ada@example.org", "ada@mail.example.com"])
      assert.notEqual(normaliseEmail(other), ada);
    assert.equal(normaliseEmail("GRÖßE@BÜCHER.example"), "größe@bücher.example");
    assert.equal(normaliseEmail("I@example.com"), "i@example.com", "no language has a say");
  });

  void it("knows what is no address", () => {
    const long = `${"a".repeat(64)}@${"b".repeat(189)}`;
    assert.equal(normaliseEmail(long), long);
    // U+00A8 and U+FDFA become text with blanks in it under NFKC.
    for (const bad of [
      "",
      "@",
      "ada",
      "ada@",
      "@example.com",
      "a@b@c",
      "a b@example.com",
      "a\u0000@b",
      "a\u00a8@b",
      "\ufdfa@b",
      `a${long}`,
      `${long}b`,
    ])
      assert.equal(normaliseEmail(bad), undefined, bad);
  });

  void it("changes nothing that it made itself", () => {
    const part = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });
    let seen = 0;
    fc.assert(
      fc.property(part, part, (local, domain) => {
        const once = normaliseEmail(`${local}@${domain}`);
        if (once === undefined) return;
        seen += 1;
        assert.equal(normaliseEmail(once), once);
      }),
      { numRuns: 2_000 },
    );
    assert.ok(seen > 500, "hardly any address was tried");
  });
});

void describe("isBirthDate", () => {
  void it("takes days that exist, of the past, from 1900 on", () => {
    for (const good of ["1900-01-01", "2000-02-29", "1990-12-31", "2026-11-21"]) assert.ok(isBirthDate(good, NOW), good);
    for (const bad of [
      "1899-12-31",
      "1900-02-29",
      "2001-02-29",
      "1990-04-31",
      "1990-13-01",
      "1990-00-10",
      "1990-10-00",
      "0099-01-01",
      "2026-11-22",
      "2026-11-23",
      "2090-01-01",
      "1990-1-1",
      "1990-01-01T00:00:00Z",
      "19900101",
      "",
    ])
      assert.ok(!isBirthDate(bad, NOW), bad);
  });

  void it("agrees with the calendar on every day", () => {
    fc.assert(
      fc.property(fc.date({ min: new Date("1900-01-01T00:00:00Z"), max: new Date(NOW - 86_400_000), noInvalidDate: true }), (date) => {
        assert.ok(isBirthDate(date.toISOString().slice(0, 10), NOW));
      }),
    );
  });
});

void describe("COUNTRIES", () => {
  void it("are the 249 of ISO 3166-1, each once, each with a name", () => {
    assert.equal(COUNTRIES.length, 249);
    assert.deepEqual([...new Set(COUNTRIES)].toSorted(), COUNTRIES);
    const names = new Intl.DisplayNames("en", { type: "region", fallback: "none" });
    for (const code of COUNTRIES) assert.notEqual(names.of(code), undefined, code);
  });
});
