import type { HostedSessionId } from "#kernel/ids.ts";
import type { HostedSession } from "./session.ts";
import { SESSION_MS } from "./session.ts";

/**
 * Each session has a cookie of its own name: a customer with two pages open approves on each what that one shows. With TLS the
 * prefix `__Host-` keeps other hosts of the same site from setting it (RFC 6265bis, section 4.1.3.2).
 */
export function cookieNameOf(id: HostedSessionId, secure: boolean): string {
  return `${secure ? "__Host-" : ""}${id}`;
}

/** The `Set-Cookie` of an opened session. */
export function cookieOf(session: Pick<HostedSession, "id">, secret: string, secure: boolean): string {
  return `${cookieNameOf(session.id, secure)}=${secret}; Path=/; Max-Age=${SESSION_MS / 1000}; HttpOnly; SameSite=Strict${secure ? "; Secure" : ""}`;
}
