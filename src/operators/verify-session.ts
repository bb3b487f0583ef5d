import type { Asked, Executed } from "#commit/index.ts";
import { refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import type { Checked, FailedCheck } from "#factors/index.ts";
import { checkCode, checkPasskey, FACTOR_APPENDS, factorNeeds, failedOutcome, useFactor } from "#factors/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import { refuse } from "#kernel/problems.ts";
import { succeeded } from "./answers.ts";
import { changedCredentials, credentialsKey, credentialsOf } from "./credentials.ts";
import type { OperatorDeps } from "./deps.ts";
import type { MadeSession } from "./make-session.ts";
import { completed, newSecrets } from "./make-session.ts";
import { operators } from "./operator.ts";
import type { SessionPrincipal } from "./session-authenticator.ts";
import { readPolicy } from "./session-policy.ts";
import { changedSession, endedSession, isOpen, readSession, sessions } from "./session.ts";
import { subjectOf } from "./sign-in.ts";

/** Wrong second factors after which a session is over: the password has to be given again, which strangers do not have. */
const MAX_FAILURES = 5;

/** What proves the second factor. */
export type SecondFactor =
  | { readonly type: "passkey"; readonly response: JsonObject }
  | { readonly type: "totp" | "recovery_code"; readonly code: string };

export type Verified = { readonly ok: true; readonly made: MadeSession } | { readonly ok: false; readonly executed: Executed };

/**
 * POST /v1/sessions/current/verify: the second factor of a session that began with a password. It is used up, or its failure counted, in
 * the commit that completes the session; of any number of simultaneous tries with one code one succeeds.
 */
export async function verifySession(
  deps: OperatorDeps,
  asked: Asked,
  by: SessionPrincipal,
  device: string | undefined,
  given: SecondFactor,
): Promise<Verified> {
  const { requestId } = asked.actor;
  const found = await readSession(deps.store, by.sessionId);
  if (found?.status !== "second_factor_required" || found.challenge === null)
    return { ok: false, executed: refuseAtOnce(refuse("session_status_conflict"), requestId) };
  const subject = subjectOf({ organisationId: by.organisationId, id: by.operatorId });
  const check: Checked | FailedCheck =
    given.type === "passkey"
      ? await checkPasskey(deps, subject, Buffer.from(found.challenge, "base64url"), given.response, { askedAt: found.createdAt })
      : await checkCode(deps, subject, given.type, given.code);
  return finish(deps, asked, by, device, { check, method: given.type });
}

/** Completes a session whose operator has just enrolled his first factor: to have done so proves it. */
export function completeEnrolment(deps: OperatorDeps, asked: Asked, by: SessionPrincipal, device: string | undefined): Promise<Verified> {
  return finish(deps, asked, by, device, { check: undefined, method: "enrolment" });
}

async function finish(
  deps: OperatorDeps,
  asked: Asked,
  by: SessionPrincipal,
  device: string | undefined,
  { check, method }: { readonly check: Checked | FailedCheck | undefined; readonly method: string },
): Promise<Verified> {
  const { requestId } = asked.actor;
  const secrets = newSecrets(deps, by.sessionId, device);
  const policy = await readPolicy(deps.store, by.organisationId);
  const eventId = deps.ids.next("event");
  const wanted = check === undefined ? "enrolment_required" : "second_factor_required";
  let made: MadeSession | undefined;
  const executed = await deps.queue.execute({
    actor: asked.actor,
    needs: [
      { collection: sessions, key: { hash: by.sessionId }, mode: "write" },
      { collection: operators, key: { hash: by.operatorId }, mode: "read" },
      { collection: credentialsOf, key: credentialsKey(by.operatorId), mode: "write" },
      ...(check === undefined ? [] : factorNeeds(subjectOf({ organisationId: by.organisationId, id: by.operatorId }), check)),
    ],
    appends: 3 + FACTOR_APPENDS,
    decide(view, at) {
      const work = workOn(view);
      made = undefined;
      const session = work.get(sessions, { hash: by.sessionId });
      const credentials = work.get(credentialsOf, credentialsKey(by.operatorId));
      const operator = work.get(operators, { hash: by.operatorId });
      if (
        session === undefined ||
        credentials === undefined ||
        !isOpen(session, credentials.sessionEpoch, at) ||
        operator?.status !== "active"
      )
        return refused(refuse("unauthenticated"), requestId);
      if (session.status !== wanted) return refused(refuse("session_status_conflict"), requestId);
      const failed = check === undefined ? undefined : useFactor(work, check, at);
      if (failed !== undefined) {
        const after = changedSession(session, { failures: session.failures + 1 });
        const over = after.failures >= MAX_FAILURES;
        work.put(sessions, over ? { ...endedSession(after, "too_many_failures", at), version: after.version } : after);
        const details = { method, operator_id: by.operatorId, ended: over };
        work.tell({ id: eventId, type: "session.refused", objectId: session.id, details });
        // The same whichever factor it was and whatever was wrong with it (SCA-02).
        return failedOutcome(work, refuse(failed.code === "authentication_blocked" ? failed.code : "sign_in_refused"), requestId);
      }
      const complete = completed(session, credentials, { ...secrets, policy }, at);
      made = { token: secrets.token, session: complete.session, device: secrets.device };
      work.put(sessions, complete.session);
      work.put(credentialsOf, changedCredentials(credentials, complete.remembered));
      work.tell({ id: eventId, type: "session.started", objectId: session.id, details: { method, operator_id: by.operatorId } });
      return work.outcome(replied(200, {}));
    },
  });
  deps.sessions.forget(by.sessionId);
  return made !== undefined && succeeded(executed) ? { ok: true, made } : { ok: false, executed };
}
