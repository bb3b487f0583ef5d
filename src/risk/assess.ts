import type { Outcome, PayerProfile } from "#features/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import type { Assessment, ReasonCode } from "./assessment.ts";
import { type Evidence, type RiskContext, readEvidence } from "./context.ts";
import { amountFactor, behaviourFactor, deviceFactor, type Factor, locationFactor, velocityFactor } from "./factors.ts";
import { MODEL, NOTABLE_CONTRIBUTION, ONE, REVIEW_ABOVE, velocity as velocityConfig, weights } from "./factors-config.ts";
import { emptyProfile, learnPayment, learnVelocity } from "./learn.ts";
import type { RiskProfile } from "./profile.ts";
import { shortHash } from "./short-hash.ts";

export interface AssessInput {
  /** `undefined` before the payer's first payment. */
  readonly profile: RiskProfile | undefined;
  /** The payer's user id, or the account's id where it has no user: the profile's key. */
  readonly ownerId: string;
  readonly amount: Minor;
  readonly currency: Currency;
  readonly payeeAccountId: string;
  readonly context: RiskContext;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** A payment scored by the factors, and what is needed to learn it once it is decided. */
export interface Scored {
  readonly assessment: Assessment;
  readonly evidence: Evidence;
  readonly before: RiskProfile;
  /** The payments of the window, this one included. */
  readonly recent: readonly number[];
  readonly payee: number;
}

export interface Assessed {
  readonly assessment: Assessment;
  /** With this payment learnt; its version is one above the given profile's, 1 for the first. */
  readonly profile: RiskProfile;
}

/**
 * Scores one payment by the five factors and learns it as that score alone decides: above 0.8 it is held. Pure and synchronous.
 * @throws InvariantError when amount or time are impossible, or the profile is another owner's.
 */
export function assess(input: AssessInput): Assessed {
  const scored = scoreFactors(input);
  const { assessment } = scored;
  return { assessment, profile: learn(scored, input, assessment.score > REVIEW_ABOVE ? "held" : "posted", scored.before.features) };
}

/**
 * Scores one payment by the five factors. Pure and synchronous: it runs inside the money decision, and what is learnt is written in the
 * same commit, so that of eleven parallel payments one is the eleventh. A malformed context counts as absent.
 * @throws InvariantError when amount or time are impossible, or the profile is another owner's.
 */
export function scoreFactors(input: AssessInput): Scored {
  const { ownerId, amount, currency, payeeAccountId, at } = input;
  invariant(amount > 0n, "risk: an amount is positive");
  invariant(Number.isSafeInteger(at) && at >= 0, "risk: a time is whole milliseconds since 1970");
  const profile = input.profile ?? emptyProfile(ownerId, at);
  invariant(profile.id === ownerId, "risk: the profile is another owner's");

  const evidence = readEvidence(input.context);
  const minute = Math.floor(at / 60_000);
  const payee = shortHash(payeeAccountId);
  const recent = recentWith(profile.recent, at);

  const velocity = velocityFactor(recent.length);
  const amounts = amountFactor(profile, currency, amount, minute);
  const location = locationFactor(profile, evidence, at, minute);
  const device = deviceFactor(profile, evidence, minute);
  const behaviour = behaviourFactor(profile, evidence, payee, at, minute);
  const factors = {
    velocity: velocity.score,
    amount: amounts.score,
    location: location.score,
    device: device.score,
    behaviour: behaviour.score,
  };
  const score = weigh(factors);

  const assessment: Assessment = {
    model: MODEL,
    score,
    factors,
    reasons: reasonsOf(velocity, amounts, location, device, behaviour),
    velocity_count: recent.length,
  };
  if (recent.length > velocityConfig.remembered) recent.shift();
  return { assessment, evidence, before: profile, recent, payee };
}

/**
 * The profile after a scored payment: one that does not post counts for velocity, and vouches for nothing.
 * @param features what the features remember from now on
 */
export function learn(scored: Scored, input: AssessInput, outcome: Outcome, features: PayerProfile | undefined): RiskProfile {
  const { before, recent, payee, evidence } = scored;
  const { amount, currency, at } = input;
  if (outcome === "held") return learnVelocity(before, recent, at, features);
  return learnPayment(before, recent, { amount, currency, payee, evidence, at, minute: Math.floor(at / 60_000) }, features);
}

/** The payments of the window and this one. Times ahead of `at` (a clock went back) count as well. */
function recentWith(recent: readonly number[], at: number): number[] {
  const from = at - velocityConfig.windowMs;
  const kept: number[] = [];
  for (const time of recent) if (time >= from) kept.push(time);
  kept.push(at);
  return kept;
}

/** The weighted sum in ten-thousandths, fractions rounded up (towards review), capped at one. */
export function weigh(factors: Assessment["factors"]): number {
  const sum =
    factors.velocity * weights.velocity +
    factors.amount * weights.amount +
    factors.location * weights.location +
    factors.device * weights.device +
    factors.behaviour * weights.behaviour;
  return Math.min(Math.ceil(sum / ONE), ONE);
}

const NO_REASONS: readonly ReasonCode[] = [];

/** The reasons of the factors that add notably, by what they add; equals stay in the factors' order. */
function reasonsOf(velocity: Factor, amount: Factor, location: Factor, device: Factor, behaviour: Factor): readonly ReasonCode[] {
  const notable: { readonly adds: number; readonly reason: ReasonCode }[] = [];
  const consider = (factor: Factor, weight: number): void => {
    const adds = factor.score * weight;
    if (adds >= NOTABLE_CONTRIBUTION * ONE) notable.push({ adds, reason: factor.reason });
  };
  consider(velocity, weights.velocity);
  consider(amount, weights.amount);
  consider(location, weights.location);
  consider(device, weights.device);
  consider(behaviour, weights.behaviour);
  if (notable.length === 0) return NO_REASONS;
  return notable.sort((a, b) => b.adds - a.adds).map(({ reason }) => reason);
}
