import type { Executed } from "#commit/index.ts";
import { change, refused } from "#commit/index.ts";
import type { ApprovalId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Acting } from "./act.ts";
import { approvals, readApproval } from "./approval.ts";
import { claim } from "./decide-approval.ts";
import type { ControlDeps } from "./deps.ts";
import { queueWith } from "./ending-queue.ts";
import { standingNow } from "./execute.ts";
import { toldOf } from "./present-approval.ts";

/** POST /v1/approvals/{id}/claim. The new secret and the note that it was taken are one commit, so that it is shown once. */
export async function claimApproval(
  deps: ControlDeps,
  { asked, scopes }: Acting,
  id: ApprovalId,
): Promise<{ readonly secret: JsonObject } | Refusal | Executed> {
  const { organisationId, requestId } = asked.actor;
  const found = await readApproval(deps.store, organisationId, id);
  if (found === undefined) return refuse("not_found");
  const early = claim(found, asked.actor, deps.clock.now());
  if (!early.ok) return early;
  const operation = deps.operations.get(found.operation);
  const { resultId } = found;
  if (operation?.claim === undefined || resultId === null) return refuse("nothing_to_claim", undefined, "The operation shows no secret.");
  const { standing } = await standingNow(deps, asked.actor);
  if (standing === undefined || !scopes.has(operation.scope))
    return refuse("insufficient_scope", undefined, `The scope needed is ${operation.scope}.`);
  const key = { hash: id };
  const { queue } = queueWith(deps, key, (view, command, at, eventId) => {
    const current = view.get(approvals, key);
    const decided = current === undefined ? refuse("not_found") : claim(current, asked.actor, at);
    if (!decided.ok) return refused(decided, requestId);
    const outcome = command.decide(view, at);
    if (outcome.reply.status >= 300) return outcome;
    const told = { ...toldOf(decided.approval), result_object_id: resultId };
    return {
      reply: outcome.reply,
      changes: [...outcome.changes, change(approvals, decided.approval)],
      events: [...outcome.events, { id: eventId, type: "approval.claimed", objectId: id, details: told }],
    };
  });
  const execution = {
    asked,
    queue,
    standing,
    approvalId: id,
    requestedAt: found.requestedAt,
    requestedCount: found.requestedCount,
    approvals: found.approvals.length,
  };
  // The execution was its last change.
  const { executed, secret } = await operation.claim(resultId, execution, found.updatedAt);
  if (secret === undefined) return executed;
  return { secret: { object: "claimed_secret", approval_id: id, object_id: resultId, secret } };
}
