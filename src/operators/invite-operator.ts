import type { Actor } from "#audit/index.ts";
import type { Asked, CommitQueue, Executed } from "#commit/index.ts";
import { refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import { normaliseEmail } from "#identity/index.ts";
import type { Clock } from "#kernel/clock.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { Ids, OperatorId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import type { Random } from "#kernel/random.ts";
import type { RoleName } from "#kernel/roles.ts";
import type { Store } from "#storage/index.ts";
import type { Vault } from "#vault/index.ts";
import { personOf } from "#audit/index.ts";
import { shown, succeeded } from "./answers.ts";
import type { Invitation } from "./credentials.ts";
import { credentialsKey, credentialsOf, changedCredentials, newCredentials } from "./credentials.ts";
import type { ExceptionAsked, RoleGranter } from "./grant-roles.ts";
import { grantRoles, refuseGrant } from "./grant-roles.ts";
import { orderedRoles } from "./granted-scopes.ts";
import { INVITATION_MS, newInvitation } from "./invitation.ts";
import type { Operator } from "./operator.ts";
import { emailClaims, emailKey, operators, OPERATORS_TABLE, readOperator } from "./operator.ts";
import { presentOperator } from "./present-operator.ts";
import { emailIndexOf, sealOperatorProfile } from "./profile.ts";

/** What inviting needs: also had where no server runs. */
export interface InvitingDeps {
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly vault: Vault;
  readonly ids: Ids;
  readonly clock: Clock;
  readonly random: Random;
}

export interface InvitationAsked {
  readonly name: string;
  readonly email: string;
  readonly roles: readonly RoleName[];
  readonly exception?: ExceptionAsked;
}

/**
 * POST /v1/operators. The answer is the only place where the invitation's token appears. An e-mail address that a disabled operator
 * has goes over to the new one, so that somebody who lost everything he signs in with can begin again as a person of his own.
 * @param approvalId of the approval that it is done by, whose maker claims the token
 */
export async function inviteOperator(
  deps: InvitingDeps,
  asked: Asked,
  by: RoleGranter,
  body: InvitationAsked,
  approvalId?: string,
): Promise<Executed> {
  const { store, vault, ids, clock } = deps;
  const { organisationId, requestId } = asked.actor;
  const normalised = normaliseEmail(body.email);
  if (normalised === undefined) return refuseAtOnce(refuse("invalid_request", "email", "This is no e-mail address."), requestId);
  if (body.name.trim() === "")
    return refuseAtOnce(refuse("invalid_request", "name", '"name" must have a character that can be seen.'), requestId);
  const roles = orderedRoles(body.roles);
  const granted = grantRoles(by, roles, body.exception, clock.now());
  if (!granted.ok) return refuseAtOnce(granted, requestId);
  const id = ids.next("operator");
  const eventId = ids.next("event");
  const emailIndex = await emailIndexOf(vault, organisationId, normalised);
  const profile = await sealOperatorProfile(vault, organisationId, id, { name: body.name, email: body.email });
  const { invitation, token } = newInvitation(deps.random, id, clock.now(), approvalId);
  const claimKey = emailKey(organisationId, emailIndex);
  const claimItem = await store.get(OPERATORS_TABLE, claimKey);
  const former: OperatorId | undefined = claimItem === undefined ? undefined : emailClaims.fromItem(claimItem).operatorId;
  let made: Operator | undefined;
  const executed = await deps.queue.execute({
    actor: asked.actor,
    needs: [
      { collection: emailClaims, key: claimKey, mode: "write" },
      ...(former === undefined ? [] : [{ collection: operators, key: { hash: former }, mode: "read" as const }]),
    ],
    appends: 4,
    decide(view, at) {
      const work = workOn(view);
      const claim = work.get(emailClaims, claimKey);
      if (claim?.operatorId !== former) return refused(refuse("email_taken", "email"), requestId);
      const holder = former === undefined ? undefined : work.get(operators, { hash: former });
      if (holder !== undefined && holder.status !== "disabled") return refused(refuse("email_taken", "email"), requestId);
      const operator: Operator = {
        id,
        organisationId,
        status: "invited",
        roles,
        exception: granted.exception,
        profile,
        emailIndex,
        invitedBy: personOf(asked.actor),
        createdAt: at,
        updatedAt: at,
        activatedAt: null,
        disabledAt: null,
        version: 1,
      };
      made = operator;
      work.put(operators, operator);
      work.put(credentialsOf, newCredentials(id, invitation));
      work.put(emailClaims, { organisationId, emailIndex, operatorId: id, version: (claim?.version ?? 0) + 1 });
      work.tell({ id: eventId, type: "operator.invited", objectId: id, details: grantDetails(operator) });
      return work.outcome(replied(201, {}));
    },
  });
  if (made === undefined || !succeeded(executed)) return executed;
  const invited = { token, expires_at: toTimestamp(invitation.expiresAt) };
  return shown(executed, 201, { ...(await presentOperator(vault, made, clock.now())), invitation: invited });
}

/** By which approval somebody is invited again. */
export interface InvitingApproval {
  readonly approvalId: string;
  /** Its own invitation is replaced, which is open still and was shown to nobody: when it was executed, ms. */
  readonly claimOf?: number;
}

/** Whether an open invitation is that of an approval; of an earlier release's, which did not say so, whether it is no later one. */
const isBy = ({ approvalId, expiresAt }: Invitation, by: string, executedAt: number): boolean =>
  approvalId === undefined ? expiresAt <= executedAt + INVITATION_MS : approvalId === by;

/**
 * POST /v1/operators/{id}/invitation: a new one for somebody who has not come yet, or who has forgotten his password.
 */
export async function inviteAgain(
  deps: InvitingDeps,
  asked: Asked,
  by: RoleGranter,
  id: OperatorId,
  approved?: InvitingApproval,
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const eventId = deps.ids.next("event");
  const found = await readOperator(deps.store, organisationId, id);
  if (found === undefined) return refuseAtOnce(refuse("not_found"), requestId);
  if (isSelf(asked.actor, id)) return refuseAtOnce(refuse("cannot_change_self"), requestId);
  const { approvalId, claimOf } = approved ?? {};
  const unseenBy = claimOf === undefined ? approvalId : undefined;
  const { invitation, token } = newInvitation(deps.random, id, deps.clock.now(), unseenBy);
  let operator: Operator | undefined;
  const executed = await deps.queue.execute({
    actor: asked.actor,
    needs: [
      { collection: operators, key: { hash: id }, mode: "read" },
      { collection: credentialsOf, key: credentialsKey(id), mode: "write" },
    ],
    decide(view, at) {
      const work = workOn(view);
      operator = work.get(operators, { hash: id });
      const credentials = work.get(credentialsOf, credentialsKey(id));
      if (operator === undefined || credentials === undefined) return refused(refuse("not_found"), requestId);
      if (operator.status === "disabled") return refused(refuse("operator_status_conflict"), requestId);
      const open = credentials.invitation;
      if (approvalId !== undefined && claimOf !== undefined && (open === null || open.expiresAt <= at || !isBy(open, approvalId, claimOf)))
        return refused(refuse("nothing_to_claim", undefined, "The invitation is open no more."), requestId);
      // Whoever has the token chooses the password: that of somebody with more rights is not the caller's to give away.
      const beyond = refuseGrant(by, operator.roles);
      if (beyond !== undefined) return refused(beyond, requestId);
      work.put(credentialsOf, changedCredentials(credentials, { invitation }));
      work.tell({ id: eventId, type: "operator.invited_again", objectId: id, details: { status: operator.status } });
      return work.outcome(replied(200, {}));
    },
  });
  if (operator === undefined || !succeeded(executed)) return executed;
  const invited = { token, expires_at: toTimestamp(invitation.expiresAt) };
  return shown(executed, 200, { ...(await presentOperator(deps.vault, operator, deps.clock.now())), invitation: invited });
}

/** Whether an actor is this operator, be it by a key of his. */
export function isSelf(actor: Actor, id: OperatorId): boolean {
  return personOf(actor) === id;
}

/** What is told of an operator's rights in the audit log. */
export function grantDetails({ roles, exception }: Pick<Operator, "roles" | "exception">) {
  return {
    roles: [...roles],
    ...(exception === null ? {} : { exception: { reason: exception.reason, expires_at: toTimestamp(exception.expiresAt) } }),
  };
}
