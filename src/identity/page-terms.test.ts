import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { contrastOf, DARK_GROUND, inkOn, LEAST_CONTRAST, LIGHT_GROUND } from "./page-colours.ts";
import { changePageTerms, DEFAULT_PAGE_TERMS, pageTermsFromItem, presentPageTerms } from "./page-terms.ts";
import type { PageTermsFields } from "./page-terms.ts";

const colour = fc.integer({ min: 0, max: 0xffffff }).map((n) => `#${n.toString(16).padStart(6, "0")}`);

describe("colours of the hosted pages", () => {
  it("contrast as WCAG defines it", () => {
    assert.equal(contrastOf("#000000", "#ffffff"), 21);
    assert.equal(contrastOf("#ffffff", "#ffffff"), 1);
    // The lightest grey that passes on white, and the next one, which does not.
    assert.ok(contrastOf("#767676", "#ffffff") >= LEAST_CONTRAST);
    assert.ok(contrastOf("#777777", "#ffffff") < LEAST_CONTRAST);
  });

  it("text on a button reads well whatever colour it has", () => {
    fc.assert(fc.property(colour, (chosen) => contrastOf(chosen, inkOn(chosen)) >= LEAST_CONTRAST));
  });

  it("the defaults read well on their grounds", () => {
    assert.ok(contrastOf(DEFAULT_PAGE_TERMS.primary, LIGHT_GROUND) >= LEAST_CONTRAST);
    assert.ok(contrastOf(DEFAULT_PAGE_TERMS.primaryDark, DARK_GROUND) >= LEAST_CONTRAST);
  });

  it("a colour is taken when it reads well on its ground, and only then", () => {
    fc.assert(
      fc.property(colour, fc.boolean(), (chosen, dark) => {
        const asked: PageTermsFields = dark ? { pages_primary_color_dark: chosen } : { pages_primary_color: chosen };
        const changed = changePageTerms(DEFAULT_PAGE_TERMS, asked);
        assert.equal(changed.ok, contrastOf(chosen, dark ? DARK_GROUND : LIGHT_GROUND) >= LEAST_CONTRAST);
        if (!changed.ok) assert.equal(changed.param, dark ? "pages_primary_color_dark" : "pages_primary_color");
      }),
    );
  });
});

describe("origins that pages may return to", () => {
  const take = (origin: string): boolean => changePageTerms(DEFAULT_PAGE_TERMS, { pages_return_origins: [origin] }).ok;

  it("are taken as browsers write them", () => {
    for (const origin of [
      "https://app.example.com",
      "https://app.example.com:8443",
      "http://localhost:3000",
      "http://127.0.0.1",
      "http://[::1]:5173",
    ])
      assert.ok(take(origin), origin);
  });

  it("are refused in any other form", () => {
    const wrong = [
      "http://app.example.com",
      "https://app.example.com/",
      "https://app.example.com/path",
      "https://APP.example.com",
      "https://user@app.example.com",
      "https://app.example.com:443",
      "https://*.example.com",
      "javascript:alert(1)",
      "data:text/html,x",
      "app.example.com",
      "//app.example.com",
      "null",
      "https://",
      "http://localhost.example.com",
    ];
    for (const origin of wrong) assert.ok(!take(origin), origin);
    const refusal = changePageTerms(DEFAULT_PAGE_TERMS, { pages_return_origins: ["https://a.example", "https://b.example/x"] });
    assert.ok(!refusal.ok);
    assert.equal(refusal.param, "pages_return_origins.1");
  });

  it("what is absent stays, null clears, and what is stored is read back", () => {
    const first = changePageTerms(DEFAULT_PAGE_TERMS, {
      pages_display_name: "Acme",
      pages_primary_color: "#0B3D2E",
      pages_return_origins: ["https://a.example"],
    });
    assert.ok(first.ok);
    const second = changePageTerms(first.terms, { pages_display_name: null, pages_color_scheme: "dark" });
    assert.ok(second.ok);
    assert.deepEqual(second.terms, { ...first.terms, displayName: null, scheme: "dark" });
    assert.equal(second.terms.primary, "#0b3d2e");
    assert.deepEqual(pageTermsFromItem(JSON.parse(JSON.stringify(presentPageTerms(second.terms)))), second.terms);
  });
});
