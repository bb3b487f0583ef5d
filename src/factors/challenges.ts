import type { Asked, Executed } from "#commit/index.ts";
import { replied } from "#commit/index.ts";
import { toTimestamp } from "#kernel/clock.ts";
import { refuse } from "#kernel/problems.ts";
import type { FactorDeps } from "./deps.ts";
import type { Subject } from "./factor.ts";
import type { PendingChallenge } from "./factor-set.ts";
import { activeFactors, changedSet, factorSets, readSet } from "./factor-set.ts";
import { MAX_CHALLENGES } from "./limits.ts";
import { answered, decideOnSet } from "./on-set.ts";
import { CHALLENGE_LIFE_MS, creationOptions, requestOptions, toBase64Url } from "./passkey.ts";
import { factorEvent } from "./use-factor.ts";

/** WebAuthn asks for 16 bytes at least (section 13.4.3). */
const CHALLENGE_BYTES = 32;

export interface PasskeyOptionsBody {
  /** What the authenticator shows the person to tell accounts apart; the subject's id where absent. It is not stored. */
  readonly user_name?: string;
  /** The new passkey has to be bound to its device (WA-04). */
  readonly device_bound?: boolean;
}

/** Gives out the challenge of a new passkey. */
export async function startPasskey(deps: FactorDeps, asked: Asked, subject: Subject, body: PasskeyOptionsBody): Promise<Executed> {
  const challenge = deps.random.bytes(CHALLENGE_BYTES);
  const set = await readSet(deps.store, subject);
  const existing = (set?.factors ?? []).filter((factor) => factor.type === "passkey");
  const deviceBound = body.device_bound === true;
  const userName = body.user_name ?? subject.id;
  const options = await creationOptions(deps.relyingParty, subject, { challenge, userName, existing, deviceBound });
  const pending = { challenge: toBase64Url(challenge), purpose: "register", device_bound: deviceBound } as const;
  return giveOut(deps, asked, subject, pending, "passkey_options", options);
}

const NO_PASSKEY = "A challenge is signed by a passkey, and there is none in use. A code of another factor needs no challenge.";

/** Gives out a challenge that any of the subject's passkeys may sign as a proof. */
export async function challengeFactor(deps: FactorDeps, asked: Asked, subject: Subject): Promise<Executed> {
  const challenge = deps.random.bytes(CHALLENGE_BYTES);
  const passkeys = activeFactors(await readSet(deps.store, subject), "passkey");
  if (passkeys.length === 0) return answered(refuse("no_factor", undefined, NO_PASSKEY), asked);
  const options = await requestOptions(deps.relyingParty, challenge, passkeys);
  const pending = { challenge: toBase64Url(challenge), purpose: "prove" } as const;
  return giveOut(deps, asked, subject, pending, "factor_challenge", options);
}

function giveOut(
  deps: FactorDeps,
  asked: Asked,
  subject: Subject,
  pending: Omit<PendingChallenge, "expires_at">,
  object: "passkey_options" | "factor_challenge",
  options: Awaited<ReturnType<typeof requestOptions>>,
): Promise<Executed> {
  const eventId = deps.ids.next("event");
  return decideOnSet(deps, asked, subject, [], (work, set, at) => {
    const expires_at = at + CHALLENGE_LIFE_MS;
    const alive = set.challenges.filter((one) => one.expires_at > at);
    const challenges = [...alive, { ...pending, expires_at }].slice(-MAX_CHALLENGES);
    work.put(factorSets, changedSet(set, { challenges }, at));
    const type = object === "passkey_options" ? "factor.enrolment_started" : "factor.challenged";
    work.tell(factorEvent(eventId, type, subject, undefined, { type: "passkey" }));
    return work.outcome(replied(201, { object, public_key: options, expires_at: toTimestamp(expires_at) }));
  });
}
