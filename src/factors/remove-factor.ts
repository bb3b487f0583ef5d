import type { Asked, Executed } from "#commit/index.ts";
import { refused, replied } from "#commit/index.ts";
import type { FactorId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import type { FactorDeps } from "./deps.ts";
import type { Subject } from "./factor.ts";
import { changedSet, factorSets, NO_LOCK, readSet, standingFactors } from "./factor-set.ts";
import { sentAddresses } from "./notify.ts";
import { answered, currentSet, decideOnSet } from "./on-set.ts";
import type { Proof } from "./proof.ts";
import { checkProof, demandProof } from "./proof.ts";
import { releaseFactor, releaseNeeds, tellLost } from "./release-factor.ts";
import { factorEvent } from "./use-factor.ts";

/**
 * Removes a factor: needs the proof of an active one, which may be the very one that goes; a recovery code will not do. The last
 * one that proves who somebody is stays. What is still pending is given up without any proof.
 */
export async function removeFactor(
  deps: FactorDeps,
  asked: Asked,
  subject: Subject,
  id: FactorId,
  body: { readonly proof?: Proof },
): Promise<Executed> {
  const { requestId } = asked.actor;
  const found = (await readSet(deps.store, subject))?.factors.find((factor) => factor.id === id);
  if (found === undefined) return answered(refuse("not_found"), asked);
  const lost = await sentAddresses(deps, subject, [found]);
  const proof = body.proof === undefined ? undefined : await checkProof(deps, subject, body.proof);
  const eventId = deps.ids.next("event");
  const executed = await decideOnSet(deps, asked, subject, releaseNeeds(subject, found), (work, set, at) => {
    const factor = set.factors.find((one) => one.id === id);
    if (factor === undefined) return refused(refuse("not_found"), requestId);
    if (factor.status !== "pending") {
      if (standingFactors(set).every((one) => one.id === id)) return refused(refuse("last_factor"), requestId);
      const unproved = demandProof(work, set, proof, at, { strong: true });
      if (unproved !== undefined) return unproved;
    }
    const now = currentSet(work, set);
    work.put(factorSets, changedSet(now, { factors: now.factors.filter((one) => one.id !== id) }, at));
    releaseFactor(work, subject, factor);
    const type = factor.status === "pending" ? "factor.enrolment_ended" : "factor.removed";
    work.tell(factorEvent(eventId, type, subject, id, { type: factor.type }));
    return work.outcome(replied(200, { id, object: "factor", deleted: true }));
  });
  if (executed.ok && executed.reply.status === 200) await tellLost(deps, subject, lost, "factor_removed");
  return executed;
}

/** Lifts the block of a subject whose attempts have failed too often. Its factors stay as they are. */
export async function unblockFactors(deps: FactorDeps, asked: Asked, subject: Subject): Promise<Executed> {
  const eventId = deps.ids.next("event");
  return decideOnSet(deps, asked, subject, [], (work, set, at) => {
    if (set.version === 0) return refused(refuse("no_factor"), asked.actor.requestId);
    work.put(factorSets, changedSet(set, { lock: NO_LOCK }, at));
    work.tell(factorEvent(eventId, "factor.unblocked", subject, undefined, {}));
    return work.outcome(replied(200, { object: "factor_lock", blocked: false }));
  });
}
