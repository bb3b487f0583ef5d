import type { Actor, EventDraft } from "#audit/index.ts";
import { personOf } from "#audit/index.ts";
import type { Asked, Executed, Working } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import type { ReviewTerms } from "#identity/index.ts";
import { organisations, reviewTermsOf } from "#identity/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { EventId, ReviewId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import { refuse } from "#kernel/problems.ts";
import type { Changed } from "../decide/review-work.ts";
import { assign, countNote, unassign } from "../decide/review-work.ts";
import type { PaymentDeps } from "../deps.ts";
import { presentReview } from "../present-review.ts";
import type { Review } from "../review.ts";
import { reviews, workOf } from "../review.ts";
import type { ReviewNote } from "../review-note.ts";
import { presentNote, reviewNotes, sealNote } from "../review-note.ts";

/** POST /v1/reviews/{id}/assign: to somebody named, or to the caller. */
export function assignReview(deps: PaymentDeps, asked: Asked, id: ReviewId, assignee: string | undefined): Promise<Executed> {
  const by = personOf(asked.actor);
  const to = assignee ?? by;
  invariant(to !== null, "whoever assigns is somebody");
  return changeReview(deps, asked, id, {
    status: 200,
    change: (review, terms, at) => assign(review, to, by, terms, at),
    event: (before, eventId) => ({ ...eventOf(before, eventId, "review.assigned"), details: { assigned_to: to } }),
  });
}

/** POST /v1/reviews/{id}/unassign. */
export function unassignReview(deps: PaymentDeps, asked: Asked, id: ReviewId): Promise<Executed> {
  return changeReview(deps, asked, id, {
    status: 200,
    change: unassign,
    event: (before, eventId) => {
      const assigned_to = workOf(before).assignment?.to ?? null;
      return { ...eventOf(before, eventId, "review.unassigned"), details: { assigned_to } };
    },
  });
}

/** POST /v1/reviews/{id}/notes. */
export async function addNote(deps: PaymentDeps, asked: Asked, id: ReviewId, text: string): Promise<Executed> {
  const note = await draftNote(deps, asked.actor, id, text);
  return changeReview(deps, asked, id, {
    status: 201,
    privateReply: true,
    change: countNote,
    event: (before, eventId) => eventOf(before, eventId, "review.noted"),
    also(work, at) {
      const written = note(at);
      work.put(reviewNotes, written);
      return presentNote(written, text);
    },
  });
}

/** Seals a note; what is left open is when it is written, which the decision tells. */
export async function draftNote(
  { vault, ids }: Pick<PaymentDeps, "vault" | "ids">,
  actor: Actor,
  reviewId: ReviewId,
  text: string,
): Promise<(at: number) => ReviewNote> {
  const { organisationId } = actor;
  const id = ids.next("reviewNote");
  const sealed = sealNote(vault, await vault.dataKey(organisationId), id, text);
  return (at) => ({ id, reviewId, organisationId, text: sealed, author: personOf(actor), createdAt: at, version: 1 });
}

interface ReviewChange {
  readonly status: number;
  readonly privateReply?: boolean;
  change(review: Review, terms: ReviewTerms, at: number): Changed;
  event(before: Review, eventId: EventId): EventDraft;
  /** Writes what belongs to the change, and gives the reply; the review itself where absent. */
  also?(work: Working, at: number): JsonObject;
}

/** One change of a review alone: no money is touched. */
function changeReview(deps: PaymentDeps, asked: Asked, id: ReviewId, what: ReviewChange): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const eventId = deps.ids.next("event");
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    privateReply: what.privateReply === true,
    needs: [
      { collection: reviews, key: { hash: id }, mode: "write" },
      { collection: organisations, key: { hash: organisationId }, mode: "read" },
    ],
    decide(view, at) {
      const work = workOn(view);
      const review = work.get(reviews, { hash: id });
      if (review === undefined || review.organisationId !== organisationId) return refused(refuse("not_found"), requestId);
      const terms = reviewTermsOf(work.get(organisations, { hash: organisationId }));
      const changed = what.change(review, terms, at);
      if (!changed.ok) return refused(changed, requestId);
      work.put(reviews, changed.review);
      work.tell(what.event(review, eventId));
      return work.outcome(replied(what.status, what.also?.(work, at) ?? presentReview(changed.review, terms, at)));
    },
  });
}

function eventOf({ id, transactionId }: Review, eventId: EventId, type: EventDraft["type"]): EventDraft {
  return { id: eventId, type, objectId: id, transactionId };
}
