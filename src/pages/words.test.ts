import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { LANGUAGES, languageOf, sayIn } from "./language.ts";
import { words } from "./words.ts";

const here = new URL("./", import.meta.url);

describe("texts of the pages", () => {
  it("are there in every language, with the same places to fill in", () => {
    for (const [word, texts] of Object.entries(words)) {
      const places = LANGUAGES.map((language) => [...texts[language].matchAll(/\{\w+\}/g)].map(String).sort());
      for (const language of LANGUAGES) assert.ok(texts[language].trim() !== "", `${word} in ${language}`);
      for (const other of places) assert.deepEqual(other, places[0], word);
    }
  });

  it("are all used, and nothing else is asked for by the scripts", () => {
    const scripts = new URL("./browser/", here);
    const sources = [
      ...readdirSync(here)
        .filter((name) => name.endsWith("-page.ts") || name === "layout.ts")
        .map((name) => new URL(name, here)),
      ...readdirSync(scripts)
        .filter((name) => name.endsWith(".js"))
        .map((name) => new URL(name, scripts)),
    ]
      .map((url) => readFileSync(url, "utf8"))
      .join("\n");
    // Those that are named by what they are about.
    const families = /^(?:approve|text|code)_|^(?:enrolled|cancelled|approved|declined|answered)_(?:title|text)$/;
    for (const word of Object.keys(words)) assert.ok(families.test(word) || sources.includes(`"${word}"`), `${word} is used nowhere`);
    for (const [, word = ""] of sources.matchAll(/\bsay\("(\w+)"/g)) assert.ok(Object.hasOwn(words, word), `${word} is no text`);
  });

  it("are filled in, and what is not given stays empty", () => {
    assert.equal(sayIn("en")("payment_number", { n: "3" }), "Payment 3");
    assert.equal(sayIn("de")("payment_number"), "Zahlung ");
  });
});

describe("the language of a page", () => {
  it("is the one the browser prefers among those there are", () => {
    const cases: readonly (readonly [string | undefined, string])[] = [
      [undefined, "en"],
      ["", "en"],
      ["de", "de"],
      ["de-AT,de;q=0.9,en;q=0.8", "de"],
      ["en-GB,en;q=0.9,de;q=0.8", "en"],
      ["fr-CH, fr;q=0.9, en;q=0.5, de;q=0.7", "de"],
      ["fr, *;q=0.5", "en"],
      ["de;q=0", "en"],
      ["de;q=0, en;q=0", "en"],
      ["DE-de", "de"],
      ["de;q=abc, en;q=0.1", "en"],
      ["de;q=7", "en"],
      [",,;;q=,de;q=0.3", "de"],
      [`${"fr,".repeat(50)}de`, "en"],
    ];
    for (const [header, expected] of cases) assert.equal(languageOf(header), expected, header);
  });
});
