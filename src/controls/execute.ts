import type { Actor } from "#audit/index.ts";
import type { Executed } from "#commit/index.ts";
import { change, refused, workOn } from "#commit/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { ApprovalId, OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import { refuse } from "#kernel/problems.ts";
import type { Scope } from "#kernel/scopes.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import type { Approval, Given } from "./approval.ts";
import { approvals, readApproval } from "./approval.ts";
import { changedApproval } from "./decide-approval.ts";
import type { ControlDeps } from "./deps.ts";
import type { ControlledOperation, Payload, Standing } from "./operation.ts";
import { queueWith } from "./ending-queue.ts";
import { openPayload, payloadHash } from "./payload.ts";
import { needsApproval, readControlPolicy } from "./policy.ts";
import { toldOf } from "./present-approval.ts";

/** How long an approved operation is tried, ms: then it fails for good. */
const WINDOW_MS = 24 * 3_600_000;

/** Refusals that say nothing of the operation itself: it is tried again. */
const PASSING: ReadonlySet<unknown> = new Set([
  "contention",
  "overloaded",
  "store_unavailable",
  "kms_unavailable",
  "key_blocked",
  "rate_limited",
]);

/**
 * Executes an approved operation, once. What it does and the end of the approval are one commit, guarded by the approval's version:
 * a crash before it leaves the approval approved, and the worker tries again; after it nothing finds it approved any more.
 * Never rejects for a store that is away: the worker comes back.
 */
export async function executeApproved(deps: ControlDeps, organisationId: OrganisationId, id: ApprovalId): Promise<void> {
  const approval = await readApproval(deps.store, organisationId, id);
  if (approval?.status !== "approved") return;
  // First, so that what cannot even be opened does not wait for ever either.
  if (deps.clock.now() - (approval.approvedAt ?? 0) >= WINDOW_MS)
    return end(deps, approval, "failed", { code: "contention", detail: "It could not be executed within 24 hours." });
  const payload = await openPayload(deps.vault, approval);
  if (payloadHash(approval, payload) !== approval.payloadHash)
    return end(deps, approval, "failed", { code: "approval_changed", detail: "What is stored is not what was approved." });
  const operation = deps.operations.get(approval.operation);
  if (operation === undefined)
    return end(deps, approval, "failed", { code: "not_found", detail: "This version of the product does not know the operation." });
  const standing = await standingOfMaker(deps, approval);
  if (standing?.scopes.has(operation.scope) !== true)
    return end(deps, approval, "voided", { code: "insufficient_scope", detail: "The maker may not do this any more." });
  // What it needs may have grown after the last approval, and whose word counted then may be nobody any more.
  const words = approval.approvals.length - (await fallenWords(deps, approval, operation.scope)).length;
  if (Math.max(approval.required, await approvalsNeededNow(deps, approval, operation, payload)) > words)
    return end(deps, approval, "failed", { code: "second_person_required", detail: "It needs more persons by now than have approved it." });
  await attempt(deps, approval, operation, payload, { standing, words });
}

/** Whether the maker may still ask for what was asked for, and what else the maker may do. */
export function standingOfMaker(deps: ControlDeps, { requestedBy, requestedAt, requestedEpoch }: Approval): Promise<Standing | undefined> {
  return deps.standing(requestedBy, { at: requestedAt, epoch: requestedEpoch });
}

/** What somebody who says something now may do, and the `wordEpoch` to note with it. */
export async function standingNow(
  deps: ControlDeps,
  actor: Actor,
): Promise<{ readonly standing: Standing | undefined; readonly epoch: number | null }> {
  const epoch = await deps.wordEpoch(actor);
  return { standing: await deps.standing(actor, { at: deps.clock.now(), epoch }), epoch };
}

/** The words of those who could not give them any more. @param scope of the operation, where it is known */
export async function fallenWords(
  deps: ControlDeps,
  { requestedBy, approvals: words }: Approval,
  scope: Scope | undefined,
): Promise<readonly Given[]> {
  const fallen: Given[] = [];
  for (const word of words) {
    const standing = await deps.standing({ ...requestedBy, ...word }, word);
    if (standing?.scopes.has("approvals:write") !== true || (scope !== undefined && !standing.scopes.has(scope))) fallen.push(word);
  }
  return fallen;
}

/** How many approvals the policy asks for now: it may have become tighter since this was asked for. 0 where it could not be done anyway. */
export async function approvalsNeededNow(
  deps: ControlDeps,
  { organisationId, requestedBy }: Approval,
  operation: ControlledOperation,
  payload: Payload,
): Promise<number> {
  const policy = await readControlPolicy(deps.store, organisationId);
  const facts = await operation.facts(payload, organisationId, policy, requestedBy);
  return facts === undefined || "ok" in facts ? 0 : needsApproval(policy, operation, facts);
}

async function attempt(
  deps: ControlDeps,
  approval: Approval,
  operation: ControlledOperation,
  payload: Payload,
  { standing, words }: { readonly standing: Standing; readonly words: number },
): Promise<void> {
  const ending = endingQueue(deps, approval);
  const actor = approval.requestedBy;
  const execution = {
    asked: { actor, idempotency: undefined },
    queue: ending.queue,
    standing,
    approvalId: approval.id,
    requestedAt: approval.requestedAt,
    requestedCount: approval.requestedCount,
    approvals: words,
  };
  const executed: Executed = await operation.execute(payload, execution);
  if (ending.used) return;
  // Refused before anything was decided: the operation has ended as well, unless the refusal passes.
  const failure = executed.ok ? failureOf(executed.reply.body) : { code: executed.code, detail: null };
  invariant(!executed.ok || executed.reply.status >= 400, `${approval.operation} succeeded without a command`);
  if (!PASSING.has(failure.code) && (executed.ok || failure.code !== "outcome_unknown")) await end(deps, approval, "failed", failure);
}

/** The queue of an execution: the end of the approval is a part of the one command it takes. */
function endingQueue(deps: ControlDeps, approval: Approval): ReturnType<typeof queueWith> {
  const key = { hash: approval.id };
  return queueWith(deps, key, (view, command, at, eventId) => {
    const current = view.get(approvals, key);
    // Somebody else was quicker, or it was amended: whatever the command would do is not what is approved now.
    if (current?.status !== "approved" || current.payloadHash !== approval.payloadHash)
      return refused(refuse("approval_not_pending"), command.actor.requestId);
    const outcome = command.decide(view, at);
    const { status, body } = outcome.reply;
    const failure = status < 300 ? null : failureOf(body);
    if (failure !== null && PASSING.has(failure.code)) return outcome;
    // What shows a secret answers the decision with nothing; the first event is about the object then.
    const resultId = failure === null ? (idIn(body) ?? outcome.events[0]?.objectId ?? null) : null;
    const ended = changedApproval(current, { status: failure === null ? "executed" : "failed", resultId, failure }, at);
    const told = toldOf(current);
    return {
      reply: outcome.reply,
      changes: [...outcome.changes, change(approvals, ended)],
      events: [
        // Whoever reads what was done reads who asked for it and who let it pass.
        ...outcome.events.map((event) => ({ ...event, details: { ...event.details, approval: told } })),
        {
          id: eventId,
          type: failure === null ? "approval.executed" : "approval.failed",
          objectId: approval.id,
          details: { ...told, ...(failure === null ? { result_object_id: resultId } : { code: failure.code }) },
        },
      ],
    };
  });
}

/** Ends an approval without its operation. Does nothing when it has ended otherwise meanwhile, or was amended: it is asked for anew then. */
export async function end(
  deps: ControlDeps,
  { id, requestedBy, revision }: Approval,
  status: "failed" | "voided" | "expired",
  failure: Approval["failure"],
): Promise<void> {
  const eventId = deps.ids.next("event");
  const key = { hash: id };
  // The product ends it by itself, which is nobody's act.
  const actor = {
    organisationId: requestedBy.organisationId,
    apiKeyId: null,
    operatorId: null,
    personId: null,
    ip: null,
    userAgent: null,
    requestId: null,
  };
  const executed = await deps.queue.execute({
    actor,
    needs: [{ collection: approvals, key, mode: "write" }],
    decide(view, at) {
      const work = workOn(view);
      const current = work.get(approvals, key);
      const live =
        status === "expired" ? current?.status === "pending" && at >= current.expiresAt : isLive(current) && current?.revision === revision;
      if (current === undefined || !live) return refused(refuse("approval_not_pending"), null);
      const ended = changedApproval(current, { status, failure }, at);
      work.put(approvals, ended);
      const code = failure === null ? {} : { code: failure.code };
      work.tell({ id: eventId, type: `approval.${status}`, objectId: id, details: { ...toldOf(ended), ...code } });
      return work.outcome({ status: 200, body: "{}" });
    },
  });
  if (!executed.ok) throw new StoreUnavailableError(`the approval ${id} could not be ended: ${executed.code}`);
}

function isLive(approval: Approval | undefined): boolean {
  return approval?.status === "pending" || approval?.status === "approved";
}

function failureOf(body: string): { readonly code: string; readonly detail: string | null } {
  const { code, detail } = JSON.parse(body) as JsonObject;
  return { code: typeof code === "string" ? code : "internal_error", detail: typeof detail === "string" ? detail : null };
}

function idIn(body: string): string | null {
  const { id } = JSON.parse(body) as JsonObject;
  return typeof id === "string" ? id : null;
}
