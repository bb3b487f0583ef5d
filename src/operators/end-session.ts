import type { Asked, Executed } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import type { OperatorId, OperatorSessionId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import { changedCredentials, credentialsKey, credentialsOf } from "./credentials.ts";
import type { OperatorDeps } from "./deps.ts";
import type { EndReason } from "./session.ts";
import { endedSession, sessions } from "./session.ts";

/** Ends one session of an operator. @param reason why, for the list of sessions and the audit log */
export async function endSession(
  deps: OperatorDeps,
  asked: Asked,
  operatorId: OperatorId,
  id: OperatorSessionId,
  reason: EndReason,
): Promise<Executed> {
  const { requestId, organisationId } = asked.actor;
  const eventId = deps.ids.next("event");
  const executed = await deps.queue.execute({
    actor: asked.actor,
    needs: [{ collection: sessions, key: { hash: id }, mode: "write" }],
    decide(view, at) {
      const work = workOn(view);
      const session = work.get(sessions, { hash: id });
      if (session === undefined || session.operatorId !== operatorId || session.organisationId !== organisationId)
        return refused(refuse("not_found"), requestId);
      if (session.status === "ended") return refused(refuse("session_status_conflict"), requestId);
      work.put(sessions, endedSession(session, reason, at));
      work.tell({ id: eventId, type: "session.ended", objectId: id, details: { reason, operator_id: operatorId } });
      return work.outcome(replied(200, { id, object: "session", status: "ended" }));
    },
  });
  deps.sessions.forget(id);
  return executed;
}

/** Signs an operator out everywhere, here included: one write, however many sessions there are. */
export async function signOutEverywhere(deps: OperatorDeps, asked: Asked, operatorId: OperatorId): Promise<Executed> {
  const { requestId } = asked.actor;
  const eventId = deps.ids.next("event");
  const executed = await deps.queue.execute({
    actor: asked.actor,
    needs: [{ collection: credentialsOf, key: credentialsKey(operatorId), mode: "write" }],
    decide(view) {
      const work = workOn(view);
      const credentials = work.get(credentialsOf, credentialsKey(operatorId));
      if (credentials === undefined) return refused(refuse("not_found"), requestId);
      work.put(credentialsOf, changedCredentials(credentials, { sessionEpoch: credentials.sessionEpoch + 1 }));
      work.tell({ id: eventId, type: "session.all_ended", objectId: operatorId, details: { by: "operator" } });
      return work.outcome(replied(200, { object: "sign_out", signed_out: true }));
    },
  });
  deps.sessions.forgetOperator(operatorId);
  return executed;
}
