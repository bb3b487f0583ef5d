import type { Actor } from "#audit/index.ts";
import type { Asked, Executed } from "#commit/index.ts";
import { refused, replied, rewritingQueue, workOn } from "#commit/index.ts";
import { refuse } from "#kernel/problems.ts";
import type { Approval } from "./approval.ts";
import { approvals } from "./approval.ts";
import type { ControlDeps } from "./deps.ts";
import type { ControlledOperation, Payload, Standing } from "./operation.ts";
import { payloadHash, sealPayload } from "./payload.ts";
import { needsApproval, readControlPolicy } from "./policy.ts";
import { presentApproval, toldOf } from "./present-approval.ts";

const HOUR_MS = 3_600_000;

/**
 * Asks whether a request may go its way.
 * @param title what the operation does, in the words of the API's own document
 * @returns `undefined` when it may; else what to answer instead: 202 with the approval that now waits, or a refusal
 */
export async function askControls(
  deps: ControlDeps,
  asked: Asked,
  operation: ControlledOperation,
  sent: Payload,
  title: string,
): Promise<Executed | undefined> {
  const { organisationId, requestId } = asked.actor;
  const policy = await readControlPolicy(deps.store, organisationId);
  const facts = await operation.facts(sent, organisationId, policy, asked.actor);
  if (facts === undefined) return undefined;
  // Through the queue: what was answered before under the same Idempotency-Key is answered again, whatever has become of it since.
  if ("ok" in facts) return deps.queue.execute({ ...asked, needs: [], decide: () => refused(facts, requestId) });
  const required = needsApproval(policy, operation, facts);
  if (required === 0) return undefined;

  const payload = operation.pin === undefined ? sent : await operation.pin(sent, organisationId);
  const asOf = await countsNow(deps, asked.actor, operation, payload);
  const id = deps.ids.next("approval");
  const eventId = deps.ids.next("event");
  const sealed = sealPayload(deps.vault, await deps.vault.dataKey(organisationId), id, payload);
  const subject = payload.params.id;
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    // The reply shows the payload, which is stored sealed.
    privateReply: true,
    needs: [],
    decide(view, at) {
      const work = workOn(view);
      const named = { id, organisationId, kind: operation.kind, revision: 1 };
      const approval: Approval = {
        ...named,
        operation: operation.operationId,
        summary: typeof subject === "string" ? `${title}: ${subject}` : title,
        payload: sealed,
        payloadHash: payloadHash(named, payload),
        requestedBy: asked.actor,
        requestedAt: at,
        ...asOf,
        required,
        approvals: [],
        status: "pending",
        ended: null,
        failure: null,
        resultId: null,
        createdAt: at,
        updatedAt: at,
        expiresAt: at + policy.expiryHours * HOUR_MS,
        approvedAt: null,
        claimedAt: null,
        version: 1,
      };
      work.put(approvals, approval);
      work.tell({ id: eventId, type: "approval.requested", objectId: id, details: { ...toldOf(approval), required } });
      return work.outcome(replied(202, presentApproval(approval, payload, at)));
    },
  });
}

/** What is noted with a request beside its time: whatever becomes of its maker and of what it is about is told from it by these counts. */
export async function countsNow(
  deps: ControlDeps,
  maker: Actor,
  operation: ControlledOperation,
  payload: Payload,
): Promise<Pick<Approval, "requestedEpoch" | "requestedCount">> {
  const requestedCount = (await operation.countOf?.(payload, maker.organisationId)) ?? null;
  return { requestedEpoch: await deps.wordEpoch(maker), requestedCount };
}

/**
 * Does at once what the gate let go its way, by the function that its route calls, if it may still do so on what it is decided with.
 * Otherwise it is `contention`: sent again it waits for approval.
 */
export async function passControls(
  deps: ControlDeps,
  asked: Asked,
  operation: ControlledOperation & Pick<Required<ControlledOperation>, "factsIn">,
  payload: Payload,
  standing: Standing,
): Promise<Executed> {
  const policy = await readControlPolicy(deps.store, asked.actor.organisationId);
  const guarded = rewritingQueue(deps.queue, (command) => ({
    ...command,
    decide(view, at) {
      const outcome = command.decide(view, at);
      if (outcome.changes.length === 0) return outcome;
      const facts = operation.factsIn(payload, view, asked.actor);
      if (facts === undefined || needsApproval(policy, operation, facts) === 0) return outcome;
      return refused(refuse("contention"), asked.actor.requestId);
    },
  }));
  const execution = { asked, queue: guarded, standing, approvalId: "", requestedAt: deps.clock.now(), requestedCount: null, approvals: 0 };
  return operation.execute(payload, execution);
}
