import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { DEFAULT_PAGE_TERMS } from "#identity/index.ts";
import type { Organisation } from "#identity/index.ts";
import type { Clock } from "#kernel/clock.ts";
import { createIds } from "#kernel/ids.ts";
import { systemRandom } from "#kernel/random.ts";
import type { Currency } from "#kernel/money.ts";
import { createActionLimit } from "./action-limit.ts";
import { amountText } from "./amount-text.ts";
import { assetOf } from "./assets.ts";
import { cookieNameOf, cookieOf } from "./cookie.ts";
import { html } from "./html.ts";
import { layout, messageMain, PAGE_POLICY } from "./layout.ts";
import { readReturnUrl, returnLink } from "./return-url.ts";
import { isSecret, newSecret, readToken, tokenText } from "./secret.ts";
import { themeOf } from "./theme.ts";
import { sayIn } from "./language.ts";

const random = systemRandom();
const clock: Clock = { now: () => 1_790_000_000_000, sleep: async () => {} };
const ids = createIds(clock, random);

describe("html", () => {
  it("escapes whatever is put in, so that no text becomes markup", () => {
    assert.equal(html`<p title="${`"'`}">${"<b>&amp;"}</p>`.html, '<p title="&quot;&#39;">&lt;b&gt;&amp;amp;</p>');
    fc.assert(fc.property(fc.string(), (text) => !/[<>"']/.test(html`${text}`.html)));
  });

  it("takes what is HTML already, and leaves out what is not there", () => {
    assert.equal(html`<ul>${["a", "<"].map((one) => html`<li>${one}</li>`)}${undefined}</ul>`.html, "<ul><li>a</li><li>&lt;</li></ul>");
  });
});

describe("amounts", () => {
  it("are written to the last digit in the currency's own places", () => {
    const text = (amount: bigint, currency: string, language: "en" | "de") =>
      amountText(amount, currency as Currency, language).replaceAll(/\s/g, " ");
    assert.equal(text(123450n, "EUR", "en"), "EUR 1,234.50");
    assert.equal(text(123450n, "EUR", "de"), "1.234,50 EUR");
    assert.equal(text(1n, "EUR", "en"), "EUR 0.01");
    assert.equal(text(1234n, "JPY", "en"), "JPY 1,234");
    assert.equal(text(1234n, "KWD", "en"), "KWD 1.234");
    assert.equal(text(9007199254740991n, "EUR", "en"), "EUR 90,071,992,547,409.91");
  });

  it("differ wherever the amounts do", () => {
    const amount = fc.bigInt({ min: 1n, max: 9007199254740991n });
    fc.assert(
      fc.property(amount, fc.constantFrom("EUR", "JPY", "KWD"), fc.constantFrom("en", "de"), (n, currency, language) => {
        const digits = amountText(n, currency as Currency, language as "en" | "de").replaceAll(/\D/g, "");
        assert.equal(BigInt(digits), n);
      }),
    );
  });
});

describe("return URLs", () => {
  const origins = ["https://app.example.com", "http://localhost:3000"];

  it("are taken from the named origins and no others", () => {
    for (const url of [
      "https://app.example.com",
      "https://app.example.com/a?b=c#d",
      "http://localhost:3000/x",
      "https://APP.example.com:443/",
    ])
      assert.ok(readReturnUrl(url, origins).ok, url);
    const wrong = [
      "https://app.example.com.evil.example/",
      "https://evil.example/?https://app.example.com",
      "http://app.example.com/",
      "https://app.example.com:444/",
      "https://app.example.com@evil.example/",
      "https://user:pass@app.example.com/",
      "//app.example.com/",
      "/relative",
      "javascript:alert(1)//https://app.example.com",
      "data:text/html,https://app.example.com",
      "https:/\\evil.example/",
      // Its origin is the one of the page that made it (URL Standard, section 4.7), and it leads to no page of the application.
      "blob:https://app.example.com/0d9c3c1e-2b1f-4b52-9c8e-6b7f3f0a1c2d",
      "",
    ];
    for (const url of wrong) assert.ok(!readReturnUrl(url, origins).ok, url);
    assert.ok(!readReturnUrl("https://app.example.com/", []).ok);
  });

  it("carry the session and the result, over what stood there", () => {
    const id = ids.next("hostedSession");
    const link = new URL(returnLink({ id, returnUrl: "https://app.example.com/a?result=forged&x=1#part" }, "approved"));
    assert.deepEqual(
      [...link.searchParams],
      [
        ["result", "approved"],
        ["x", "1"],
        ["hosted_session_id", id],
      ],
    );
    assert.equal(link.hash, "#part");
  });
});

describe("secrets", () => {
  it("are known by their hash, and nothing else passes for them", () => {
    const secret = newSecret(random);
    const other = newSecret(random);
    assert.ok(isSecret(secret.text, secret.hash));
    for (const wrong of [other.text, "", undefined, secret.hash, `${secret.text} `, secret.text.slice(1)])
      assert.ok(!isSecret(wrong, secret.hash), wrong);
    assert.ok(!isSecret(secret.text, null));
    assert.notEqual(secret.text, other.text);
  });

  it("tokens are read back, and whatever is no token is none", () => {
    const id = ids.next("hostedSession");
    const { text } = newSecret(random);
    assert.deepEqual(readToken(tokenText(id, text)), { id, secret: text });
    for (const wrong of [
      "",
      id,
      `${id}.`,
      `${id}.${text}.`,
      `.${text}`,
      `${ids.next("user")}.${text}`,
      `${id}.${text.slice(1)}`,
      `${id} ${text}`,
    ])
      assert.equal(readToken(wrong), undefined, wrong);
    fc.assert(fc.property(fc.string(), (noise) => readToken(noise) === undefined));
  });

  it("cookies are bound to one session, out of reach of scripts and of other sites", () => {
    const id = ids.next("hostedSession");
    assert.equal(cookieOf({ id }, "abc", false), `${id}=abc; Path=/; Max-Age=600; HttpOnly; SameSite=Strict`);
    assert.equal(cookieOf({ id }, "abc", true), `__Host-${id}=abc; Path=/; Max-Age=600; HttpOnly; SameSite=Strict; Secure`);
    assert.notEqual(cookieNameOf(id, true), cookieNameOf(ids.next("hostedSession"), true));
  });
});

describe("themes", () => {
  const organisation = (name: string, displayName: string | null = null): Organisation => ({
    id: ids.next("organisation"),
    name,
    settings: {
      rateLimitPerMinute: 1,
      rateLimitCeiling: 1,
      keyRateLimitPerMinute: 1,
      ipAllowlist: [],
      pages: { ...DEFAULT_PAGE_TERMS, displayName },
    },
    createdAt: 0,
    version: 1,
  });

  it("have initials as people see letters", () => {
    for (const [name, initials] of [
      ["Acme Bank", "AB"],
      ["acme", "A"],
      ["Ünal & Söhne", "ÜS"],
      ["", ""],
      ["👩‍👩‍👧 Family", "F"],
      ["– — –", ""],
      ["é bank", "ÉB"],
    ] as const)
      assert.equal(themeOf(organisation(name)).initials, initials, name);
  });

  it("use the name for customers where there is one", () => {
    assert.equal(themeOf(organisation("Acme Holding Ltd", "Acme")).name, "Acme");
    assert.equal(themeOf(organisation("Acme Holding Ltd")).name, "Acme Holding Ltd");
    assert.equal(themeOf(undefined).name, "");
  });

  it("give pages nothing inline, whatever the organisation is called", () => {
    const theme = themeOf(organisation(`<script>alert(1)</script> "x"`));
    const page = layout({ theme, language: "en", say: sayIn("en"), title: "T", main: messageMain("<i>", "&") });
    assert.ok(!/<script>|<i>|style=|<style|\son\w+=/.test(page), page);
    assert.ok(!/unsafe|data:|\*/.test(PAGE_POLICY));
  });
});

describe("files of the pages", () => {
  it("are the named ones, with a validator of their content", () => {
    for (const name of ["pages.css", "page.js", "passkey.js", "open.js", "enrol.js", "approve.js", "simplewebauthn.js"]) {
      const asset = assetOf(name);
      assert.ok(asset !== undefined && asset.bytes.length > 100, name);
      assert.match(asset.etag, /^"[\w-]{22}"$/);
    }
    assert.notEqual(assetOf("open.js")?.etag, assetOf("page.js")?.etag);
    for (const name of ["", "../index.ts", "tsconfig.json", "constructor", "PAGES.css"]) assert.equal(assetOf(name), undefined, name);
  });

  it("load nothing from anywhere else", () => {
    for (const name of ["pages.css", "page.js", "passkey.js", "open.js", "enrol.js", "approve.js"])
      assert.ok(!/https?:|\/\/\w+\.\w|@import|url\(/.test(assetOf(name)?.bytes.toString("utf8") ?? "http:"), name);
  });
});

describe("what one visit may do", () => {
  it("has an end, and one visit does not use up another's", () => {
    const may = createActionLimit();
    const first = ids.next("hostedSession");
    const done = Array.from({ length: 150 }, () => may(first)).filter(Boolean).length;
    assert.equal(done, 100);
    assert.ok(may(ids.next("hostedSession")));
  });
});
