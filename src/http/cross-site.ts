import type { IncomingHttpHeaders } from "node:http";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";

/** For clients that are no browser; it helps no page, since a page cannot set the header. */
const HOW_TO_SAY_IT =
  "Browsers say by themselves where a request comes from. A client that is none sends the header `Origin` with the scheme and host that it calls, " +
  "such as curl -H 'Origin: https://api.example.com' for https://api.example.com.";

const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Whether a request that a cookie vouches for was made by a page of another site. Browsers say where a request comes from in
 * `Sec-Fetch-Site` (W3C Fetch Metadata) or, older ones, in `Origin` (RFC 6454); no page can set either. What says neither is
 * no browser of today and is refused, too: it has no business with a cookie. Beside `SameSite=Strict`, which keeps the cookie from
 * other sites but not from other hosts of the same site.
 */
export function refuseCrossSite(method: string, headers: IncomingHttpHeaders): Refusal | undefined {
  if (SAFE.has(method)) return undefined;
  return comesFromHere(headers) === true ? undefined : refuse("cross_site_request", undefined, HOW_TO_SAY_IT);
}

/**
 * The same for a public route that gives out a cookie: a page of another site must not sign its visitor in as somebody else.
 * A client that is no browser and says nothing is let through, since no visitor sits before it.
 */
export function refuseForeignPage(headers: IncomingHttpHeaders): Refusal | undefined {
  return comesFromHere(headers) === false ? refuse("cross_site_request", undefined, HOW_TO_SAY_IT) : undefined;
}

/** `undefined` where the request does not say. */
function comesFromHere({ "sec-fetch-site": site, origin, host }: IncomingHttpHeaders): boolean | undefined {
  if (site !== undefined) return site === "same-origin";
  if (origin === undefined) return undefined;
  // The scheme is not compared: behind a proxy that speaks TLS this process does not know its own.
  return host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}
