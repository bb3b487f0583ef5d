import type { Organisation, PageTerms } from "#identity/index.ts";
import { DARK_GROUND, DEFAULT_PAGE_TERMS, inkOn, LIGHT_GROUND, pageTermsOf } from "#identity/index.ts";

/** What an organisation lends to the pages its customers see. */
export interface Theme {
  readonly name: string;
  /** One or two letters, in the place of a logo: no image of anybody's is loaded. */
  readonly initials: string;
  readonly scheme: PageTerms["scheme"];
  /** The organisation's own stylesheet; it takes the place of inline styles, which the policy forbids. */
  readonly stylesheet: string;
  /** Where the pages may send customers back to now. */
  readonly returnOrigins: readonly string[];
}

/** The pages of one organisation. `undefined` for a visitor of whom nothing is known: pages without a name. */
export function themeOf(organisation: Organisation | undefined): Theme {
  const terms = pageTermsOf(organisation);
  const name = terms.displayName ?? organisation?.name ?? "";
  return { name, initials: initialsOf(name), scheme: terms.scheme, stylesheet: stylesheetOf(terms), returnOrigins: terms.returnOrigins };
}

/** The first letters of the first two words, as people see letters: some take several code points. */
function initialsOf(name: string): string {
  const segments = new Intl.Segmenter("en", { granularity: "grapheme" });
  const words = name.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  return words
    .slice(0, 2)
    .map((word) => segments.segment(word)[Symbol.iterator]().next().value?.segment.toUpperCase() ?? "")
    .join("");
}

/** Colours were checked when they were set, so nothing but six digits can stand in them. */
function stylesheetOf(terms: PageTerms): string {
  const light = `--brand:${terms.primary};--on-brand:${inkOn(terms.primary)};--ground:${LIGHT_GROUND}`;
  const dark = `--brand:${terms.primaryDark};--on-brand:${inkOn(terms.primaryDark)};--ground:${DARK_GROUND}`;
  return `:root{${light}}
:root[data-scheme="dark"]{${dark}}
@media (prefers-color-scheme:dark){:root[data-scheme="auto"]{${dark}}}
`;
}

/** What pages without an organisation are painted in. */
export const PLAIN_STYLESHEET = stylesheetOf(DEFAULT_PAGE_TERMS);
