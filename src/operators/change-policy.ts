import type { Asked, Executed } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { JsonObject } from "#kernel/json.ts";
import { refuse } from "#kernel/problems.ts";
import type { OperatorDeps } from "./deps.ts";
import type { SessionPolicy } from "./session-policy.ts";
import { defaultPolicy, policyKey, policyTag, sessionPolicies } from "./session-policy.ts";

export function presentPolicy(policy: SessionPolicy): JsonObject {
  return {
    object: "session_policy",
    idle_minutes: policy.idleMinutes,
    absolute_minutes: policy.absoluteMinutes,
    version: policyTag(policy),
    updated_at: policy.updatedAt === null ? null : toTimestamp(policy.updatedAt),
  };
}

/** PATCH /v1/session-policy. A shorter idle limit holds for open sessions, too; the absolute one for those that begin from now on. */
export async function changePolicy(
  deps: OperatorDeps,
  asked: Asked,
  body: { readonly idle_minutes?: number; readonly absolute_minutes?: number },
  ifVersion: number | undefined,
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const eventId = deps.ids.next("event");
  const executed = await deps.queue.execute({
    actor: asked.actor,
    needs: [{ collection: sessionPolicies, key: policyKey(organisationId), mode: "write" }],
    decide(view, at) {
      const work = workOn(view);
      const before = work.get(sessionPolicies, policyKey(organisationId)) ?? defaultPolicy(organisationId);
      if (ifVersion !== undefined && ifVersion !== policyTag(before))
        return refused(refuse("version_conflict", undefined, `The current version is ${policyTag(before)}.`), requestId);
      const after: SessionPolicy = {
        organisationId,
        idleMinutes: body.idle_minutes ?? before.idleMinutes,
        absoluteMinutes: body.absolute_minutes ?? before.absoluteMinutes,
        updatedAt: at,
        version: before.version + 1,
      };
      if (after.idleMinutes > after.absoluteMinutes)
        return refused(refuse("invalid_request", "idle_minutes", "It cannot be more than `absolute_minutes`."), requestId);
      work.put(sessionPolicies, after);
      const told = ({ idleMinutes, absoluteMinutes }: SessionPolicy) => ({ idle_minutes: idleMinutes, absolute_minutes: absoluteMinutes });
      work.tell({
        id: eventId,
        type: "session_policy.updated",
        objectId: organisationId,
        details: { before: told(before), after: told(after) },
      });
      return work.outcome(replied(200, presentPolicy(after)));
    },
  });
  deps.sessions.forgetOrganisation(organisationId);
  return executed;
}
