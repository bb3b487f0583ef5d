import type { CommitQueue } from "#commit/index.ts";
import { change, refused, rewritingQueue } from "#commit/index.ts";
import { refuse } from "#kernel/problems.ts";
import { changedCredentials, credentialsKey, credentialsOf } from "./credentials.ts";
import type { SessionPrincipal } from "./session-authenticator.ts";
import { isOpen, sessions } from "./session.ts";

/**
 * A queue whose commands are decided only while a session is open. What let the request in may be some seconds old, and its body may have
 * come later: where all factors were taken away since, the next one needs no proof, and whoever has the old session would enrol it.
 */
export function whileSignedIn(queue: CommitQueue, { sessionId, operatorId }: SessionPrincipal): CommitQueue {
  return rewritingQueue(queue, (command) => ({
    ...command,
    needs: [
      ...command.needs,
      { collection: sessions, key: { hash: sessionId }, mode: "read" },
      { collection: credentialsOf, key: credentialsKey(operatorId), mode: "write" },
    ],
    decide(view, at) {
      const session = view.get(sessions, { hash: sessionId });
      const credentials = view.get(credentialsOf, credentialsKey(operatorId));
      if (session === undefined || credentials === undefined || !isOpen(session, credentials.sessionEpoch, at))
        return refused(refuse("unauthenticated"), command.actor.requestId);
      const outcome = command.decide(view, at);
      if (outcome.changes.length === 0) return outcome;
      // Written, because it was decided on: what ends all sessions meanwhile, on whatever node, is found by deciding anew.
      return { ...outcome, changes: [...outcome.changes, change(credentialsOf, changedCredentials(credentials, {}))] };
    },
  }));
}
