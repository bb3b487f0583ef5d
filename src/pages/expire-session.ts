import type { EventId } from "#kernel/ids.ts";
import { firstIdAt } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import type { Working } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import type { SessionDeps } from "./deps.ts";
import type { HostedSession } from "./session.ts";
import { hostedSessions, IDLE_MS, OPEN_SHARDS, SESSION_MS, statusAt } from "./session.ts";

/** Writes down that a session's time is over. */
export function expireIn(work: Working, session: HostedSession, eventId: EventId, at: number): void {
  work.put(hostedSessions, { ...session, status: "expired", endedAt: Math.max(at, session.createdAt), version: session.version + 1 });
  const details = { purpose: session.purpose, opened: session.openedAt !== null };
  work.tell({ id: eventId, type: "hosted_session.expired", objectId: session.id, userId: session.userId, details });
}

export interface SessionExpiry {
  /**
   * Writes down which sessions nobody finished in time: up to 1,600 a run, the oldest first, so that what is left is next; and as many
   * of before the clock was set back. At most one run at a time; whoever calls during one waits for it. Never rejects.
   * @returns how many were written down
   */
  work(): Promise<number>;
}

/** Sessions of one shard that are looked at in one run. */
const OPEN = { table: "smartfinance-hosted-sessions", index: "OpenHostedSessionsIndex", order: "ascending", limit: 100 } as const;

/** The timer's part of expiry: it tells the organisation, by an event. The pages themselves go by the clock. */
export function createSessionExpiry(deps: Omit<SessionDeps, "random"> & { readonly onError: (error: unknown) => void }): SessionExpiry {
  const { store, queue, ids, clock } = deps;
  let running: Promise<number> | undefined;

  const expire = async (session: HostedSession): Promise<boolean> => {
    const eventId = ids.next("event");
    const executed = await queue.execute({
      actor: { organisationId: session.organisationId, apiKeyId: null, ip: null, userAgent: null, requestId: null },
      needs: [{ collection: hostedSessions, key: { hash: session.id }, mode: "write" }],
      decide(view, at) {
        const work = workOn(view);
        const found = work.get(hostedSessions, { hash: session.id });
        // The index may lag: somebody may have been done meanwhile.
        if (found === undefined || found.status === "expired" || statusAt(found, at) !== "expired")
          return refused(refuse("hosted_session_ended"), null);
        expireIn(work, found, eventId, at);
        return work.outcome(replied(200, {}));
      },
    });
    if (!executed.ok) throw new Error(`the expired hosted session ${session.id} was not written down: ${executed.code}`);
    return executed.reply.status === 200;
  };

  const run = async (): Promise<number> => {
    let written = 0;
    try {
      for (const hash of OPEN_SHARDS) {
        const now = clock.now();
        // Those whose time is over, and those of before the clock was set back: they would be good again once it catches up with them.
        for (const bound of [
          { to: firstIdAt("hostedSession", Math.max(0, now - SESSION_MS + 1)) },
          { from: firstIdAt("hostedSession", now + IDLE_MS) },
        ]) {
          const page = await store.query({ ...OPEN, hash, ...bound });
          const done = await Promise.all(page.items.map((item) => expire(hostedSessions.fromItem(item))));
          written += done.filter(Boolean).length;
        }
      }
    } catch (error) {
      deps.onError(error);
    }
    return written;
  };

  return {
    work() {
      running ??= run().finally(() => {
        running = undefined;
      });
      return running;
    },
  };
}
