import type { Asked, Executed, Need, Working } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import type { OrganisationId, UserId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Store } from "#storage/index.ts";
import type { FactorDeps } from "./deps.ts";
import type { Subject } from "./factor.ts";
import type { FactorSet } from "./factor-set.ts";
import { changedSet, factorSets, isOf, NO_LOCK, readSet, setKey } from "./factor-set.ts";
import { sentAddresses } from "./notify.ts";
import { answered } from "./on-set.ts";
import { refuseUser, subjectOf } from "./on-user.ts";
import { releaseFactor, releaseNeeds, tellLost } from "./release-factor.ts";
import { factorEvent } from "./use-factor.ts";

/** What has become of the factors. */
export const resetReasons = ["lost", "compromised"] as const;

/** Why somebody's factors are taken away, and what shows that this very person wanted it. Both are told in the audit log. */
export interface ResetGrounds {
  readonly reason_code: (typeof resetReasons)[number];
  /** The organisation's own name of the record of how it identified the person. */
  readonly attachment_ref: string;
}

/** When something was begun that a reset makes void. */
export interface Begun {
  /** Milliseconds. */
  readonly at: number;
  /** How often the subject's factors had been taken away by then (`resetsOf`); `null` where nobody noted it, so that the times decide. */
  readonly resets: number | null;
}

/** A reset that was asked for. */
export interface ResetAsked extends ResetGrounds {
  readonly requested: Begun;
}

/** A reset, prepared outside of the decision that does it. */
export interface FactorReset {
  /** The records that the decision has to load. */
  readonly needs: readonly Need[];
  /** Takes away all factors with everything that was begun, so that the next one is the first. @returns why not */
  apply(work: Working, at: number): Refusal | undefined;
  /** To be called after the commit: tells those addresses which nobody knows any more. Never rejects. */
  tell(): Promise<void>;
}

const NOTHING: Refusal = refuse("no_factor", undefined, "There is nothing to take away: the first factor needs no proof.");
const TAKEN: Refusal = refuse("no_factor", undefined, "The factors that there were when it was asked for have been taken away since.");

/** Enrolments that nobody has finished are no factors yet. */
const hasNone = (set: FactorSet | undefined): boolean => (set?.factors ?? []).every(({ status }) => status === "pending");

/** Why there is nothing to reset, as far as it is known before it is decided. */
export async function refuseReset(deps: Pick<FactorDeps, "store">, subject: Subject): Promise<Refusal | undefined> {
  return hasNone(await readSet(deps.store, subject)) ? NOTHING : undefined;
}

/** The same for a user. */
export async function refuseUserReset(
  deps: Pick<FactorDeps, "store">,
  organisationId: OrganisationId,
  id: UserId,
): Promise<Refusal | undefined> {
  return (await refuseUser(deps, organisationId, id)) ?? refuseReset(deps, subjectOf(organisationId, id));
}

/**
 * Prepares to take all factors from somebody who can prove none any more. It needs no proof, so whoever calls this has seen to it that two
 * persons wanted it (RTS article 24: a factor is associated with the right person only).
 */
export async function prepareReset(deps: FactorDeps, subject: Subject, { requested, ...grounds }: ResetAsked): Promise<FactorReset> {
  const seen = (await readSet(deps.store, subject))?.factors ?? [];
  const lost = await sentAddresses(deps, subject, seen);
  const eventId = deps.ids.next("event");
  return {
    needs: [{ collection: factorSets, key: setKey(subject), mode: "write" }, ...seen.flatMap((factor) => releaseNeeds(subject, factor))],
    apply(work, at) {
      const set = work.get(factorSets, setKey(subject));
      if (set === undefined || !isOf(set, subject) || hasNone(set)) return NOTHING;
      // Asked for twice, it is no reset of what the person has enrolled since the first one.
      if (isAfter(set, requested)) return TAKEN;
      // What has come since it was prepared is not loaded.
      if (set.factors.some(({ id }) => seen.every((one) => one.id !== id))) return refuse("contention");
      for (const factor of set.factors) releaseFactor(work, subject, factor);
      const none = { factors: [], challenges: [], lock: NO_LOCK };
      work.put(factorSets, changedSet(set, { ...none, resetAt: at, resets: (set.resets ?? 0) + 1 }, at));
      const types = set.factors.filter(({ status }) => status !== "pending").map(({ type }) => type);
      work.tell(factorEvent(eventId, "factor.reset", subject, undefined, { ...grounds, types }));
      return undefined;
    },
    tell: () => tellLost(deps, subject, lost, "factors_reset"),
  };
}

/** POST /v1/users/{id}/factors/reset, once it is approved. What the user was asked before, and any link that was sent before, is void by it. */
export async function resetUserFactors(deps: FactorDeps, asked: Asked, id: UserId, reset: ResetAsked): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const refusal = await refuseUser(deps, organisationId, id);
  if (refusal !== undefined) return answered(refusal, asked);
  const prepared = await prepareReset(deps, subjectOf(organisationId, id), reset);
  const executed = await deps.queue.execute({
    actor: asked.actor,
    needs: prepared.needs,
    decide(view, at) {
      const work = workOn(view);
      const why = prepared.apply(work, at);
      return why === undefined ? work.outcome(replied(200, { id, object: "factor_reset" })) : refused(why, requestId);
    },
  });
  if (executed.ok && executed.reply.status === 200) await prepared.tell();
  return executed;
}

/** How often all factors of a subject were taken away: to be kept with what is begun for it, and read before that is. */
export async function resetsOf(store: Store, subject: Subject): Promise<number> {
  return (await readSet(store, subject))?.resets ?? 0;
}

/** Whether all factors of a subject were taken away since something was begun for it: it was begun with somebody who had lost them. */
export function wasReset(work: Pick<Working, "get">, subject: Subject, begun: Begun): boolean {
  return isAfter(work.get(factorSets, setKey(subject)), begun);
}

/** The same as it is in the store, outside of a decision, of what was begun without a note of the count (ms). */
export async function wasResetIn(store: Store, subject: Subject, begunAt: number): Promise<boolean> {
  return isAfter(await readSet(store, subject), { at: begunAt, resets: null });
}

/** By the count, which no clock changes; by the times where either is of an earlier release, which kept none. */
function isAfter(set: FactorSet | undefined, { at, resets }: Begun): boolean {
  if (set === undefined || set.resetAt === null) return false;
  return set.resets === null || resets === null ? at <= set.resetAt : resets < set.resets;
}
