import type { ReviewTerms } from "#identity/index.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Review } from "../review.ts";
import { isUndecided, workOf } from "../review.ts";
import { MAX_NOTES } from "../review-note.ts";
import { statusAt } from "../review-times.ts";

export type Changed = { readonly ok: true; readonly review: Review } | Refusal;

function closed(review: Review, terms: ReviewTerms, at: number): Refusal | undefined {
  if (!isUndecided(review.status)) return refuse("review_already_decided", undefined, `The review is ${review.status}.`);
  return statusAt(review, terms, at) === "expired" ? refuse("review_expired") : undefined;
}

/** Puts a review into somebody's hands. Whoever has it keeps it until it is released, so that two never work on the same. */
export function assign(review: Review, to: string, by: string | null, terms: ReviewTerms, at: number): Changed {
  const refusal = closed(review, terms, at);
  if (refusal !== undefined) return refusal;
  if (workOf(review).assignment !== null) return refuse("review_already_assigned");
  return { ok: true, review: { ...review, work: { ...workOf(review), assignment: { to, by, at } }, version: review.version + 1 } };
}

/** Takes a review out of the hands it is in. Any key that may assign may do so: people fall ill. */
export function unassign(review: Review, terms: ReviewTerms, at: number): Changed {
  const refusal = closed(review, terms, at);
  if (refusal !== undefined) return refusal;
  if (workOf(review).assignment === null) return refuse("review_not_assigned");
  return { ok: true, review: { ...review, work: { ...workOf(review), assignment: null }, version: review.version + 1 } };
}

/** Counts a note. Also decided reviews take notes: what comes out later belongs to them, too. */
export function countNote(review: Review): Changed {
  const { notes } = workOf(review);
  if (notes >= MAX_NOTES) return refuse("too_many_notes", "text", `There are ${MAX_NOTES} at most.`);
  return { ok: true, review: { ...review, work: { ...workOf(review), notes: notes + 1 }, version: review.version + 1 } };
}
