import { parseCookie } from "cookie";

/** Longer headers are not taken apart: ours is a fraction of it, and parsing is not free. */
const MAX_COOKIES_LENGTH = 8_192;

/** The value of the cookie of this name; `undefined` when there is none. */
export function readCookie(header: string | undefined, name: string): string | undefined {
  if (header === undefined || header.length > MAX_COOKIES_LENGTH || !header.includes(name)) return undefined;
  return parseCookie(header)[name];
}
