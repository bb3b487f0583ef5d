import type { Working } from "#commit/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import { checkCode, checkPasskey, failed } from "./check-factor.ts";
import type { FactorDeps } from "./deps.ts";
import type { Checked, CodeType, FactorType, FailedCheck, Subject } from "./factor.ts";
import { attemptOf } from "./factor.ts";
import type { FactorSet } from "./factor-set.ts";
import { changedSet, factorSets, readSet, setKey } from "./factor-set.ts";
import { isBlocked } from "./lock.ts";
import { CHALLENGE_LIFE_MS, challengeIn, fromBase64Url } from "./passkey.ts";
import { useFactor } from "./use-factor.ts";

/** What is given to show that a factor is at hand: a code, or a passkey's answer to a challenge of `challengeFactor`. */
export type Proof = { readonly type: "passkey"; readonly response: JsonObject } | { readonly type: CodeType; readonly code: string };

/** A proof that was looked at. */
export interface GivenProof {
  readonly checked: Checked | FailedCheck;
  /** The challenge it answers, which is good for one time. */
  readonly challenge: string | undefined;
}

type ProofDeps = Pick<FactorDeps, "store" | "vault" | "ids" | "clock" | "relyingParty">;

/** Looks at a proof, writing nothing: `useProof` takes it, good or not. */
export async function checkProof(deps: ProofDeps, subject: Subject, proof: Proof): Promise<GivenProof> {
  if (proof.type !== "passkey") return { checked: await checkCode(deps, subject, proof.type, proof.code), challenge: undefined };
  const set = await readSet(deps.store, subject);
  const pending = pendingChallenge(set, challengeIn(proof.response), "prove", deps.clock.now());
  if (pending === undefined) return { checked: failed(attemptOf(deps, subject, "passkey")), challenge: undefined };
  const { challenge, expires_at: until } = pending;
  const askedAt = until - CHALLENGE_LIFE_MS;
  return { checked: await checkPasskey(deps, subject, fromBase64Url(challenge), proof.response, { askedAt }), challenge };
}

/** The challenge of this text that was given out for this purpose and is still good. */
export function pendingChallenge(
  set: FactorSet | undefined,
  text: string | undefined,
  purpose: "register" | "prove",
  at: number,
): FactorSet["challenges"][number] | undefined {
  return set?.challenges.find((one) => one.challenge === text && one.purpose === purpose && one.expires_at > at);
}

/** Uses a proof up, with its challenge, inside the decision it is given for. @returns why not, as `useFactor` does */
export function useProof(work: Working, { checked, challenge }: GivenProof, at: number): Refusal | undefined {
  const { attempt } = checked;
  const before = work.get(factorSets, setKey(attempt.subject));
  const spent = challenge !== undefined && pendingChallenge(before, challenge, "prove", at) === undefined;
  const refusal = useFactor(work, spent ? failed(attempt) : checked, at);
  const after = work.get(factorSets, setKey(attempt.subject));
  // A challenge is spent by whoever answers it, rightly or not.
  if (challenge !== undefined && after !== undefined && !isBlocked(before?.lock ?? after.lock, at))
    work.put(factorSets, changedSet(after, { challenges: after.challenges.filter((one) => one.challenge !== challenge) }, at));
  return refusal;
}

/**
 * Asks for a fresh proof wherever there is anything to prove: from the first factor on, none comes and none goes without one.
 * @param strong a recovery code does not do: it gets its owner new factors, and takes none away
 */
export function demandProof(
  work: Working,
  set: FactorSet,
  given: GivenProof | undefined,
  at: number,
  { strong = false }: { readonly strong?: boolean } = {},
): Refusal | undefined {
  if (set.factors.every(({ status }) => status === "pending")) return undefined;
  if (given === undefined) return refuse("factor_proof_required");
  if (strong && given.checked.attempt.type === "recovery_code") return refuse("factor_proof_too_weak");
  return useProof(work, given, at);
}

/** A proof as requests carry it. */
export interface ProofFields {
  readonly type: FactorType;
  readonly code?: string;
  readonly response?: JsonObject;
}

/** What the schema cannot say: a passkey is proved by a response, everything else by a code. */
export function readProof({ type, code, response }: ProofFields): Proof | Refusal {
  const wanted = type === "passkey" ? "response" : "code";
  const other = type === "passkey" ? code : response;
  if (other !== undefined)
    return refuse("invalid_request", `proof.${wanted === "code" ? "response" : "code"}`, `"proof.${wanted}" goes with this type.`);
  if (type === "passkey") return response === undefined ? missing("response") : { type, response };
  return code === undefined ? missing("code") : { type, code };
}

const missing = (name: string): Refusal => refuse("missing_field", `proof.${name}`, `"proof.${name}" is required.`);
