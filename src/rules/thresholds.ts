import { invariant } from "#kernel/assert.ts";
import type { RuleAction } from "./rule.ts";
import { atLeast, stronger } from "./rule.ts";

/** One, in the ten-thousandths that scores are kept in. */
export const ONE = 10_000;

/** Scores above which something happens, in ten-thousandths; `null`: never. In the order challenge, review, block. */
export interface Thresholds {
  readonly challengeAbove: number | null;
  readonly reviewAbove: number;
  readonly blockAbove: number | null;
}

/** What holds until an organisation sets its own: review above 0.8. */
export const DEFAULT_THRESHOLDS: Thresholds = { challengeAbove: null, reviewAbove: 8_000, blockAbove: null };

/** What the score alone asks for. @param score in ten-thousandths */
export function actionOfScore(score: number, { challengeAbove, reviewAbove, blockAbove }: Thresholds): RuleAction {
  invariant(score >= 0 && score <= ONE, "a score is from 0 to 1");
  if (blockAbove !== null && score > blockAbove) return "block";
  if (score > reviewAbove) return "review";
  return challengeAbove !== null && score > challengeAbove ? "challenge" : "allow";
}

/**
 * What happens to a payment: the stronger of what its score and its rules ask for. A set in which only `allow` rules hit
 * lifts a challenge or a review by the score, never a block.
 * @param score in ten-thousandths
 * @param byRules the `action` of the evaluation
 */
export function decideAction(score: number, thresholds: Thresholds, byRules: RuleAction | undefined): RuleAction {
  const byScore = actionOfScore(score, thresholds);
  if (byRules === "allow") return atLeast(byScore, "block") ? byScore : "allow";
  return byRules === undefined ? byScore : stronger(byScore, byRules);
}
