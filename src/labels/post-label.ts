import { personOf } from "#audit/index.ts";
import type { Asked, CommitQueue, Executed, Need, Working } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import type { Ids, OrganisationId, TransactionId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import { transactionKey, transactions } from "#ledger/index.ts";
import type { Store } from "#storage/index.ts";
import { judged, MAX_JUDGEMENTS } from "./judge.ts";
import type { LabelSource, LabelValue } from "./label.ts";
import { labelIdOf, riskLabels } from "./label.ts";
import { presentLabel } from "./present.ts";

export interface LabelDeps {
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly ids: Ids;
  /** What a fraud that becomes known teaches in the same commit; `undefined` where there is nothing to teach. */
  readonly lessonOf: (organisationId: OrganisationId, id: TransactionId) => Promise<Lesson | undefined>;
}

/** Records a command loads and writes besides the label. */
export interface Lesson {
  readonly needs: readonly Need[];
  /** @param at when it became known, ms */
  teach(work: Working, at: number): void;
}

export interface LabelBody {
  readonly transaction_id: TransactionId;
  readonly label: LabelValue;
  readonly source: Exclude<LabelSource, "review">;
}

/** POST /v1/risk/labels: what came out about a transaction after it was decided. */
export async function postLabel(deps: LabelDeps, asked: Asked, body: LabelBody): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const person = personOf(asked.actor);
  const eventId = deps.ids.next("event");
  const transactionId = body.transaction_id;
  const labelId = labelIdOf(transactionId);
  const key = transactionKey(organisationId, transactionId);
  const lesson = body.label === "fraud" ? await deps.lessonOf(organisationId, transactionId) : undefined;
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    needs: [
      { collection: transactions, key, mode: "read" },
      { collection: riskLabels, key: { hash: labelId }, mode: "write" },
      ...(lesson?.needs ?? []),
    ],
    decide(view, at) {
      const work = workOn(view);
      const transaction = work.get(transactions, key);
      if (transaction === undefined) return refused(refuse("transaction_not_found", "transaction_id"), requestId);
      if (transaction.assessment === null) return refused(refuse("transaction_not_scored", "transaction_id"), requestId);
      const before = work.get(riskLabels, { hash: labelId });
      if (before !== undefined && before.superseded.length + 1 >= MAX_JUDGEMENTS)
        return refused(refuse("too_many_labels", "transaction_id", `There are ${MAX_JUDGEMENTS} at most.`), requestId);
      const { label, source } = body;
      const after = judged(before, { organisationId, transactionId }, { label, source, decidedAt: at, decidedBy: person });
      work.put(riskLabels, after);
      // Each transaction teaches once, however often it is judged.
      const known = before !== undefined && [before.current, ...before.superseded].some((judgement) => judgement.label === "fraud");
      if (!known) lesson?.teach(work, at);
      work.tell({
        id: eventId,
        type: "risk.labelled",
        objectId: labelId,
        transactionId,
        details: { label, source, before: before?.current.label ?? null },
      });
      return work.outcome(replied(201, presentLabel(after)));
    },
  });
}
