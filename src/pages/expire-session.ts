import type { EventId } from "#kernel/ids.ts";
import { firstIdAt } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import type { Working } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import type { SessionDeps } from "./deps.ts";
import type { HostedSession } from "./session.ts";
import { hostedSessions, OPEN_SHARDS, SESSION_MS, statusAt } from "./session.ts";

/** Writes down that a session's time is over. */
export function expireIn(work: Working, session: HostedSession, eventId: EventId, at: number): void {
  work.put(hostedSessions, { ...session, status: "expired", endedAt: at, version: session.version + 1 });
  const details = { purpose: session.purpose, opened: session.openedAt !== null };
  work.tell({ id: eventId, type: "hosted_session.expired", objectId: session.id, userId: session.userId, details });
}

export interface SessionExpiry {
  /**
   * Writes down which sessions nobody finished in time: up to 1,600 a run, the oldest first, so that what is left is next. At most one run
   * at a time; whoever calls during one waits for it. Never rejects.
   * @returns how many were written down
   */
  work(): Promise<number>;
}

/** Looked at in one shard in one run. */
const PAGE = 100;

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
        const to = firstIdAt("hostedSession", Math.max(0, clock.now() - SESSION_MS + 1));
        const page = await store.query({
          table: "smartfinance-hosted-sessions",
          index: "OpenHostedSessionsIndex",
          hash,
          order: "ascending",
          limit: PAGE,
          to,
        });
        const done = await Promise.all(page.items.map((item) => expire(hostedSessions.fromItem(item))));
        written += done.filter(Boolean).length;
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
