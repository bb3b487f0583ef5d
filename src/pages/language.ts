import { words } from "./words.ts";

/** The languages of the pages. The first is for everybody who asks for none of them. */
export const LANGUAGES = ["en", "de"] as const;
export type Language = (typeof LANGUAGES)[number];
export type Word = keyof typeof words;

/** How many ranges of an Accept-Language header are looked at. */
const MAX_RANGES = 20;

/**
 * The language for a request (RFC 9110, section 12.5.4): the one with the highest weight, by primary tags only, of equal ones the
 * first named.
 */
export function languageOf(header: string | undefined): Language {
  let best: Language = LANGUAGES[0];
  let weight = 0;
  for (const range of (header ?? "").split(",", MAX_RANGES)) {
    const [tag = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const primary = tag.split("-")[0] ?? "";
    const q = parameters.find((one) => one.startsWith("q="));
    const wanted = q === undefined ? 1 : Number(q.slice(2));
    const found = tag === "*" ? LANGUAGES[0] : LANGUAGES.find((language) => language === primary);
    if (found !== undefined && wanted > weight && wanted <= 1) {
      best = found;
      weight = wanted;
    }
  }
  return best;
}

/** A text of the pages in one language, with `{name}` replaced by what is given for it. */
export type Say = (word: Word, values?: Readonly<Record<string, string>>) => string;

export function sayIn(language: Language): Say {
  return (word, values = {}) => words[word][language].replaceAll(/\{(\w+)\}/g, (_whole, name: string) => values[name] ?? "");
}
