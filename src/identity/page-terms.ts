import type { JsonObject } from "#kernel/json.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Colour } from "./page-colours.ts";
import { contrastOf, DARK_GROUND, LEAST_CONTRAST, LIGHT_GROUND } from "./page-colours.ts";

/** How the hosted pages look to an organisation's customers, and where they may send them back to. */
export interface PageTerms {
  /** What the pages call the organisation; its name where `null`. */
  readonly displayName: string | null;
  readonly primary: Colour;
  /** The same on dark ground. */
  readonly primaryDark: Colour;
  /** `auto` follows the customer's own setting. */
  readonly scheme: PageScheme;
  /** Origins (RFC 6454) that a hosted session may name to return to; none where empty. */
  readonly returnOrigins: readonly string[];
}

export const PAGE_SCHEMES = ["auto", "light", "dark"] as const;
export type PageScheme = (typeof PAGE_SCHEMES)[number];

export const DEFAULT_PAGE_TERMS: PageTerms = {
  displayName: null,
  primary: "#1a4fc4",
  primaryDark: "#8fb4ff",
  scheme: "auto",
  returnOrigins: [],
};
export const MAX_RETURN_ORIGINS = 20;
/** No wildcards: they would be taken for what they are not here. */
const PLAIN_HOST = /^(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])$/;
/** Hosts that a developer's own machine answers under, and which therefore need no TLS. */
const OWN_MACHINE: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** The settings as a client gives them; what is absent stays as it is. */
export interface PageTermsFields {
  readonly pages_display_name?: string | null;
  readonly pages_primary_color?: string;
  readonly pages_primary_color_dark?: string;
  readonly pages_color_scheme?: PageScheme;
  readonly pages_return_origins?: readonly string[];
}

/** The settings as the API shows them, and as they are stored. */
export function presentPageTerms(terms: PageTerms): JsonObject {
  return {
    pages_display_name: terms.displayName,
    pages_primary_color: terms.primary,
    pages_primary_color_dark: terms.primaryDark,
    pages_color_scheme: terms.scheme,
    pages_return_origins: terms.returnOrigins,
  };
}

/** Reads what `presentPageTerms` made. */
export function pageTermsFromItem(stored: Required<PageTermsFields>): PageTerms {
  return {
    displayName: stored.pages_display_name,
    primary: stored.pages_primary_color,
    primaryDark: stored.pages_primary_color_dark,
    scheme: stored.pages_color_scheme,
    returnOrigins: stored.pages_return_origins,
  };
}

/** The settings with a change. Refuses colours that cannot be read on their ground, and what is no origin. */
export function changePageTerms(before: PageTerms, asked: PageTermsFields): { readonly ok: true; readonly terms: PageTerms } | Refusal {
  const terms: PageTerms = {
    displayName: asked.pages_display_name === undefined ? before.displayName : asked.pages_display_name,
    primary: asked.pages_primary_color?.toLowerCase() ?? before.primary,
    primaryDark: asked.pages_primary_color_dark?.toLowerCase() ?? before.primaryDark,
    scheme: asked.pages_color_scheme ?? before.scheme,
    returnOrigins: [...new Set(asked.pages_return_origins ?? before.returnOrigins)],
  };
  const unreadable =
    refuseColour("pages_primary_color", terms.primary, LIGHT_GROUND) ??
    refuseColour("pages_primary_color_dark", terms.primaryDark, DARK_GROUND);
  if (unreadable !== undefined) return unreadable;
  const wrong = terms.returnOrigins.findIndex((origin) => !isReturnOrigin(origin));
  if (wrong >= 0)
    return refuse(
      "invalid_request",
      `pages_return_origins.${wrong}`,
      "Origins look like https://app.example.com or https://app.example.com:8443; without TLS only on your own machine.",
    );
  return { ok: true, terms };
}

function refuseColour(param: string, colour: Colour, ground: Colour): Refusal | undefined {
  const contrast = contrastOf(colour, ground);
  if (contrast >= LEAST_CONTRAST) return undefined;
  // Rounded down, so that what is refused never reads as if it were enough.
  const has = (Math.floor(contrast * 100) / 100).toFixed(2);
  return refuse("invalid_request", param, `Its contrast with the page (${ground}) is ${has} to 1; ${LEAST_CONTRAST} to 1 is needed.`);
}

/** Whether a text is an origin exactly as browsers write it: scheme, host, and a port unless it is the scheme's own. */
function isReturnOrigin(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.origin !== text || !PLAIN_HOST.test(url.hostname)) return false;
  return url.protocol === "https:" || (url.protocol === "http:" && OWN_MACHINE.has(url.hostname));
}
