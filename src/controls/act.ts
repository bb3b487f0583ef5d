import type { EventType } from "#audit/index.ts";
import type { Asked, Executed } from "#commit/index.ts";
import { refused, workOn } from "#commit/index.ts";
import type { ApprovalId, EventId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Scope } from "#kernel/scopes.ts";
import type { Approval, Given } from "./approval.ts";
import { approvals, approvalStatusAt, readApproval } from "./approval.ts";
import type { DecidedApproval } from "./decide-approval.ts";
import { amend, approve, cancel, reject } from "./decide-approval.ts";
import type { ControlDeps } from "./deps.ts";
import { approvalsNeededNow, end, executeApproved, fallenWords, standingNow, standingOfMaker } from "./execute.ts";
import type { ControlledOperation, Payload } from "./operation.ts";
import { isSamePerson } from "./operation.ts";
import { openPayload, payloadHash, sealPayload } from "./payload.ts";
import { needsApproval, readControlPolicy } from "./policy.ts";
import { toldOf } from "./present-approval.ts";
import { countsNow } from "./submit.ts";

/** Who acts on an approval, and what it may do besides. */
export interface Acting {
  readonly asked: Asked;
  readonly scopes: ReadonlySet<Scope>;
}

/** What an act came to: the approval as it is then, or why not. `code` alone where nothing was decided. */
export type Acted = { readonly ok: true; readonly approval: Approval } | Refusal | (Executed & { readonly ok: false });

const MAX_REVISIONS = 50;

/** POST /v1/approvals/{id}/approve. The last approval that is needed executes the operation before it is answered, as a rule. */
export async function approveApproval(
  deps: ControlDeps,
  { asked, scopes }: Acting,
  id: ApprovalId,
  body: { readonly payload_hash: string; readonly reason?: string },
): Promise<Acted> {
  const checked = await forChecker(deps, asked, scopes, id);
  if ("ok" in checked) return checked;
  const { approval: found, epoch } = checked;
  const operation = deps.operations.get(found.operation);
  if (found.status === "pending" && operation !== undefined && (await standingOfMaker(deps, found))?.scopes.has(operation.scope) !== true) {
    await end(deps, found, "voided", { code: "insufficient_scope", detail: "The maker may not do this any more." });
    return refuse("approval_not_pending", undefined, "The maker may not do this any more.");
  }
  const fallen = await fallenWords(deps, found, operation?.scope);
  const word = { actor: asked.actor, epoch, payloadHash: body.payload_hash, reason: body.reason ?? null };
  const stands = (given: Given): boolean => !fallen.some((one) => one.at === given.at && isSamePerson(one, given));
  const needed = operation === undefined ? 0 : await approvalsNeededNow(deps, found, operation, await openPayload(deps.vault, found));
  const acted = await act(deps, asked, id, "approval.approved", (approval, at) => approve(approval, word, { stands, needed }, at));
  if (!acted.ok || acted.approval.status !== "approved") return acted;
  try {
    await executeApproved(deps, asked.actor.organisationId, id);
  } catch (error) {
    // The approval is given and kept; what could not be done now is done by the worker.
    deps.onError(error);
  }
  return read(deps, asked, id);
}

/** POST /v1/approvals/{id}/reject. */
export async function rejectApproval(deps: ControlDeps, { asked, scopes }: Acting, id: ApprovalId, reason: string): Promise<Acted> {
  const found = await forChecker(deps, asked, scopes, id);
  if ("ok" in found) return found;
  return act(deps, asked, id, "approval.rejected", (approval, at) => reject(approval, asked.actor, reason, at));
}

/** POST /v1/approvals/{id}/cancel, by the maker. */
export function cancelApproval(deps: ControlDeps, asked: Asked, id: ApprovalId, reason: string | undefined): Promise<Acted> {
  return act(deps, asked, id, "approval.voided", (approval, at) => cancel(approval, asked.actor, reason ?? null, at));
}

/** POST /v1/approvals/{id}/amend, by the maker. The new body has passed the operation's own schema. */
export async function amendApproval(
  deps: ControlDeps,
  asked: Asked,
  found: Approval,
  operation: ControlledOperation,
  payload: Payload,
): Promise<Acted> {
  const { organisationId } = asked.actor;
  if (found.revision >= MAX_REVISIONS) return refuse("limit_reached");
  const asOf = await countsNow(deps, asked.actor, operation, payload);
  const policy = await readControlPolicy(deps.store, organisationId);
  const facts = await operation.facts(payload, organisationId, policy, asked.actor);
  if (facts !== undefined && "ok" in facts) return facts;
  // What was submitted for approval stays so, also where the new body would need fewer as things stand: they may stand otherwise later.
  const required = Math.max(found.required, facts === undefined ? 0 : needsApproval(policy, operation, facts));
  const revision = found.revision + 1;
  const sealed = sealPayload(deps.vault, await deps.vault.dataKey(organisationId), found.id, payload);
  const next = { payload: sealed, payloadHash: payloadHash({ ...found, revision }, payload), revision, required, ...asOf };
  return act(deps, asked, found.id, "approval.amended", (approval, at) => amend(approval, asked.actor, next, at));
}

/** An approval that the caller may judge: with the scope of the operation, too; and the caller's `wordEpoch`. */
async function forChecker(
  deps: ControlDeps,
  asked: Asked,
  scopes: ReadonlySet<Scope>,
  id: ApprovalId,
): Promise<{ readonly approval: Approval; readonly epoch: number | null } | Refusal> {
  const found = await readApproval(deps.store, asked.actor.organisationId, id);
  if (found === undefined) return refuse("not_found");
  const scope = deps.operations.get(found.operation)?.scope;
  if (scope !== undefined && !scopes.has(scope))
    return refuse("insufficient_scope", undefined, `The scope needed is ${scope}, beside approvals:write.`);
  // What let the request in may be some seconds old; a word that counts is of somebody who may give it now.
  const { standing, epoch } = await standingNow(deps, asked.actor);
  if (standing?.scopes.has("approvals:write") !== true || (scope !== undefined && !standing.scopes.has(scope)))
    return refuse("insufficient_scope", undefined, "You may not do this any more.");
  return { approval: found, epoch };
}

async function read(deps: ControlDeps, asked: Asked, id: ApprovalId): Promise<Acted> {
  const found = await readApproval(deps.store, asked.actor.organisationId, id);
  return found === undefined ? refuse("not_found") : { ok: true, approval: found };
}

/** Runs one decision over one approval, as it is loaded with the commit: parallel acts are decided one after the other. */
async function act(
  deps: ControlDeps,
  asked: Asked,
  id: ApprovalId,
  type: EventType,
  decide: (approval: Approval, at: number) => DecidedApproval | Refusal,
): Promise<Acted> {
  const { organisationId, requestId } = asked.actor;
  const eventId: EventId = deps.ids.next("event");
  if ((await readApproval(deps.store, organisationId, id)) === undefined) return refuse("not_found");
  const key = { hash: id };
  let decided: DecidedApproval | Refusal = refuse("not_found");
  const executed = await deps.queue.execute({
    actor: asked.actor,
    needs: [{ collection: approvals, key, mode: "write" }],
    decide(view, at) {
      const work = workOn(view);
      const approval = work.get(approvals, key);
      decided = approval === undefined ? refuse("not_found") : decide(approval, at);
      if (approval === undefined || !decided.ok) return refused(decided.ok ? refuse("not_found") : decided, requestId);
      if (decided.unchanged !== true) {
        work.put(approvals, decided.approval);
        work.tell({ id: eventId, type, objectId: id, details: detailsOf(approval, decided.approval) });
      }
      return work.outcome({ status: 200, body: "{}" });
    },
  });
  if (!executed.ok) return executed;
  // Set by the last decision, which is the one that was committed.
  return decided;
}

function detailsOf(before: Approval, after: Approval): JsonObject {
  return {
    ...toldOf(after),
    required: after.required,
    status: approvalStatusAt(after, after.updatedAt),
    // What an amendment made void.
    ...(after.revision === before.revision ? {} : { voided_approvals: before.approvals.length }),
  };
}
