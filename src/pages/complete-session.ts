import type { Executed } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import { organisations, pageTermsOf } from "#identity/index.ts";
import { refuse } from "#kernel/problems.ts";
import type { SessionDeps } from "./deps.ts";
import { wayBack } from "./return-url.ts";
import type { HostedSession, SessionResult } from "./session.ts";
import { hostedSessions, statusAt } from "./session.ts";
import type { Visitor } from "./visit.ts";
import { actorOf } from "./visit.ts";

/**
 * Ends a session with a result and tells the page where the customer goes on. Repeating it with the same result changes nothing, so a
 * page whose answer got lost may ask again.
 */
export async function completeSession(
  deps: SessionDeps,
  { id, ...session }: HostedSession,
  result: SessionResult,
  visitor: Visitor,
): Promise<Executed> {
  const eventId = deps.ids.next("event");
  return deps.queue.execute({
    actor: actorOf(session, visitor),
    needs: [
      { collection: hostedSessions, key: { hash: id }, mode: "write" },
      { collection: organisations, key: { hash: session.organisationId }, mode: "read" },
    ],
    decide(view, at) {
      const work = workOn(view);
      const found = work.get(hostedSessions, { hash: id });
      const { returnOrigins } = pageTermsOf(work.get(organisations, { hash: session.organisationId }));
      if (found?.status === "completed" && found.result === result) return work.outcome(replied(200, answer(found, result, returnOrigins)));
      // What was answered in time may be written down a moment late: the result follows what has happened, not the clock.
      const late = found?.purpose === "approve" && statusAt(found, at) === "expired";
      if (found === undefined || (statusAt(found, at) !== "opened" && !late))
        return refused(refuse("hosted_session_ended"), visitor.requestId);
      const next: HostedSession = { ...found, status: "completed", result, endedAt: at, version: found.version + 1 };
      work.put(hostedSessions, next);
      const details = { purpose: found.purpose, result, authentication_id: found.authenticationId };
      work.tell({ id: eventId, type: "hosted_session.completed", objectId: id, userId: found.userId, details });
      return work.outcome(replied(200, answer(next, result, returnOrigins)));
    },
  });
}

function answer(
  session: HostedSession,
  result: SessionResult,
  origins: readonly string[],
): { result: SessionResult; return_url: string | null } {
  return { result, return_url: wayBack(session, result, origins) ?? null };
}
