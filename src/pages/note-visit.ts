import type { SessionDeps } from "./deps.ts";
import type { HostedSession } from "./session.ts";
import { SEEN_TABLE } from "./session.ts";

/** How often at most it is written that a visitor does something, ms: a visit ends that much too early at most, and never too late. */
const WRITE_EVERY_MS = 30_000;
/** How long the note outlives the session, ms. */
const KEPT_MS = 24 * 3_600_000;

/**
 * Notes that the visitor of an opened session does something, and gives the session as it is then. Written without a condition and beside the
 * session: it changes nothing about it, and contends with nothing. Where it cannot be written, the next request tries again.
 */
export async function noteVisit({ store, clock }: Pick<SessionDeps, "store" | "clock">, session: HostedSession): Promise<HostedSession> {
  const now = clock.now();
  if (session.seenAt !== null && now - session.seenAt < WRITE_EVERY_MS) return session;
  const item = { id: session.id, seen_at: now, purge_at: Math.ceil((session.expiresAt + KEPT_MS) / 1000) };
  const { outcome } = await store.commit([{ op: "put", table: SEEN_TABLE, item, condition: "none" }]);
  return outcome === "committed" ? { ...session, seenAt: now } : session;
}
