import type { RiskModelId } from "#kernel/ids.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { JsonObject } from "#kernel/json.ts";
import { type Refusal, refuse } from "#kernel/problems.ts";
import { averagePrecision, cardPrecision } from "#model/index.ts";
import type { PastCounts, PastPayment } from "./past-payments.ts";

/** Labelled frauds without which nothing is known of two models. */
export const MIN_FRAUDS = 20;
const DAY_MS = 86_400_000;

/** How well scores found frauds. */
export interface Quality {
  readonly averagePrecision: number;
  /** Of the accounts that reviewers can look at in a day, the share that was defrauded on it. */
  readonly cardPrecision: number;
}

/** A model held against what decides now, on payments that neither has learnt from. */
export interface Evaluation {
  /** What it was held against; null: the five factors. */
  readonly against: RiskModelId | null;
  /** Payments created from here (inclusive) to here (exclusive), ms. */
  readonly from: number;
  readonly to: number;
  readonly payments: number;
  readonly frauds: number;
  /** Accounts that reviewers can look at in a day. */
  readonly reviewCapacity: number;
  readonly own: Quality;
  readonly other: Quality;
  /** The card precision that knowing everything would have: with few frauds or many reviewers that is all there is to be had. */
  readonly bestCardPrecision: number;
  readonly at: number;
}

/** Scores of a payment: by the model that is judged, and by what decides now. */
export interface Judges {
  readonly own: (payment: PastPayment) => number;
  readonly other: (payment: PastPayment) => number;
}

/** Gathers what two judges say of payments. */
export interface Contest {
  readonly visit: (payment: PastPayment) => void;
  readonly result: (
    facts: Pick<Evaluation, "against" | "from" | "to" | "reviewCapacity" | "at">,
    counts: PastCounts,
  ) => { readonly ok: true; readonly evaluation: Evaluation } | Refusal;
}

export function createContest({ own, other }: Judges): Contest {
  const owns: number[] = [];
  const others: number[] = [];
  const frauds: number[] = [];
  const days: number[] = [];
  const cards: number[] = [];
  const cardOf = new Map<string, number>();

  const qualityOf = (scores: readonly number[], capacity: number): Quality => ({
    averagePrecision: averagePrecision(Uint8Array.from(frauds), Float64Array.from(scores)),
    cardPrecision: cardPrecision(
      scores.map((score, row) => ({ day: days[row] ?? 0, card: cards[row] ?? 0, score, fraud: frauds[row] === 1 })),
      capacity,
    ),
  });

  return {
    visit(payment) {
      owns.push(own(payment));
      others.push(other(payment));
      frauds.push(payment.fraud ? 1 : 0);
      days.push(Math.floor(payment.at / DAY_MS));
      const card = cardOf.get(payment.payer) ?? cardOf.size;
      cardOf.set(payment.payer, card);
      cards.push(card);
    },
    result(facts, counts) {
      if (counts.frauds < MIN_FRAUDS || counts.frauds === counts.usable)
        return refuse(
          "not_enough_evidence",
          undefined,
          `There are ${counts.frauds} labelled frauds among ${counts.usable} payments; it takes ${MIN_FRAUDS}, and honest ones beside them.`,
        );
      const { reviewCapacity } = facts;
      return {
        ok: true,
        evaluation: {
          ...facts,
          payments: counts.usable,
          frauds: counts.frauds,
          own: qualityOf(owns, reviewCapacity),
          other: qualityOf(others, reviewCapacity),
          bestCardPrecision: qualityOf(frauds, reviewCapacity).cardPrecision,
        },
      };
    },
  };
}

/**
 * Refuses (`model_not_better`) unless the model has the higher average precision and the higher card precision. Where both find every
 * account that can be found, the card precision tells nothing apart and is enough.
 */
export function refuseUnlessBetter({ own, other, bestCardPrecision, payments, frauds }: Evaluation): Refusal | undefined {
  const allFound = own.cardPrecision === bestCardPrecision && other.cardPrecision === bestCardPrecision;
  if (own.averagePrecision > other.averagePrecision && (own.cardPrecision > other.cardPrecision || allFound)) return undefined;
  const told = (quality: Quality): string =>
    `average precision ${quality.averagePrecision.toFixed(4)}, card precision ${quality.cardPrecision.toFixed(4)}`;
  return refuse(
    "model_not_better",
    undefined,
    `On ${payments} payments, ${frauds} of them fraud: ${told(own)}; what decides now: ${told(other)}.`,
  );
}

const rounded = (value: number): number => Math.round(value * 1e6) / 1e6;
const presentQuality = ({ averagePrecision: average, cardPrecision: card }: Quality): JsonObject => ({
  average_precision: rounded(average),
  card_precision: rounded(card),
});

/** The evaluation as the API and audit events show it. */
export function presentEvaluation(evaluation: Evaluation): JsonObject {
  const { against, from, to, payments, frauds, reviewCapacity, own, other, bestCardPrecision, at } = evaluation;
  return {
    against,
    from: toTimestamp(from),
    to: toTimestamp(to),
    payments,
    frauds,
    review_capacity_per_day: reviewCapacity,
    model: presentQuality(own),
    in_force: presentQuality(other),
    best_card_precision: rounded(bestCardPrecision),
    evaluated_at: toTimestamp(at),
  };
}
