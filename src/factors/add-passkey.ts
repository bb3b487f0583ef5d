import type { Asked, Executed } from "#commit/index.ts";
import { refused, replied } from "#commit/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import { refuse } from "#kernel/problems.ts";
import { credentialKey, credentials } from "./credential.ts";
import type { FactorDeps } from "./deps.ts";
import type { Subject } from "./factor.ts";
import type { PasskeyFactor } from "./factor-set.ts";
import { changedSet, factorSets, readSet } from "./factor-set.ts";
import { fullOf } from "./limits.ts";
import { answered, currentSet, decideOnSet } from "./on-set.ts";
import { challengeIn, PasskeyError, verifyCreation } from "./passkey.ts";
import type { NewPasskey } from "./passkey.ts";
import { presentFactor } from "./present-factor.ts";
import type { Proof } from "./proof.ts";
import { checkProof, demandProof, pendingChallenge } from "./proof.ts";
import { factorEvent } from "./use-factor.ts";

export interface AddPasskeyBody {
  /** `RegistrationResponseJSON`. */
  readonly response: JsonObject;
  readonly proof?: Proof;
}

/**
 * Adds a passkey: the answer to a challenge of `startPasskey`, which is taken once. From the second factor on it needs a proof
 * of one that is there; a recovery code will do.
 */
export async function addPasskey(deps: FactorDeps, asked: Asked, subject: Subject, body: AddPasskeyBody): Promise<Executed> {
  const { requestId } = asked.actor;
  const found = pendingChallenge(await readSet(deps.store, subject), challengeIn(body.response), "register", deps.clock.now());
  const stale = refuse("passkey_invalid", "response", "The challenge was not given out for this, has been used, or has expired.");
  if (found === undefined) return answered(stale, asked);
  let passkey: NewPasskey;
  try {
    passkey = await verifyCreation(deps.relyingParty, found.challenge, body.response);
  } catch (error) {
    if (error instanceof PasskeyError) return answered(refuse("passkey_invalid", "response", error.message), asked);
    throw error;
  }
  if (found.device_bound === true && passkey.backup_eligible) return answered(refuse("passkey_not_device_bound", "response"), asked);
  const proof = body.proof === undefined ? undefined : await checkProof(deps, subject, body.proof);
  const id = deps.ids.next("factor");
  const eventId = deps.ids.next("event");
  const key = credentialKey(subject.organisationId, passkey.credential_id);
  return decideOnSet(deps, asked, subject, [{ collection: credentials, key, mode: "write" }], (work, set, at) => {
    if (pendingChallenge(set, found.challenge, "register", at) === undefined) return refused(stale, requestId);
    const known = work.get(credentials, key);
    if (known !== undefined && known.owner !== null) return refused(refuse("passkey_known"), requestId);
    const most = fullOf(set, "passkey", at);
    if (most !== undefined) return refused(refuse("limit_reached", undefined, `The most passkeys are ${most}.`), requestId);
    const unproved = demandProof(work, set, proof, at);
    if (unproved !== undefined) return unproved;
    const factor: PasskeyFactor = {
      id,
      type: "passkey",
      status: "active",
      created_at: at,
      last_used_at: null,
      last_assertion: null,
      ...passkey,
    };
    const now = currentSet(work, set);
    const challenges = now.challenges.filter(({ challenge }) => challenge !== found.challenge);
    work.put(factorSets, changedSet(now, { factors: [...now.factors, factor], challenges }, at));
    work.put(credentials, { id: key.hash, owner: subject.id, factorId: id, version: (known?.version ?? 0) + 1 });
    work.tell(
      factorEvent(eventId, "factor.added", subject, id, {
        type: "passkey",
        device_bound: !factor.backup_eligible,
        attestation: factor.attestation,
      }),
    );
    return work.outcome(replied(201, presentFactor(factor, undefined)));
  });
}
