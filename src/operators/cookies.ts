import { stringifySetCookie } from "cookie";

/** How long a browser stays known, seconds: it only makes signing in smoother, so that losing it costs nothing. */
const DEVICE_SECONDS = 180 * 24 * 3_600;

/** The names of the cookies. `__Host-` (RFC 6265bis 4.1.3.2) keeps other hosts of the domain from setting them; browsers take it over TLS only. */
export function cookieNames(secure: boolean): { readonly session: string; readonly device: string } {
  const prefix = secure ? "__Host-" : "";
  return { session: `${prefix}smartfinance-session`, device: `${prefix}smartfinance-device` };
}

const shared = { path: "/", httpOnly: true, sameSite: "strict" } as const;

/** The values of `Set-Cookie` for a browser that has signed in. The session's ends with the browser; the server ends it before. */
export function signedInCookies(
  secure: boolean,
  { token, device }: { readonly token: string; readonly device: string | undefined },
): string[] {
  const names = cookieNames(secure);
  const session = stringifySetCookie({ ...shared, secure, name: names.session, value: token });
  if (device === undefined) return [session];
  return [session, stringifySetCookie({ ...shared, secure, name: names.device, value: device, maxAge: DEVICE_SECONDS })];
}

/** The value of `Set-Cookie` for a browser that has signed out. Its device stays known. */
export function signedOutCookie(secure: boolean): string {
  return stringifySetCookie({ ...shared, secure, name: cookieNames(secure).session, value: "", maxAge: 0 });
}
