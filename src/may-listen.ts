import { allows } from "#access/index.ts";
import type { Authenticator } from "#access/index.ts";
import type { EventRoutesDeps } from "#events/index.ts";
import { callerIdOf, clientThumbprint, readCookie } from "#http/index.ts";
import type { Clock } from "#kernel/clock.ts";
import { isGood } from "#kernel/clock.ts";
import type { SessionAuthenticator } from "#operators/index.ts";

/** How old what is known of a key may be where a stream asks whether it may go on, ms: a revocation ends it within five seconds. */
const STREAM_KEY_MS = 1_000;
const MAX_STREAM_KEYS = 10_000;

/** Judges the caller of an open stream anew: as it is in the store, not as this process remembers it. */
export function mayListen(
  authenticator: Authenticator,
  sessions: SessionAuthenticator,
  cookie: string,
  clock: Clock,
): EventRoutesDeps["mayListen"] {
  const forgotten = new Map<string, number>();
  return (request) => {
    const key = request.headers["x-api-key"];
    const token = readCookie(request.raw.headers.cookie, cookie) ?? "";
    const { ip, principal } = request.caller;
    const { apiKeyId } = principal;
    const caller = callerIdOf(principal);
    return async () => {
      const now = clock.now();
      if (!isGood((forgotten.get(caller) ?? 0) + STREAM_KEY_MS, STREAM_KEY_MS, now)) {
        if (forgotten.size >= MAX_STREAM_KEYS) forgotten.clear();
        forgotten.set(caller, now);
        if (apiKeyId !== null) authenticator.forget(apiKeyId);
      }
      const again = await (apiKeyId === null
        ? sessions.recheck(token)
        : authenticator.authenticate(typeof key === "string" ? key : undefined));
      if (!again.ok) return again.code === "unauthenticated" ? false : undefined;
      // As the guard does with every request: the key may have been bound since, and a certificate runs out by itself.
      const bound = "certificateSha256" in again ? again.certificateSha256 : undefined;
      if (bound !== undefined && clientThumbprint(request.raw.socket, now) !== bound) return false;
      return again.scopes.has("events:read") && allows(again.organisation.ipAllowlist, ip);
    };
  };
}
