import { allows, parseAllowlist } from "#access/index.ts";
import type { Actor } from "#audit/index.ts";
import type { Executed } from "#commit/index.ts";
import { refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import type { Checked, FailedCheck, Subject } from "#factors/index.ts";
import { checkPasskey, FACTOR_APPENDS, factorNeeds, factorsOf, failedOutcome, useFactor } from "#factors/index.ts";
import type { Organisation } from "#identity/index.ts";
import { normaliseEmail, readOrganisation, settingsOf } from "#identity/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { OperatorId, OrganisationId } from "#kernel/ids.ts";
import { idPrefixes } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import { succeeded } from "./answers.ts";
import type { Credentials } from "./credentials.ts";
import { changedCredentials, credentialsKey, credentialsOf } from "./credentials.ts";
import type { OperatorDeps } from "./deps.ts";
import { completed, newSession } from "./make-session.ts";
import type { MadeSession } from "./make-session.ts";
import type { Operator } from "./operator.ts";
import { emailClaims, emailKey, operators, OPERATORS_TABLE } from "./operator.ts";
import { challengeDigest, challengeOf, givenOutAt, isOwnChallenge } from "./passkey-challenge.ts";
import { emailIndexOf } from "./profile.ts";
import { hasHash, secretHashOf } from "./secret-text.ts";
import { readPolicy } from "./session-policy.ts";
import { sessions, usedChallenges } from "./session.ts";
import type { SignInAttempt } from "./sign-in-throttle.ts";
import type { Visitor } from "./visitor.ts";

export interface SignInAsked {
  readonly organisation_id: OrganisationId;
  readonly email: string;
  readonly password?: string;
  /** `AuthenticationResponseJSON` to a challenge of `GET /v1/organisations/{id}/sign-in-options`. */
  readonly passkey?: JsonObject;
}

/** What signing in came to; with `wait` the seconds for `Retry-After`. */
export type SignedIn =
  | { readonly ok: true; readonly made: MadeSession }
  | { readonly ok: false; readonly executed: Executed; readonly wait?: number };

interface Found {
  readonly operator: Operator;
  readonly credentials: Credentials;
}

/**
 * POST /v1/sessions: by password, which a second factor has to follow, or by a passkey alone, which is two factors in one.
 *
 * Whether there is such an operator shows neither in the answer nor in its time: a hash is made in any case, and every refusal is
 * `sign_in_refused`. See `createSignInThrottle` for what follows from failures.
 */
export async function signIn(deps: OperatorDeps, visitor: Visitor, body: SignInAsked): Promise<SignedIn> {
  const { organisation_id: organisationId } = body;
  const networkWait = deps.throttle.networkWaitSeconds(visitor.ip);
  // Whoever shows no device is none that is known: a flood from one network costs no read.
  if (networkWait > 0 && visitor.device === undefined) return refusal(refuse("too_many_failures"), visitor, networkWait);
  const email = normaliseEmail(body.email) ?? "";
  // An index key is made on first use: never for an organisation that somebody has made up.
  const organisation = await readOrganisation(deps.store, organisationId);
  const exists = organisation !== undefined;
  // From outside of the organisation's allow-list every answer is that of somebody unknown, so that nothing can be tried from there.
  const allowed = organisation !== undefined && allowsFrom(organisation, visitor.ip);
  const emailIndex = exists ? await emailIndexOf(deps.vault, organisationId, email) : secretHashOf(email);
  const found = await findOperator(deps, organisationId, emailIndex);
  const known = found !== undefined && isKnown(found.credentials, visitor.device);
  const knownDevice = known && visitor.device !== undefined ? secretHashOf(visitor.device) : undefined;
  const attempt: SignInAttempt = { organisationId, emailIndex, ip: visitor.ip, knownDevice };
  const wait = Math.max(known ? 0 : networkWait, deps.throttle.waitSeconds(attempt));
  if (wait > 0) return refusal(refuse("too_many_failures"), visitor, wait);
  // Counted before it is held back: of many that come at once the others find it in the row.
  deps.throttle.begin(attempt);
  if (!(await deps.throttle.holdBack(attempt))) {
    deps.throttle.takeBack(attempt);
    return refusal(refuse("overloaded"), visitor);
  }

  const judging: Promise<SignedIn | "refused" | "busy"> =
    body.passkey === undefined
      ? byPassword(deps, visitor, allowed ? found : undefined, body.password ?? "", known)
      : byPasskey(deps, visitor, allowed ? found : undefined, { organisationId, exists }, body.passkey);
  const outcome = await judging.catch((error: unknown) => {
    deps.throttle.takeBack(attempt);
    throw error;
  });
  if (outcome === "busy") {
    deps.throttle.takeBack(attempt);
    return refusal(refuse("overloaded"), visitor);
  }
  if (outcome === "refused") {
    deps.throttle.failed(attempt);
    if (exists) {
      const method = body.passkey === undefined ? "password" : "passkey";
      tellRefused(deps, visitor, { organisationId, operator: found?.operator, operation: "POST /v1/sessions", method, allowed });
    }
    return refusal(refuse("sign_in_refused"), visitor);
  }
  if (outcome.ok) deps.throttle.succeeded(attempt);
  // Right as far as it was judged, and the store did not take it: no guess that whoever belongs here would have to wait for.
  else if (!outcome.executed.ok) deps.throttle.takeBack(attempt);
  return outcome;
}

async function findOperator(deps: OperatorDeps, organisationId: OrganisationId, emailIndex: string): Promise<Found | undefined> {
  const claimItem = await deps.store.get(OPERATORS_TABLE, emailKey(organisationId, emailIndex));
  const id = claimItem === undefined ? undefined : emailClaims.fromItem(claimItem).operatorId;
  // The same reads where there is nobody.
  const [operatorItem, credentialsItem] = await deps.store.getMany([
    { table: OPERATORS_TABLE, key: { hash: id ?? "opr_" } },
    { table: OPERATORS_TABLE, key: id === undefined ? { hash: "opr_#credentials" } : credentialsKey(id) },
  ]);
  if (operatorItem === undefined || credentialsItem === undefined) return undefined;
  return { operator: operators.fromItem(operatorItem), credentials: credentialsOf.fromItem(credentialsItem) };
}

function isKnown(credentials: Credentials, device: string | undefined): boolean {
  return device !== undefined && credentials.devices.some(({ hash }) => hasHash(device, hash));
}

async function byPassword(
  deps: OperatorDeps,
  visitor: Visitor,
  found: Found | undefined,
  password: string,
  known: boolean,
): Promise<SignedIn | "refused" | "busy"> {
  const kept = found?.operator.status === "active" ? found.credentials.password : null;
  const matches = await deps.passwords.matches(password, kept, known);
  if (matches === undefined) return "busy";
  if (!matches || found === undefined || kept === null) return "refused";
  const { operator } = found;
  const renewed = deps.passwords.isOutdated(kept) ? await deps.passwords.make(password, known) : undefined;
  const subject = subjectOf(operator);
  const enrolled = (await factorsOf(deps, subject)).some(({ status, type }) => status === "active" && type !== "recovery_code");
  const made = newSession(deps, operator, visitor, enrolled ? "second_factor_required" : "enrolment_required");
  const eventId = deps.ids.next("event");
  let stored: MadeSession | undefined;
  const executed = await deps.queue.execute({
    actor: actorOf(operator, visitor),
    needs: [
      { collection: operators, key: { hash: operator.id }, mode: "read" },
      { collection: credentialsOf, key: credentialsKey(operator.id), mode: renewed === undefined ? "read" : "write" },
    ],
    decide(view, at) {
      const work = workOn(view);
      const credentials = work.get(credentialsOf, credentialsKey(operator.id));
      // Disabled, or the password changed, while it was hashed.
      if (work.get(operators, { hash: operator.id })?.status !== "active" || credentials?.password?.hash !== kept.hash)
        return refused(refuse("sign_in_refused"), visitor.requestId);
      stored = { token: made.token, session: made.begin(credentials.sessionEpoch, at), device: undefined };
      work.put(sessions, stored.session);
      if (renewed !== undefined) work.put(credentialsOf, changedCredentials(credentials, { password: renewed }));
      const details = { method: "password", status: stored.session.status, operator_id: operator.id };
      work.tell({ id: eventId, type: "session.opened", objectId: made.id, details });
      return work.outcome(replied(201, {}));
    },
  });
  if (stored !== undefined && succeeded(executed)) return { ok: true, made: stored };
  return executed.ok && executed.reply.status === 401 ? "refused" : { ok: false, executed };
}

/** Whose factors are looked at where there is nobody, so that the time does not tell. */
const NOBODY = `${idPrefixes.operator}_${"0".repeat(26)}` as OperatorId;

async function byPasskey(
  deps: OperatorDeps,
  visitor: Visitor,
  found: Found | undefined,
  { organisationId, exists }: { readonly organisationId: OrganisationId; readonly exists: boolean },
  response: JsonObject,
): Promise<SignedIn | "refused"> {
  const challenge = challengeOf(response);
  if (challenge === undefined) return "refused";
  if (!exists || !(await isOwnChallenge(deps, organisationId, challenge))) return "refused";
  const subject = subjectOf({ organisationId, id: found?.operator.id ?? NOBODY });
  const check: Checked | FailedCheck = await checkPasskey(deps, subject, challenge, response, { askedAt: givenOutAt(challenge) });
  // Not counted against the operator's factors: anybody can send an answer that proves nothing.
  if (!check.ok || found?.operator.status !== "active") return "refused";
  const { operator } = found;
  const digest = challengeDigest(challenge);
  const policy = await readPolicy(deps.store, organisationId);
  const made = newSession(deps, operator, visitor, "active");
  const eventId = deps.ids.next("event");
  let stored: MadeSession | undefined;
  let failed: Refusal | undefined;
  const executed = await deps.queue.execute({
    actor: actorOf(operator, visitor),
    needs: [
      { collection: operators, key: { hash: operator.id }, mode: "read" },
      { collection: credentialsOf, key: credentialsKey(operator.id), mode: "write" },
      { collection: usedChallenges, key: usedChallenges.keyOf({ digest, purgeAt: 0, version: 1 }), mode: "write" },
      ...factorNeeds(subjectOf(operator), check),
    ],
    appends: 4 + FACTOR_APPENDS,
    decide(view, at) {
      const work = workOn(view);
      failed = undefined;
      stored = undefined;
      const credentials = work.get(credentialsOf, credentialsKey(operator.id));
      const used = work.get(usedChallenges, usedChallenges.keyOf({ digest, purgeAt: 0, version: 1 }));
      if (work.get(operators, { hash: operator.id })?.status !== "active" || credentials === undefined || used !== undefined)
        return refused(refuse("sign_in_refused"), visitor.requestId);
      failed = useFactor(work, check, at);
      if (failed !== undefined) return failedOutcome(work, refuse("sign_in_refused"), visitor.requestId);
      work.put(usedChallenges, { digest, purgeAt: Math.ceil(at / 1000) + 3_600, version: 1 });
      const begun = made.begin(credentials.sessionEpoch, at);
      const { session, remembered } = completed({ ...begun, version: 0 }, credentials, { ...made, policy }, at);
      stored = { token: made.token, session, device: made.device };
      work.put(sessions, session);
      work.put(credentialsOf, changedCredentials(credentials, remembered));
      const details = { method: "passkey", operator_id: operator.id };
      work.tell({ id: eventId, type: "session.started", objectId: made.id, details });
      return work.outcome(replied(201, {}));
    },
  });
  if (stored !== undefined && succeeded(executed)) return { ok: true, made: stored };
  return failed === undefined && executed.ok && executed.reply.status === 401 ? "refused" : { ok: false, executed };
}

export const subjectOf = ({ organisationId, id }: Pick<Operator, "organisationId" | "id">): Subject => ({
  organisationId,
  kind: "operator",
  id,
});

/** Who acts where an operator has shown who he is, but no session is his yet. */
export function actorOf({ organisationId, id }: Pick<Operator, "organisationId" | "id">, visitor: Visitor): Actor {
  return { organisationId, apiKeyId: null, operatorId: id, ip: visitor.ip, userAgent: visitor.userAgent, requestId: visitor.requestId };
}

function refusal(why: Refusal, visitor: Visitor, wait?: number): SignedIn {
  return { ok: false, executed: refuseAtOnce(why, visitor.requestId), ...(wait === undefined ? {} : { wait }) };
}

/** Whether the organisation's allow-list has the address. @throws InvariantError when the stored list is malformed */
export function allowsFrom(organisation: Organisation, ip: string): boolean {
  const allowlist = parseAllowlist(settingsOf(organisation).ipAllowlist);
  invariant(allowlist.ok, `the allow-list of organisation ${organisation.id} is malformed`);
  return allows(allowlist.matcher, ip);
}

/** Keeps a refused credential in the audit log, as far as a flood of them lets it: see `createSecurityLog`. */
export function tellRefused(
  deps: Pick<OperatorDeps, "securityLog">,
  visitor: Pick<Visitor, "ip" | "requestId">,
  { organisationId, operator, operation, method, allowed }: RefusedCredential,
): void {
  deps.securityLog.refused({
    ...(allowed ? { code: "sign_in_refused" } : { code: "ip_not_allowed", allowlist: "organisation" }),
    organisationId,
    apiKeyId: null,
    objectId: operator?.id ?? organisationId,
    ip: visitor.ip,
    requestId: visitor.requestId,
    operation,
    details: { method, ...(operator === undefined ? {} : { status: operator.status }) },
  });
}

interface RefusedCredential {
  readonly organisationId: OrganisationId;
  /** Whose it was to be, as far as there is one. */
  readonly operator: Operator | undefined;
  readonly operation: string;
  readonly method: string;
  /** Whether it came from where the organisation lets calls come from. */
  readonly allowed: boolean;
}
