import type { Asked, Executed } from "#commit/index.ts";
import { refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import type { ResetAsked } from "#factors/index.ts";
import { prepareReset, refuseReset } from "#factors/index.ts";
import type { Actor } from "#audit/index.ts";
import type { OperatorId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import { changedCredentials, credentialsKey, credentialsOf } from "./credentials.ts";
import type { OperatorDeps } from "./deps.ts";
import type { RoleGranter } from "./grant-roles.ts";
import { refuseGrant } from "./grant-roles.ts";
import { isSelf } from "./invite-operator.ts";
import { operators, readOperator } from "./operator.ts";
import { subjectOf } from "./sign-in.ts";

/** Why an operator's factors cannot be taken away by this actor, as far as it is known before it is decided. */
export async function refuseOperatorReset(deps: Pick<OperatorDeps, "store">, actor: Actor, id: OperatorId): Promise<Refusal | undefined> {
  const operator = await readOperator(deps.store, actor.organisationId, id);
  if (operator === undefined) return refuse("not_found");
  if (isSelf(actor, id)) return refuse("cannot_change_self");
  if (operator.status === "disabled") return refuse("operator_status_conflict");
  return refuseReset(deps, subjectOf(operator));
}

/**
 * POST /v1/operators/{id}/factors/reset, once it is approved. All that the operator signs in with goes at once, the password too: else
 * whoever has that would be the first to enrol. The way back is another invitation, which is handed over to the person.
 */
export async function resetOperatorFactors(
  deps: OperatorDeps,
  asked: Asked,
  by: RoleGranter,
  id: OperatorId,
  grounds: ResetAsked,
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const refusal = await refuseOperatorReset(deps, asked.actor, id);
  if (refusal !== undefined) return refuseAtOnce(refusal, requestId);
  const reset = await prepareReset(deps, subjectOf({ organisationId, id }), grounds);
  const executed = await deps.queue.execute({
    actor: asked.actor,
    needs: [
      ...reset.needs,
      { collection: operators, key: { hash: id }, mode: "read" },
      { collection: credentialsOf, key: credentialsKey(id), mode: "write" },
    ],
    decide(view, at) {
      const work = workOn(view);
      const operator = work.get(operators, { hash: id });
      const credentials = work.get(credentialsOf, credentialsKey(id));
      if (operator === undefined || credentials === undefined) return refused(refuse("not_found"), requestId);
      if (operator.status === "disabled") return refused(refuse("operator_status_conflict"), requestId);
      const why = refuseGrant(by, operator.roles) ?? reset.apply(work, at);
      if (why !== undefined) return refused(why, requestId);
      const sessionEpoch = credentials.sessionEpoch + 1;
      // What was said in his name before he comes back may be somebody else's word.
      const compromised = grounds.reason_code === "compromised" ? { until: null, epoch: null } : credentials.compromised;
      work.put(
        credentialsOf,
        changedCredentials(credentials, { password: null, invitation: null, devices: [], sessionEpoch, compromised }),
      );
      return work.outcome(replied(200, { id, object: "factor_reset" }));
    },
  });
  deps.sessions.forgetOperator(id);
  if (executed.ok && executed.reply.status === 200) await reset.tell();
  return executed;
}
