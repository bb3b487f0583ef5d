import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { HostedSession, SessionResult } from "./session.ts";

/**
 * Reads where a customer is to go back to. Only origins that the organisation has named are taken, so that a link to our pages
 * cannot be made to lead anywhere else (CWE-601).
 * @returns the URL as it is parsed, which is what browsers will follow
 */
export function readReturnUrl(text: string, origins: readonly string[]): { readonly ok: true; readonly url: string } | Refusal {
  const url = URL.parse(text);
  // A blob's origin is the one of the page that made it, and it is no page of the application.
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:"))
    return refuse("invalid_request", "return_url", "This is no URL of a page.");
  if (url.username !== "" || url.password !== "")
    return refuse("invalid_request", "return_url", "It must not have a user name or password.");
  if (!isNamed(url, origins))
    return refuse("invalid_request", "return_url", `Its origin is not among the organisation's pages_return_origins.`);
  return { ok: true, url: url.href };
}

function isNamed(url: URL, origins: readonly string[]): boolean {
  return origins.includes(url.origin);
}

/** The return link of a visit that is over; `undefined` where its origin was taken back meanwhile. */
export function wayBack(
  session: Pick<HostedSession, "returnUrl" | "id">,
  result: SessionResult,
  origins: readonly string[],
): string | undefined {
  return isNamed(new URL(session.returnUrl), origins) ? returnLink(session, result) : undefined;
}

/** The return URL with what the application needs to go on. It tells nothing that the application should believe: it asks the API. */
export function returnLink(session: Pick<HostedSession, "returnUrl" | "id">, result: SessionResult): string {
  const url = new URL(session.returnUrl);
  url.searchParams.set("hosted_session_id", session.id);
  url.searchParams.set("result", result);
  return url.href;
}
