import { isDeepStrictEqual } from "node:util";
import { personOf } from "#audit/index.ts";
import type { Asked, CommitQueue, Executed } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import { organisations, reviewTermsOf } from "#identity/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { ReviewId } from "#kernel/ids.ts";
import { outageOf, refuse } from "#kernel/problems.ts";
import { judged, labelIdOf, riskLabels } from "#labels/index.ts";
import { accounts, transactionKey, transactions } from "#ledger/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { decideReview } from "../decide/review.ts";
import { countNote } from "../decide/review-work.ts";
import type { PaymentDeps } from "../deps.ts";
import { fraudLesson, isNewFraud } from "../learn-fraud.ts";
import { presentReview } from "../present-review.ts";
import { readReview, readReviewTerms } from "../read.ts";
import { reviews } from "../review.ts";
import type { ReviewNote } from "../review-note.ts";
import { reviewNotes } from "../review-note.ts";
import type { ReasonCode, Verdict } from "../review-reasons.ts";
import { isUndecided, workOf } from "../review.ts";
import { statusAt } from "../review-times.ts";
import { putAccounts } from "./payment.ts";
import { expire } from "./review-expiry.ts";
import { draftNote } from "./review-work.ts";

export interface DecisionBody {
  readonly reason_code?: ReasonCode;
  readonly note?: string;
}

/**
 * POST /v1/reviews/{id}/approve and /reject.
 * @param queue takes the verdict, and nothing else: a review whose time is over is given up on the usual one before
 */
export async function judgeReview(
  deps: PaymentDeps,
  asked: Asked,
  id: ReviewId,
  verdict: Verdict,
  body: DecisionBody,
  queue: CommitQueue = deps.queue,
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const eventId = deps.ids.next("event");
  // Read first because it tells the parties, which never change; everything else is judged on what the commit loads.
  const found = await readReview(deps.store, organisationId, id);
  if (found === undefined) {
    return queue.execute({ ...asked, needs: [], decide: () => refused(refuse("not_found"), requestId) });
  }
  if (isUndecided(found.status)) {
    // Whoever comes too late must not find the funds still held, so what the timer would do is done now.
    const terms = await readReviewTerms(deps.store, organisationId);
    if (statusAt(found, terms, deps.clock.now()) === "expired") await expire(deps, found);
  }
  let note: ((at: number) => ReviewNote) | undefined;
  try {
    note = body.note === undefined ? undefined : await draftNote(deps, asked.actor, id, body.note);
  } catch (error) {
    if (!(error instanceof StoreUnavailableError) || !(await isKept(deps, asked))) throw error;
    // A repetition needs no seal: its reply is kept, and whatever is decided here the commit meets that one.
    return queue.execute({ ...asked, needs: [], decide: () => refused(refuse(outageOf(error)), requestId) });
  }
  const { transactionId, fromAccountId, toAccountId } = found;
  const labelKey = { hash: labelIdOf(transactionId) };
  const first = verdict === "approve" ? workOf(found).firstApproval : null;
  const counts = first === null || first.by === null || (await deps.reviewers.wordCounts(organisationId, first));
  const decidedBy = personOf(asked.actor);
  const word = { apiKeyId: asked.actor.apiKeyId, epoch: verdict === "approve" ? await deps.reviewers.wordEpoch(asked.actor) : null };
  const wordIsVoid =
    verdict === "approve" &&
    decidedBy !== null &&
    !(await deps.reviewers.wordCounts(organisationId, { ...word, by: decidedBy, at: deps.clock.now() }));
  // What may turn out to be fraud is taught to the profiles in the same commit.
  const lesson = verdict === "reject" ? await fraudLesson(deps.facts, found) : undefined;
  return queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    needs: [
      { collection: reviews, key: { hash: id }, mode: "write" },
      { collection: transactions, key: transactionKey(organisationId, transactionId), mode: "write" },
      { collection: accounts, key: { hash: fromAccountId }, mode: "write" },
      { collection: accounts, key: { hash: toAccountId }, mode: "write" },
      { collection: riskLabels, key: labelKey, mode: "write" },
      { collection: organisations, key: { hash: organisationId }, mode: "read" },
      ...(lesson?.needs ?? []),
    ],
    decide(view, at) {
      const work = workOn(view);
      const review = work.get(reviews, { hash: id });
      const transaction = work.get(transactions, transactionKey(organisationId, transactionId));
      const payer = work.get(accounts, { hash: fromAccountId });
      const payee = work.get(accounts, { hash: toAccountId });
      invariant(review && transaction && payer && payee, "a stored review has its transaction and accounts");
      const terms = reviewTermsOf(work.get(organisations, { hash: organisationId }));
      const firstIsVoid = !counts && isDeepStrictEqual(workOf(review).firstApproval, first);
      const request = { verdict, reasonCode: body.reason_code, eventId, decidedBy, word, firstIsVoid, wordIsVoid };
      const decision = decideReview(request, { review, transaction, payer, payee, terms }, at);
      if (!decision.ok) return refused(decision, requestId);
      let decided = decision.review;
      if (note !== undefined) {
        const counted = countNote(decided);
        if (!counted.ok) return refused({ ...counted, param: "note" }, requestId);
        decided = { ...counted.review, version: decided.version };
        work.put(reviewNotes, note(at));
      }
      work.put(reviews, decided);
      if (decision.transaction !== undefined) work.put(transactions, decision.transaction);
      if (decision.payer !== undefined) putAccounts(work, decision.payer);
      if (decision.payee !== undefined) putAccounts(work, decision.payee);
      if (decision.judgement !== undefined) {
        const before = work.get(riskLabels, labelKey);
        if (decision.judgement.label === "fraud" && isNewFraud(before)) lesson?.teach(work, at);
        work.put(riskLabels, judged(before, { organisationId, transactionId }, decision.judgement));
      }
      work.tell(decision.event);
      return work.outcome(replied(200, presentReview(decided, terms, at)));
    },
  });
}

/** A kept reply that runs out within this time counts as gone: no request lasts as long, so what is kept is there when it is wanted. */
const RUNS_OUT_MS = 120_000;

async function isKept({ store, clock }: PaymentDeps, { idempotency }: Asked): Promise<boolean> {
  if (idempotency === undefined) return false;
  const kept = await store.get("smartfinance-idempotency", { hash: idempotency.id });
  return kept !== undefined && Number(kept.expires_at) * 1000 > clock.now() + RUNS_OUT_MS;
}
