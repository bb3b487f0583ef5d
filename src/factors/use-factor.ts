import type { EventDraft } from "#audit/index.ts";
import type { Need, Outcome, Working } from "#commit/index.ts";
import { refused } from "#commit/index.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { FactorId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import { equalTexts } from "./code-hash.ts";
import type { Attempt, Checked, FailedCheck, Subject } from "./factor.ts";
import type { FactorSet, LockState, PasskeyFactor, StoredFactor } from "./factor-set.ts";
import { changedSet, factorSets, isOf, setKey, withFactor } from "./factor-set.ts";
import type { LockStep } from "./lock.ts";
import { afterFailure, afterSuccess, isBlocked } from "./lock.ts";
import { afterWrongCode } from "./sent-code.ts";

/** How many new items `useFactor` adds to a commit at most: its events. */
export const FACTOR_APPENDS = 2;

/** The records a decision has to load that uses a factor of this subject. */
export function factorNeeds(subject: Subject, _checked?: Checked | FailedCheck): readonly Need[] {
  return [{ collection: factorSets, key: setKey(subject), mode: "write" }];
}

/**
 * Uses a proved factor up, inside the decision that it was proved for; counts the failure of one that was not.
 *
 * The counter of a passkey, the time step of a TOTP, the spent code are written with whatever the decision does, so of any
 * number of simultaneous uses one succeeds. A success ends the row of failures; the fifth failure in a row blocks.
 *
 * @returns why not: `authentication_failed`, the same whichever factor it was and whatever was wrong with it, or
 *   `authentication_blocked`, while nothing is looked at. What was counted is in `work`, so answer with `failedOutcome`.
 * @param at milliseconds, the time of the decision
 */
export function useFactor(work: Working, checked: Checked | FailedCheck, at: number): Refusal | undefined {
  const { attempt } = checked;
  const found = work.get(factorSets, setKey(attempt.subject));
  const set = found !== undefined && isOf(found, attempt.subject) ? found : undefined;
  if (set === undefined) return tellFailure(work, attempt, "no_factor");
  if (isBlocked(set.lock, at)) {
    tellFailure(work, attempt, "blocked");
    return blockedRefusal(set);
  }
  if (!checked.ok) return countFailure(work, set, attempt, set.factors, "not_proved", at);
  const factor = set.factors.find(({ id, status }) => id === checked.factorId && status === "active");
  const judged = factor === undefined ? ({ ok: false, reason: "gone" } as const) : judge(factor, checked, at);
  if (!judged.ok) {
    if (judged.flagged !== undefined) return flag(work, set, attempt, judged.flagged, at);
    return countFailure(work, set, attempt, set.factors, judged.reason, at);
  }
  work.put(factorSets, changedSet(set, { factors: withFactor(set, judged.factor), lock: afterSuccess() }, at));
  tell(work, attempt, 0, "factor.verified", checked.factorId, { type: checked.type });
  return undefined;
}

/** The outcome of a decision that ends with a factor that was not accepted: the refusal, with what was counted. */
export function failedOutcome(work: Working, refusal: Refusal, requestId: string | null): Outcome {
  return work.outcome(refused(refusal, requestId).reply);
}

type Judged =
  | { readonly ok: true; readonly factor: StoredFactor }
  | { readonly ok: false; readonly reason: string; readonly flagged?: PasskeyFactor };

/** Judges evidence against the state it is used on. */
function judge(factor: StoredFactor, { evidence }: Checked, at: number): Judged {
  if (factor.type === "passkey" && evidence.kind === "passkey") return judgePasskey(factor, evidence, at);
  if (factor.type === "totp" && evidence.kind === "totp")
    return evidence.step > factor.last_step
      ? { ok: true, factor: { ...factor, last_step: evidence.step, last_used_at: at } }
      : { ok: false, reason: "replayed" };
  if (evidence.kind !== "code") return { ok: false, reason: "mismatch" };
  if (factor.type === "recovery_code") {
    const left = factor.hashes.filter((hash) => !equalTexts(hash, evidence.hash));
    return left.length < factor.hashes.length
      ? { ok: true, factor: { ...factor, hashes: left, last_used_at: at } }
      : { ok: false, reason: "spent" };
  }
  if (factor.type !== "email_code" && factor.type !== "sms_code") return { ok: false, reason: "mismatch" };
  const { sent } = factor;
  return sent !== null && sent.expires_at > at && equalTexts(sent.hash, evidence.hash)
    ? { ok: true, factor: { ...factor, sent: null, last_used_at: at } }
    : { ok: false, reason: "spent" };
}

/**
 * The counter rule of WebAuthn (section 7.2, step 22): where either counter is not 0, the new one has to be larger; else two
 * devices may hold the key, and it is refused for good. The very same assertion again is a repetition, not a copy. Nor does a lower
 * counter show one in the answer to a challenge that was given out before the passkey was used last: two challenges may be answered
 * in one order and come here in the other (the race that the same step names). It is refused, and no more, as long as it is larger than
 * the counter was when the challenge was given out: no answer of the device that has it could be smaller. Nor could another answer of it
 * be equal to the last.
 */
function judgePasskey(
  factor: PasskeyFactor,
  { counter, backedUp, digest, askedAt }: Extract<Checked["evidence"], { readonly kind: "passkey" }>,
  at: number,
): Judged {
  if (factor.last_assertion === digest) return { ok: false, reason: "replayed" };
  const counts = counter > 0 || factor.counter > 0;
  if (counts && counter <= factor.counter) {
    if (askedAt !== undefined && counter < factor.counter && counter > counterAt(factor, askedAt))
      return { ok: false, reason: "out_of_order" };
    return { ok: false, reason: "counter", flagged: { ...factor, status: "flagged" } };
  }
  const used = { ...factor, counter, backed_up: backedUp, last_assertion: digest, last_used_at: at };
  if (!counts) return { ok: true, factor: used };
  const former = [...formerCounters(factor), { counter: factor.counter, until: at }];
  return { ok: true, factor: { ...used, former_counters: former.slice(-FORMER_COUNTERS) } };
}

/** Uses of a passkey that are remembered: more than there are in the time in which one challenge can be answered. */
const FORMER_COUNTERS = 10;

/** What a passkey's counter was before its uses so far; -1 before those of an earlier release, which did not keep that. */
function formerCounters({ last_used_at: lastUsed, former_counters: former = [] }: PasskeyFactor): typeof former {
  return lastUsed === null || former.at(-1)?.until === lastUsed ? former : [{ counter: -1, until: lastUsed }];
}

/** What a passkey's counter was at a time (ms); -1 where nobody knows that any more, or it was used so often since that it is forgotten. */
function counterAt(factor: PasskeyFactor, time: number): number {
  const { counter, last_used_at: lastUsed } = factor;
  if (lastUsed === null || time >= lastUsed) return counter;
  const former = formerCounters(factor);
  const then = former.findIndex(({ until }) => until > time);
  return then === 0 && former.length === FORMER_COUNTERS ? -1 : (former[then]?.counter ?? counter);
}

function flag(work: Working, set: FactorSet, attempt: Attempt, factor: PasskeyFactor, at: number): Refusal {
  const { lock, step } = afterFailure(set.lock, at);
  work.put(factorSets, changedSet(set, { factors: withFactor(set, factor), lock }, at));
  tell(work, attempt, 0, "factor.flagged", factor.id, { type: factor.type, reason: "counter" });
  tellStep(work, attempt, lock, step);
  return refuse("authentication_failed");
}

function countFailure(
  work: Working,
  set: FactorSet,
  attempt: Attempt,
  factors: readonly StoredFactor[],
  reason: string,
  at: number,
): Refusal {
  const { lock, step } = afterFailure(set.lock, at);
  // A wrong code is a try on every code of its type that is out: which one was meant cannot be known.
  const tried = factors.map((factor) =>
    factor.type === attempt.type && (factor.type === "email_code" || factor.type === "sms_code") && factor.status === "active"
      ? afterWrongCode(factor)
      : factor,
  );
  work.put(factorSets, changedSet(set, { factors: tried, lock }, at));
  tellFailure(work, attempt, reason);
  tellStep(work, attempt, lock, step);
  return refuse("authentication_failed");
}

function tellStep(work: Working, attempt: Attempt, lock: LockState, step: LockStep): void {
  if (step === "counted") return;
  const until = lock.blocked_until === null ? null : toTimestamp(lock.blocked_until);
  tell(work, attempt, 1, "factor.blocked", undefined, { step, blocked_until: until });
}

function tellFailure(work: Working, attempt: Attempt, reason: string): Refusal {
  tell(work, attempt, 0, "factor.refused", undefined, { type: attempt.type, reason });
  return refuse("authentication_failed");
}

/** The refusal while attempts are not looked at. */
export function blockedRefusal({ lock }: FactorSet): Refusal {
  const until = lock.blocked_until;
  const detail = lock.blocked_for_good || until === null ? "Until somebody lifts it." : `Until ${toTimestamp(until)}.`;
  return refuse("authentication_blocked", undefined, detail);
}

function tell(
  work: Working,
  attempt: Attempt,
  which: 0 | 1,
  type: EventDraft["type"],
  factorId: FactorId | undefined,
  details: JsonObject,
): void {
  work.tell(factorEvent(attempt.eventIds[which], type, attempt.subject, factorId, details));
}

/** An event about a subject's factor, or about the subject where no factor is named. */
export function factorEvent(
  id: EventDraft["id"],
  type: EventDraft["type"],
  subject: Subject,
  factorId: FactorId | undefined,
  details: JsonObject,
): EventDraft {
  const user = subject.kind === "user" ? { userId: subject.id } : {};
  return { id, type, objectId: factorId ?? subject.id, ...user, details: { ...details, subject_id: subject.id } };
}
