import type { Asked, Executed, Need } from "#commit/index.ts";
import { refused, replied } from "#commit/index.ts";
import type { FactorId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import { credentialKey, credentials } from "./credential.ts";
import type { FactorDeps, Subject } from "./factor.ts";
import type { StoredFactor } from "./factor-set.ts";
import { changedSet, factorSets, NO_LOCK, readSet, standingFactors } from "./factor-set.ts";
import { readSecrets } from "./factor-secret.ts";
import type { Address } from "./notify.ts";
import { addressesOf } from "./notify.ts";
import { answered, currentSet, decideOnSet } from "./on-set.ts";
import { dropSecret, secretNeeds } from "./pending.ts";
import type { Proof } from "./proof.ts";
import { checkProof, demandProof } from "./proof.ts";
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
  const lost = await addressOf(deps, subject, found);
  const proof = body.proof === undefined ? undefined : await checkProof(deps, subject, body.proof);
  const eventId = deps.ids.next("event");
  const executed = await decideOnSet(deps, asked, subject, needsOf(subject, found), (work, set, at) => {
    const factor = set.factors.find((one) => one.id === id);
    if (factor === undefined) return refused(refuse("not_found"), requestId);
    if (factor.status !== "pending") {
      if (standingFactors(set).every((one) => one.id === id)) return refused(refuse("last_factor"), requestId);
      const unproved = demandProof(work, set, proof, at, { strong: true });
      if (unproved !== undefined) return unproved;
    }
    const now = currentSet(work, set);
    work.put(factorSets, changedSet(now, { factors: now.factors.filter((one) => one.id !== id) }, at));
    if (factor.type === "passkey") {
      const key = credentialKey(subject.organisationId, factor.credential_id);
      const credential = work.get(credentials, key);
      if (credential !== undefined) work.put(credentials, { ...credential, owner: null, factorId: null, version: credential.version + 1 });
    } else if (factor.type !== "recovery_code") dropSecret(work, id);
    const type = factor.status === "pending" ? "factor.enrolment_ended" : "factor.removed";
    work.tell(factorEvent(eventId, type, subject, id, { type: factor.type }));
    return work.outcome(replied(200, { id, object: "factor", deleted: true }));
  });
  if (lost !== undefined && executed.ok && executed.reply.status === 200) await tellLost(deps, subject, lost);
  return executed;
}

/** The address of a factor in use that codes are sent to: once it is removed nobody else knows it. */
async function addressOf(deps: FactorDeps, { organisationId }: Subject, { id, type, status }: StoredFactor): Promise<Address | undefined> {
  if (status !== "active" || (type !== "email_code" && type !== "sms_code")) return undefined;
  const to = (await readSecrets(deps, organisationId, [id])).get(id);
  return to === undefined ? undefined : { channel: type === "email_code" ? "email" : "sms", to };
}

/** Whoever had an address is told there, too, that it was taken away: it may be the only place the owner looks at. */
async function tellLost(deps: FactorDeps, subject: Subject, lost: Address): Promise<void> {
  try {
    const others = await addressesOf(deps, subject);
    if (others.every(({ to }) => to !== lost.to)) await deps.codeSender.sendNotice({ subject, notice: "factor_removed", ...lost });
  } catch (error) {
    deps.onError?.(error, "a notice was not sent");
  }
}

function needsOf({ organisationId }: Subject, factor: StoredFactor): readonly Need[] {
  if (factor.type === "recovery_code") return [];
  if (factor.type !== "passkey") return secretNeeds([factor.id]);
  return [{ collection: credentials, key: credentialKey(organisationId, factor.credential_id), mode: "write" }];
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
