import { invariant } from "#kernel/assert.ts";

export interface CardRow {
  /** The day's number. */
  readonly day: number;
  readonly card: number;
  readonly score: number;
  readonly fraud: boolean;
}

/**
 * Card precision top-k as the Fraud Detection Handbook defines it (Le Borgne et al., chapter 4.3): of the k cards with
 * the highest score of a day (a card's score is its highest) the share that were defrauded on that day, averaged
 * over the days. A card found is removed from the days after. Days with fewer than k cards still divide by k. Of equal
 * scores the smaller card number comes first.
 */
export function cardPrecision(rows: readonly CardRow[], k: number): number {
  invariant(Number.isInteger(k) && k > 0, "metrics: k is a positive integer");
  const days = Map.groupBy(rows, ({ day }) => day);
  const found = new Set<number>();
  let sum = 0;
  for (const [, dayRows] of [...days].sort(([a], [b]) => a - b)) {
    const cards = new Map<number, { score: number; fraud: boolean }>();
    for (const { card, score, fraud } of dayRows) {
      if (found.has(card)) continue;
      const seen = cards.get(card);
      cards.set(card, { score: Math.max(score, seen?.score ?? score), fraud: fraud || seen?.fraud === true });
    }
    const top = [...cards].sort(([a, first], [b, second]) => second.score - first.score || a - b).slice(0, k);
    const detected = top.filter(([, { fraud }]) => fraud);
    for (const [card] of detected) found.add(card);
    sum += detected.length / k;
  }
  return days.size === 0 ? 0 : sum / days.size;
}
