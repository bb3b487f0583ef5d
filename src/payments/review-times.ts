import type { ReviewTerms } from "#identity/index.ts";
import { earlierTermsSince } from "#identity/index.ts";
import type { Review, ReviewStatus } from "./review.ts";
import { isUndecided } from "./review.ts";

const HOUR_MS = 3_600_000;

type Opened = Pick<Review, "createdAt">;

/** When a review is to be decided, ms. Follows from the organisation's terms as they stand: a changed term moves open reviews. */
export function dueAt(review: Opened, terms: ReviewTerms): number {
  return review.createdAt + terms.dueHours * HOUR_MS;
}

/**
 * From this millisecond on an undecided review is expired. A changed term moves it, except for a review that had expired by then:
 * what its parties were told stays true.
 */
export function expiresAt(review: Opened, terms: ReviewTerms): number {
  for (const earlier of earlierTermsSince(terms, review.createdAt)) {
    const then = endUnder(review, earlier);
    if (then <= earlier.until) return then;
  }
  return endUnder(review, terms);
}

function endUnder(review: Opened, terms: ReviewTerms): number {
  return dueAt(review, terms) + terms.expiryHours * HOUR_MS;
}

/** The status at `at`: an undecided review is expired as soon as its time is over, whether or not that has been written down. */
export function statusAt(review: Pick<Review, "createdAt" | "status">, terms: ReviewTerms, at: number): ReviewStatus {
  return isUndecided(review.status) && at >= expiresAt(review, terms) ? "expired" : review.status;
}

/** Whether it waits for longer than it should. */
export function isOverdue(review: Pick<Review, "createdAt" | "status">, terms: ReviewTerms, at: number): boolean {
  return isUndecided(statusAt(review, terms, at)) && at >= dueAt(review, terms);
}

/** No review of any organisation expires sooner after it was opened, ms: both terms are an hour at least. */
export const SHORTEST_LIFE_MS = 2 * HOUR_MS;
