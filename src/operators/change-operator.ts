import type { EventDraft } from "#audit/index.ts";
import type { Asked, Executed, Working } from "#commit/index.ts";
import { refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import type { OperatorId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { RoleName } from "#kernel/roles.ts";
import { shown, succeeded } from "./answers.ts";
import type { Credentials } from "./credentials.ts";
import { changedCredentials, credentialsKey, credentialsOf } from "./credentials.ts";
import type { OperatorDeps } from "./deps.ts";
import type { ExceptionAsked, RoleGranter } from "./grant-roles.ts";
import { grantRoles, refuseGrant } from "./grant-roles.ts";
import { orderedRoles } from "./granted-scopes.ts";
import { grantDetails, isSelf } from "./invite-operator.ts";
import type { Operator } from "./operator.ts";
import { changedOperator, emailClaims, emailKey, operators, readOperator } from "./operator.ts";
import { presentOperator } from "./present-operator.ts";
import { openOperatorProfile, sealOperatorProfile } from "./profile.ts";

export interface OperatorChange {
  readonly name?: string;
  readonly roles?: readonly RoleName[];
  readonly exception?: ExceptionAsked;
}

/** PATCH /v1/operators/{id}. @param ifVersion the version the client has seen, from If-Match */
export async function changeOperator(
  deps: OperatorDeps,
  asked: Asked,
  by: RoleGranter,
  id: OperatorId,
  body: OperatorChange,
  ifVersion: number | undefined,
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const { name } = body;
  if (name !== undefined && name.trim() === "")
    return refuseAtOnce(refuse("invalid_request", "name", '"name" must have a character that can be seen.'), requestId);
  const found = await readOperator(deps.store, organisationId, id);
  if (found === undefined) return refuseAtOnce(refuse("not_found"), requestId);
  // The address cannot be changed, so that what is sealed here stays true whatever changes meanwhile.
  const { email, name: before } = await openOperatorProfile(deps.vault, organisationId, id, found.profile);
  const profile = name === undefined ? undefined : await sealOperatorProfile(deps.vault, organisationId, id, { name, email });
  const rights = body.roles !== undefined || body.exception !== undefined;
  return onOperator(deps, asked, id, "operator.updated", ({ operator, at }) => {
    if (ifVersion !== undefined && ifVersion !== operator.version)
      return refuse("version_conflict", undefined, `The current version is ${operator.version}.`);
    const fields: Partial<Operator> = {};
    if (rights) {
      if (isSelf(asked.actor, id)) return refuse("cannot_change_self");
      const roles = orderedRoles(body.roles ?? operator.roles);
      const granted = refuseGrant(by, operator.roles) ?? grantRoles(by, roles, body.exception, at);
      if (!granted.ok) return granted;
      Object.assign(fields, { roles, exception: granted.exception });
    }
    const changed = changedOperator(operator, { ...fields, ...(profile === undefined ? {} : { profile }) }, at);
    const renamed = name !== undefined && name !== before ? { renamed: true } : {};
    return {
      ok: true,
      operator: changed,
      details: { ...(rights ? { before: grantDetails(operator), after: grantDetails(changed) } : {}), ...renamed },
    };
  });
}

/** POST /v1/operators/{id}/disable: ends his sessions, his keys and his invitation with the same write (SOX-08). */
export function disableOperator(deps: OperatorDeps, asked: Asked, id: OperatorId): Promise<Executed> {
  return onOperator(deps, asked, id, "operator.disabled", ({ operator, credentials, at }) => {
    if (isSelf(asked.actor, id)) return refuse("cannot_change_self");
    if (operator.status === "disabled") return refuse("operator_status_conflict");
    return {
      ok: true,
      operator: changedOperator(operator, { status: "disabled", disabledAt: at }, at),
      credentials: changedCredentials(credentials, { invitation: null, sessionEpoch: credentials.sessionEpoch + 1 }),
    };
  });
}

/** POST /v1/operators/{id}/enable. Nobody is signed in by it; his keys are good again. */
export function enableOperator(deps: OperatorDeps, asked: Asked, by: RoleGranter, id: OperatorId): Promise<Executed> {
  return onOperator(deps, asked, id, "operator.enabled", ({ operator, work, at }) => {
    if (isSelf(asked.actor, id)) return refuse("cannot_change_self");
    if (operator.status !== "disabled") return refuse("operator_status_conflict");
    const beyond = refuseGrant(by, operator.roles);
    if (beyond !== undefined) return beyond;
    const claim = work.get(emailClaims, emailKey(operator.organisationId, operator.emailIndex));
    if (claim?.operatorId !== id) return refuse("email_taken");
    // Written, because it was decided on: whoever invites the address meanwhile, on whatever node, finds that he has to decide anew.
    work.put(emailClaims, { ...claim, version: claim.version + 1 });
    const status = operator.activatedAt === null ? "invited" : "active";
    return { ok: true, operator: changedOperator(operator, { status, disabledAt: null }, at) };
  });
}

/** POST /v1/operators/{id}/sessions/revoke. */
export function revokeSessions(deps: OperatorDeps, asked: Asked, id: OperatorId): Promise<Executed> {
  return onOperator(deps, asked, id, "session.all_ended", ({ operator, credentials }) => ({
    ok: true,
    operator,
    credentials: changedCredentials(credentials, { sessionEpoch: credentials.sessionEpoch + 1 }),
  }));
}

interface Seen {
  readonly operator: Operator;
  readonly credentials: Credentials;
  readonly work: Working;
  readonly at: number;
}

type Decision =
  | { readonly ok: true; readonly operator: Operator; readonly credentials?: Credentials; readonly details?: JsonObject }
  | Refusal;

/** Runs one decision on one operator of the caller's organisation, and has this process forget what it knew of him. */
async function onOperator(
  deps: OperatorDeps,
  asked: Asked,
  id: OperatorId,
  type: EventDraft["type"],
  decide: (seen: Seen) => Decision,
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const eventId = deps.ids.next("event");
  const found = await readOperator(deps.store, organisationId, id);
  if (found === undefined) return refuseAtOnce(refuse("not_found"), requestId);
  let after: Operator | undefined;
  const executed = await deps.queue.execute({
    actor: asked.actor,
    needs: [
      { collection: operators, key: { hash: id }, mode: "write" },
      { collection: credentialsOf, key: credentialsKey(id), mode: "write" },
      { collection: emailClaims, key: emailKey(organisationId, found.emailIndex), mode: "write" },
    ],
    decide(view, at) {
      const work = workOn(view);
      const operator = work.get(operators, { hash: id });
      const credentials = work.get(credentialsOf, credentialsKey(id));
      if (operator === undefined || credentials === undefined) return refused(refuse("not_found"), requestId);
      const decision = decide({ operator, credentials, work, at });
      if (!decision.ok) return refused(decision, requestId);
      after = decision.operator;
      if (decision.operator !== operator) work.put(operators, decision.operator);
      if (decision.credentials !== undefined) work.put(credentialsOf, decision.credentials);
      work.tell({ id: eventId, type, objectId: id, details: decision.details });
      return work.outcome(replied(200, {}));
    },
  });
  deps.sessions.forgetOperator(id);
  deps.keys.forgetOwner(id);
  if (after === undefined || !succeeded(executed)) return executed;
  return shown(executed, 200, await presentOperator(deps.vault, after, deps.clock.now()));
}
