import type { IncomingMessage } from "node:http";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { HttpLimits } from "./limits.ts";

const AMPERSAND = 0x26;

/** Refuses a request by its outward shape: too long, too many parts, no host. Costs next to nothing for an ordinary one. */
export function refuseShape(raw: IncomingMessage, limits: HttpLimits): Refusal | undefined {
  const url = raw.url ?? "";
  if (url.length > limits.urlLength) return refuse("uri_too_long");
  // Node would leave out what is beyond its own limit in silence. Names and values alternate.
  if (raw.rawHeaders.length > limits.headerCount * 2)
    return refuse("headers_too_large", undefined, `At most ${limits.headerCount} header lines are accepted.`);
  // Node's own check would answer an empty 400 (RFC 9112 section 3.2).
  if (raw.headers.host === undefined && raw.httpVersion === "1.1")
    return refuse("invalid_request", undefined, "The Host header is missing.");
  if (namesHostTwice(raw.rawHeaders)) return refuse("invalid_request", undefined, "The Host header must not come twice.");
  const query = url.indexOf("?");
  if (query !== -1 && countParameters(url, query) > limits.queryCount)
    return refuse("uri_too_long", undefined, `At most ${limits.queryCount} query parameters are accepted.`);
  return undefined;
}

/** Node keeps the first of them in silence, while a proxy before it may go by the other. */
function namesHostTwice(rawHeaders: readonly string[]): boolean {
  let named = false;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length !== 4 || name.toLowerCase() !== "host") continue;
    if (named) return true;
    named = true;
  }
  return false;
}

function countParameters(url: string, from: number): number {
  let count = 1;
  for (let at = from; at < url.length; at++) if (url.charCodeAt(at) === AMPERSAND) count += 1;
  return count;
}
