import type { Actor } from "#audit/index.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Approval, Given } from "./approval.ts";
import { approvalStatusAt } from "./approval.ts";
import { isSamePerson } from "./operation.ts";

export interface DecidedApproval {
  readonly ok: true;
  readonly approval: Approval;
  /** Nothing has changed: the same person has said the same before. */
  readonly unchanged?: true;
}

/** What a person says of an approval. */
export interface Word {
  readonly actor: Actor;
  /** The actor's `wordEpoch`. */
  readonly epoch: number | null;
  /** The payload hash that the person has seen. */
  readonly payloadHash: string;
  readonly reason: string | null;
}

const given = (
  { apiKeyId, operatorId = null, personId = null }: Actor,
  at: number,
  reason: string | null,
  epoch: number | null = null,
): Given => ({ apiKeyId, operatorId, personId, at, epoch, reason });

function refuseUnlessPending(approval: Approval, at: number): Refusal | undefined {
  const status = approvalStatusAt(approval, at);
  if (status === "pending") return undefined;
  return refuse("approval_not_pending", undefined, `The approval is ${status}.`);
}

/** The change of an approval, at `at` (ms). */
export function changedApproval(approval: Approval, fields: Partial<Approval>, at: number): Approval {
  return { ...approval, ...fields, updatedAt: Math.max(at, approval.updatedAt), version: approval.version + 1 };
}

/**
 * One person approves. Refused to the maker, through whatever key or session; a person who has approved already changes nothing.
 * @param now `stands`: whether an earlier approver may still act; the word of one who may not any more is dropped. `needed`: how many
 * approvals the policy asks for by now, which may be more than when it was asked for
 */
export function approve(
  approval: Approval,
  word: Word,
  now: { readonly stands: (given: Given) => boolean; readonly needed: number },
  at: number,
): DecidedApproval | Refusal {
  const { actor } = word;
  // Whose earlier word counts no more may give it again.
  const before = approval.approvals.some((one) => isSamePerson(one, actor) && now.stands(one));
  if (before && word.payloadHash === approval.payloadHash && approvalStatusAt(approval, at) !== "expired")
    return { ok: true, approval, unchanged: true };
  const refusal = refuseUnlessPending(approval, at);
  if (refusal !== undefined) return refusal;
  if (isSamePerson(approval.requestedBy, actor)) return refuse("second_person_required", undefined, "Nobody approves their own.");
  if (word.payloadHash !== approval.payloadHash) return refuse("approval_changed", "payload_hash");
  const words = [...approval.approvals.filter(now.stands), given(actor, at, word.reason, word.epoch)];
  const required = Math.max(approval.required, now.needed);
  const enough = words.length >= required;
  return {
    ok: true,
    approval: changedApproval(approval, { approvals: words, required, ...(enough ? { status: "approved", approvedAt: at } : {}) }, at),
  };
}

/** One person is enough to reject; the maker cancels instead. */
export function reject(approval: Approval, actor: Actor, reason: string, at: number): DecidedApproval | Refusal {
  const refusal = refuseUnlessPending(approval, at);
  if (refusal !== undefined) return refusal;
  if (isSamePerson(approval.requestedBy, actor)) return refuse("second_person_required", undefined, "The maker cancels instead.");
  return { ok: true, approval: changedApproval(approval, { status: "rejected", ended: given(actor, at, reason) }, at) };
}

/** The maker takes it back. */
export function cancel(approval: Approval, actor: Actor, reason: string | null, at: number): DecidedApproval | Refusal {
  const refusal = refuseUnlessPending(approval, at) ?? refuseUnlessMaker(approval, actor);
  if (refusal !== undefined) return refusal;
  return { ok: true, approval: changedApproval(approval, { status: "voided", ended: given(actor, at, reason) }, at) };
}

/**
 * The maker changes what is asked for: whatever was approved was another payload, so the approvals are void. It is asked for now by the key
 * or session that amends, which may have fewer rights than the one that asked first: what is done is done with the rights of this one.
 */
export function amend(
  approval: Approval,
  actor: Actor,
  next: Pick<Approval, "payload" | "payloadHash" | "revision" | "required" | "requestedEpoch" | "requestedCount">,
  at: number,
): DecidedApproval | Refusal {
  const refusal = refuseUnlessPending(approval, at) ?? refuseUnlessMaker(approval, actor);
  if (refusal !== undefined) return refusal;
  if (next.revision !== approval.revision + 1) return refuse("contention");
  return { ok: true, approval: changedApproval(approval, { ...next, requestedBy: actor, requestedAt: at, approvals: [] }, at) };
}

/** How long the secret of what was made can be taken, ms: whoever waits for longer could take over what has become somebody's. */
const CLAIM_MS = 3 * 24 * 3_600_000;

/** The maker takes the secret of what was made, once. */
export function claim(approval: Approval, actor: Actor, at: number): DecidedApproval | Refusal {
  const refusal = refuseUnlessMaker(approval, actor);
  if (refusal !== undefined) return refusal;
  if (approval.status !== "executed") return refuse("nothing_to_claim", undefined, `The approval is ${approvalStatusAt(approval, at)}.`);
  if (approval.claimedAt !== null) return refuse("nothing_to_claim", undefined, "It has been taken already.");
  // The execution was its last change: nothing else changes one that is executed.
  if (at - approval.updatedAt > CLAIM_MS) return refuse("nothing_to_claim", undefined, "It was to be taken within three days.");
  return { ok: true, approval: changedApproval(approval, { claimedAt: at }, at) };
}

function refuseUnlessMaker(approval: Approval, actor: Actor): Refusal | undefined {
  return isSamePerson(approval.requestedBy, actor) ? undefined : refuse("not_the_maker");
}
