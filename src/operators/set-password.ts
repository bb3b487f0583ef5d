import type { Asked } from "#commit/index.ts";
import { refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import { factorsOf } from "#factors/index.ts";
import { readOrganisation } from "#identity/index.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import { succeeded } from "./answers.ts";
import { changedCredentials, credentialsKey, credentialsOf } from "./credentials.ts";
import type { OperatorDeps } from "./deps.ts";
import { INVITATION_PREFIX } from "./invitation.ts";
import type { MadeSession } from "./make-session.ts";
import { newSecrets, newSession } from "./make-session.ts";
import type { Operator } from "./operator.ts";
import { changedOperator, operators, OPERATORS_TABLE } from "./operator.ts";
import { refusePassword } from "./password-rules.ts";
import { openOperatorProfile } from "./profile.ts";
import { hasHash, parseToken, secretHashOf } from "./secret-text.ts";
import type { SessionPrincipal } from "./session-authenticator.ts";
import { changedSession, sessions } from "./session.ts";
import type { SignedIn } from "./sign-in.ts";
import type { Visitor } from "./visitor.ts";
import { actorOf, allowsFrom, subjectOf, tellRefused } from "./sign-in.ts";
import type { Verified } from "./verify-session.ts";

/**
 * POST /v1/operator-invitations/accept: chooses the password. The session that begins is good for nothing before a second factor is enrolled or,
 * where the operator has one already, proved: to be invited again helps over a forgotten password and over nothing else (WA-05).
 */
export async function acceptInvitation(
  deps: OperatorDeps,
  visitor: Visitor,
  { token, password }: { readonly token: string; readonly password: string },
): Promise<SignedIn> {
  const { requestId } = visitor;
  const no = (why: Refusal, wait?: number): SignedIn => ({
    ok: false,
    executed: refuseAtOnce(why, requestId),
    ...(wait === undefined ? {} : { wait }),
  });
  const wait = deps.throttle.networkWaitSeconds(visitor.ip);
  if (wait > 0) return no(refuse("too_many_failures"), wait);
  const parsed = token.startsWith(INVITATION_PREFIX) ? parseToken("operator", token.slice(INVITATION_PREFIX.length)) : undefined;
  const { operator: found, good = false } = parsed === undefined ? {} : await openInvitation(deps, parsed);
  const told = { operator: found, operation: "POST /v1/operator-invitations/accept", method: "invitation" };
  if (parsed === undefined || found === undefined || !good) {
    deps.throttle.failed({ organisationId: "", emailIndex: "invitation", ip: visitor.ip, knownDevice: undefined });
    if (found !== undefined) tellRefused(deps, visitor, { ...told, organisationId: found.organisationId, allowed: true });
    return no(refuse("invitation_invalid", "token"));
  }
  const organisation = await readOrganisation(deps.store, found.organisationId);
  if (organisation === undefined) return no(refuse("invitation_invalid", "token"));
  if (!allowsFrom(organisation, visitor.ip)) {
    tellRefused(deps, visitor, { ...told, organisationId: found.organisationId, allowed: false });
    return no(refuse("ip_not_allowed"));
  }
  const bad = await judgePassword(deps, found, password);
  if (bad !== undefined) return no(bad);
  const hashed = await deps.passwords.make(password, false);
  if (hashed === undefined) return no(refuse("overloaded"));
  const enrolled = (await factorsOf(deps, subjectOf(found))).some(({ status, type }) => status === "active" && type !== "recovery_code");
  const made = newSession(deps, found, visitor, enrolled ? "second_factor_required" : "enrolment_required");
  const eventIds = [deps.ids.next("event"), deps.ids.next("event")] as const;
  let stored: MadeSession | undefined;
  const executed = await deps.queue.execute({
    actor: actorOf(found, visitor),
    needs: [
      { collection: operators, key: { hash: found.id }, mode: "write" },
      { collection: credentialsOf, key: credentialsKey(found.id), mode: "write" },
    ],
    decide(view, at) {
      const work = workOn(view);
      stored = undefined;
      const operator = work.get(operators, { hash: found.id });
      const credentials = work.get(credentialsOf, credentialsKey(found.id));
      const open = credentials?.invitation;
      if (operator === undefined || operator.status === "disabled" || !open || open.expiresAt <= at || !hasHash(parsed.secret, open.hash))
        return refused(refuse("invitation_invalid", "token"), requestId);
      // Whoever was signed in with the password before is not any more.
      const epoch = credentials.sessionEpoch + 1;
      const begun = { password: hashed, passwordChangedAt: at, invitation: null, devices: [], sessionEpoch: epoch };
      // He who was compromised has come back.
      const compromised = credentials.compromised?.until === null ? { until: at, epoch } : credentials.compromised;
      work.put(credentialsOf, changedCredentials(credentials, { ...begun, compromised }));
      const first = operator.status === "invited";
      if (first) work.put(operators, changedOperator(operator, { status: "active", activatedAt: at }, at));
      stored = { token: made.token, session: made.begin(epoch, at), device: undefined };
      work.put(sessions, stored.session);
      work.tell({ id: eventIds[0], type: first ? "operator.activated" : "operator.password_changed", objectId: operator.id });
      const details = { method: "invitation", status: stored.session.status, operator_id: operator.id };
      work.tell({ id: eventIds[1], type: "session.opened", objectId: made.id, details });
      return work.outcome(replied(200, {}));
    },
  });
  deps.sessions.forgetOperator(found.id);
  deps.keys.forgetOwner(found.id);
  return stored !== undefined && succeeded(executed) ? { ok: true, made: stored } : { ok: false, executed };
}

async function openInvitation(
  deps: OperatorDeps,
  { id, secret }: { readonly id: Operator["id"]; readonly secret: string },
): Promise<{ readonly operator?: Operator; readonly good?: boolean }> {
  const [operatorItem, credentialsItem] = await deps.store.getMany([
    { table: OPERATORS_TABLE, key: { hash: id } },
    { table: OPERATORS_TABLE, key: credentialsKey(id) },
  ]);
  if (operatorItem === undefined || credentialsItem === undefined) return {};
  const { invitation } = credentialsOf.fromItem(credentialsItem);
  const good = invitation !== null && invitation.expiresAt > deps.clock.now() && hasHash(secret, invitation.hash);
  return { operator: operators.fromItem(operatorItem), good };
}

async function judgePassword(deps: OperatorDeps, operator: Operator, password: string): Promise<Refusal | undefined> {
  const { organisationId } = operator;
  const { name, email } = await openOperatorProfile(deps.vault, organisationId, operator.id, operator.profile);
  const organisation = (await readOrganisation(deps.store, organisationId))?.name ?? "";
  return refusePassword(password, { name, email, organisation });
}

/** POST /v1/operators/me/password. Every other session ends; this one goes on under another secret. */
export async function changePassword(
  deps: OperatorDeps,
  asked: Asked,
  by: SessionPrincipal,
  body: { readonly current_password: string; readonly new_password: string },
): Promise<Verified & { readonly wait?: number }> {
  const { requestId } = asked.actor;
  const no = (why: Refusal): Verified => ({ ok: false, executed: refuseAtOnce(why, requestId) });
  const [operatorItem, credentialsItem] = await deps.store.getMany([
    { table: OPERATORS_TABLE, key: { hash: by.operatorId } },
    { table: OPERATORS_TABLE, key: credentialsKey(by.operatorId) },
  ]);
  if (operatorItem === undefined || credentialsItem === undefined) return no(refuse("unauthenticated"));
  const operator = operators.fromItem(operatorItem);
  const kept = credentialsOf.fromItem(credentialsItem).password;
  // Whoever took over an open session must not guess the password by it either.
  const attempt = {
    organisationId: by.organisationId,
    emailIndex: operator.emailIndex,
    ip: `session ${by.sessionId}`,
    knownDevice: secretHashOf(by.sessionId),
  };
  const wait = deps.throttle.waitSeconds(attempt);
  if (wait > 0) return { ...no(refuse("too_many_failures")), wait };
  deps.throttle.begin(attempt);
  const matches = await deps.passwords.matches(body.current_password, kept, true);
  if (matches === undefined) {
    deps.throttle.takeBack(attempt);
    return no(refuse("overloaded"));
  }
  if (!matches || kept === null) {
    deps.securityLog.refused({
      code: "sign_in_refused",
      organisationId: by.organisationId,
      apiKeyId: null,
      operatorId: by.operatorId,
      ip: asked.actor.ip ?? "",
      requestId: requestId ?? "",
      operation: "POST /v1/operators/me/password",
      details: { method: "password" },
    });
    return no(refuse("sign_in_refused", "current_password"));
  }
  deps.throttle.succeeded(attempt);
  const bad = await judgePassword(deps, operator, body.new_password);
  if (bad !== undefined) return no({ ...bad, param: "new_password" });
  const hashed = await deps.passwords.make(body.new_password, true);
  if (hashed === undefined) return no(refuse("overloaded"));
  const secrets = newSecrets(deps, by.sessionId, undefined);
  const eventId = deps.ids.next("event");
  let made: MadeSession | undefined;
  const executed = await deps.queue.execute({
    actor: asked.actor,
    needs: [
      { collection: sessions, key: { hash: by.sessionId }, mode: "write" },
      { collection: credentialsOf, key: credentialsKey(by.operatorId), mode: "write" },
    ],
    decide(view, at) {
      const work = workOn(view);
      made = undefined;
      const session = work.get(sessions, { hash: by.sessionId });
      const credentials = work.get(credentialsOf, credentialsKey(by.operatorId));
      if (session?.status !== "active" || credentials?.password?.hash !== kept.hash || session.epoch !== credentials.sessionEpoch)
        return refused(refuse("unauthenticated"), requestId);
      const sessionEpoch = credentials.sessionEpoch + 1;
      work.put(credentialsOf, changedCredentials(credentials, { password: hashed, passwordChangedAt: at, invitation: null, sessionEpoch }));
      const renewed = changedSession(session, { epoch: sessionEpoch, secretHash: secrets.secretHash });
      made = { token: secrets.token, session: renewed, device: undefined };
      work.put(sessions, renewed);
      work.tell({ id: eventId, type: "operator.password_changed", objectId: by.operatorId });
      return work.outcome(replied(200, {}));
    },
  });
  deps.sessions.forgetOperator(by.operatorId);
  return made !== undefined && succeeded(executed) ? { ok: true, made } : { ok: false, executed };
}
