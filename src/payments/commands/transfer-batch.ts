import type { Asked, Command, Executed, IdempotencyClaim, Need, Outcome, View, Working } from "#commit/index.ts";
import { refuseAtOnce, refused, workOn } from "#commit/index.ts";
import type { ShownAuthentication } from "#authentications/index.ts";
import { shownNeed, useAuthentication, withApproved } from "#authentications/index.ts";
import type { AuthenticationId, UserId } from "#kernel/ids.ts";
import { invariant } from "#kernel/assert.ts";
import type { JsonObject } from "#kernel/json.ts";
import { statusOf } from "#kernel/problem-body.ts";
import type { Refusal } from "#kernel/problems.ts";
import { problems, refuse } from "#kernel/problems.ts";
import { mayInitiate } from "#ledger/index.ts";
import { riskScoreOf } from "#risk/index.ts";
import type { AccountFacts } from "../account-facts.ts";
import type { PaymentDecision, PaymentRequest, PaymentState } from "../decide/payment.ts";
import type { PaymentDeps } from "../deps.ts";
import { sealMetadata } from "#vault/index.ts";
import type { ScaPlan, Together } from "../sca-plan.ts";
import { approvedPayment, planSca } from "../sca-plan.ts";
import type { PaymentCommand, PaymentGovernance, TransferBody } from "./payment.ts";
import { blocked, governanceOf, notPerformed, paymentNeeds, paymentState, perform, transferRequest } from "./payment.ts";

export interface BatchBody {
  readonly mode: "independent" | "atomic";
  /** Of an atomic batch: approves its total and its payees. */
  readonly authentication_id?: AuthenticationId;
  readonly transfers: readonly Omit<TransferBody, "authentication_id">[];
}

/** The most transfers of one batch; an atomic one must fit one DynamoDB transaction of 100 writes. */
export const MAX_ATOMIC = 10;

const PARAMS = { payer: "from_account_id", payee: "to_account_id" };

interface Item {
  readonly index: number;
  readonly request: PaymentRequest;
  readonly payer: AccountFacts | undefined;
  readonly payee: AccountFacts | undefined;
  readonly plan: ScaPlan | undefined;
}

/**
 * POST /v1/transfers/batch. `independent`: every transfer is decided on its own, in order, with a result
 * each. They are committed in chunks of the size the store takes best; each chunk keeps its own reply, so
 * that after a crash the repetition answers what was done and does the rest. `atomic`: all or none.
 */
export async function transferBatch(deps: PaymentDeps, asked: Asked, body: BatchBody): Promise<Executed> {
  const atomic = body.mode === "atomic";
  if (atomic && body.transfers.length > MAX_ATOMIC) {
    const refusal = refuse("invalid_request", "transfers", `An atomic batch takes at most ${MAX_ATOMIC} transfers.`);
    return refuseAtOnce(refusal, asked.actor.requestId);
  }
  const { authentication_id: authenticationId } = body;
  if (!atomic && authenticationId !== undefined) {
    const refusal = refuse("invalid_request", "authentication_id", "It approves a batch as a whole, so it goes with the mode atomic.");
    return refuseAtOnce(refusal, asked.actor.requestId);
  }
  const governance = await governanceOf(deps, asked.actor.organisationId);
  const items = await prepare(deps, asked, body, governance);
  if (atomic) {
    const shown = authenticationId === undefined ? undefined : await shownFor(deps, asked, authenticationId, items, body);
    return runChunk(deps, asked, asked.idempotency, items, (view, at) => decideAtomic(view, at, { items, shown }, governance, asked), {
      shown,
    });
  }

  const ours = chunkSize(deps.store.limits.batchChunk, body.transfers);
  /** Where the first chunk begins that could not be done. */
  let brokenAt = items.length;
  const broken = (start: number): void => {
    brokenAt = Math.min(brokenAt, start);
  };
  const chunkAt = async (start: number, size: number): Promise<Executed> => {
    const chunk = items.slice(start, start + size);
    // Bound to the body, so that a later chunk never outlives the claim of the first one under another body.
    const claim = asked.idempotency && {
      ...asked.idempotency,
      id: start === 0 ? asked.idempotency.id : laterClaim(asked.idempotency, start),
    };
    // The first one is answered before there are any others; where commits are in no order, those that share an account wait for each other.
    const after =
      deps.store.limits.ordered === true && asked.idempotency && start > size ? laterClaim(asked.idempotency, start - size) : undefined;
    const place = start === 0 ? { followers: APPENDS_OF_ONE * (items.length - chunk.length) } : ({ follows: true, after } as const);
    // What shares a record with a chunk before it is decided after that one has ended or, where it failed, again. It may need what that one
    // was to do, so it is then left to the repetition; what is kept of it already still goes before.
    const decide = (view: View, at: number): Outcome => {
      if (start > brokenAt) return refused(refuse("contention"), asked.actor.requestId);
      try {
        return decideIndependent(view, at, chunk, governance);
      } catch (error) {
        // The next chunk may be part of the same group, and is then decided at once.
        broken(start);
        throw error;
      }
    };
    try {
      const executed = await runChunk(deps, asked, claim, chunk, decide, place);
      const done = executed.ok && executed.reply.status === 200;
      if (!done) broken(start);
      return done || !executed.ok ? executed : { ok: false, code: "contention" };
    } catch (error) {
      broken(start);
      throw error;
    }
  };
  // The first chunk holds the claim on the key itself: where it is refused (another body, still running), none may run.
  const first = await chunkAt(0, ours);
  if (!first.ok) return first;
  // A batch goes on as it was begun, maybe by a release or on a store with other chunks. In chunks of ours, what is in the kept
  // reply of the first one already would be done once more, under claims that nobody has made.
  const size = first.replayed ? resultsIn(first) : ours;
  const rest: Promise<Executed>[] = [];
  for (let start = size; start < items.length; start += size) rest.push(chunkAt(start, size));
  const chunks = [first, ...(await Promise.all(rest))];
  for (const [n, chunk] of chunks.entries()) {
    // The first record may have run out before a later one that was kept under other chunks: no answer of too few or too many then.
    const whole = !chunk.ok || !chunk.replayed || resultsIn(chunk) === Math.min(size, items.length - n * size);
    invariant(whole, "a kept chunk of a batch does not answer the transfers that were asked for");
  }
  return join(chunks, { size, count: items.length, requestId: asked.actor.requestId, repeated: first.replayed });
}

/** The most writes of a transfer: itself, two accounts, profile, device, event, and one of review, action and counters. */
const WRITES_OF_ONE = 7;
/** Those of them that are new items: itself, its event, and one more. */
const APPENDS_OF_ONE = 3;

/** How many transfers go into one commit: fewer where any names a standing order, which is one more record to write. */
function chunkSize(most: number, transfers: BatchBody["transfers"]): number {
  const series = transfers.some(({ standing_order_id }) => standing_order_id !== undefined);
  return series ? Math.max(1, Math.floor((most * WRITES_OF_ONE) / (WRITES_OF_ONE + 1))) : most;
}

/** How many transfers the reply of a chunk answers. */
function resultsIn({ reply }: Executed & { readonly ok: true }): number {
  const { length } = JSON.parse(`[${reply.body}]`) as unknown[];
  invariant(length > 0, "the kept reply of a chunk answers no transfer");
  return length;
}

function laterClaim({ id, fingerprint }: IdempotencyClaim, start: number): string {
  return `${id}.${start}.${fingerprint.slice(0, 22)}`;
}

/** The authentication of a batch: it names every transfer in its place. */
function shownFor(
  deps: PaymentDeps,
  asked: Asked,
  id: AuthenticationId,
  items: readonly Item[],
  body: BatchBody,
): Promise<ShownAuthentication> {
  return withApproved(deps, {
    organisationId: asked.actor.organisationId,
    id,
    approval: {
      purpose: "batch",
      payments: items.map(({ request, index }) => approvedPayment(request, body.transfers[index]?.payee_name ?? null)),
    },
    eventId: deps.ids.next("event"),
  });
}

async function prepare(deps: PaymentDeps, asked: Asked, batch: BatchBody, governance: PaymentGovernance): Promise<Item[]> {
  const { organisationId } = asked.actor;
  const { transfers } = batch;
  const all: Together = { atomic: batch.mode === "atomic", authenticationId: batch.authentication_id, able: new Map() };
  const sealing = transfers.some(({ metadata }) => metadata !== undefined);
  const dataKey = sealing ? await deps.vault.dataKey(organisationId) : undefined;
  const parties = transfers.flatMap(({ from_account_id, to_account_id }) => [from_account_id, to_account_id]);
  const facts = await deps.facts.ofAll(organisationId, parties);
  const items: Item[] = [];
  for (const [index, body] of transfers.entries()) {
    const request = transferRequest(deps, organisationId, body, (id, metadata) =>
      dataKey === undefined ? {} : sealMetadata(deps.vault, dataKey, "smartfinance-transactions", id, metadata),
    );
    const payer = facts.get(body.from_account_id);
    const payee = facts.get(body.to_account_id);
    const planned = planSca(deps, request, body, payer, governance, all);
    items.push({ index, request, payer, payee, plan: planned === undefined ? undefined : await planned });
  }
  return items;
}

function runChunk(
  deps: PaymentDeps,
  asked: Asked,
  idempotency: IdempotencyClaim | undefined,
  items: readonly Item[],
  decide: (view: View, at: number) => Outcome,
  { shown, ...place }: Pick<Command, "followers" | "follows" | "after"> & { readonly shown?: ShownAuthentication | undefined },
): Promise<Executed> {
  const needs: Need[] = shown === undefined ? [] : [shownNeed(shown)];
  for (const { request, payer, payee, plan } of items) {
    needs.push(...paymentNeeds(request, payer, payee));
    if (plan !== undefined) needs.push(...plan.needs);
  }
  return deps.queue.execute({ actor: asked.actor, idempotency, needs, appends: APPENDS_OF_ONE * items.length + 1, decide, ...place });
}

function commandOf(work: Working, { request, payer, payee, plan }: Item, governance: PaymentGovernance): PaymentCommand {
  return { request, governance, params: PARAMS, plan, state: (): PaymentState => paymentState(work, request, payer, payee) };
}

function decideIndependent(view: View, at: number, items: readonly Item[], governance: PaymentGovernance): Outcome {
  const work = workOn(view);
  const results: string[] = [];
  for (const item of items) {
    const decision = perform(work, commandOf(work, item, governance), at);
    results.push(JSON.stringify(decision.ok ? resultOf(item.index, decision) : refusalOf(item.index, decision.refusal)));
  }
  return work.outcome({ status: 200, body: results.join(",") });
}

function decideAtomic(
  view: View,
  at: number,
  { items, shown }: { readonly items: readonly Item[]; readonly shown: ShownAuthentication | undefined },
  governance: PaymentGovernance,
  asked: Asked,
): Outcome {
  const { requestId } = asked.actor;
  const work = workOn(view);
  // What names nobody is no batch that anything could have been approved for: it is refused below, and voids nothing.
  const states = items.map(({ request, payer, payee }) => paymentState(work, request, payer, payee));
  const complete = states.every(({ payer, payee }) => payer !== undefined && payee !== undefined);
  // One person approves all of it, so that person has to be one who may start payments from every account.
  const mayApprove = (userId: UserId): boolean => states.every(({ payer }) => payer !== undefined && mayInitiate(payer, userId));
  const used = shown === undefined || !complete ? undefined : useAuthentication(work, shown, mayApprove, at);
  if (used?.ok === false) return notPerformed(work, used, requestId);
  const results: JsonObject[] = [];
  for (const item of items) {
    const decision = perform(work, commandOf(work, item, governance), at);
    const refusal = decision.ok ? refusalOfAll(decision) : decision.refusal;
    if (refusal !== undefined || !decision.ok) {
      const within = `transfers.${item.index}`;
      const param = refusal?.param === undefined ? within : `${within}.${refusal.param}`;
      return refused({ ...(refusal ?? refuse("internal_error")), param }, requestId);
    }
    results.push(resultOf(item.index, decision));
  }
  if (used !== undefined) used.consume(work, items[0]?.request.transactionId ?? "");
  return work.outcome({ status: 201, body: bodyOf("atomic", results.map((result) => JSON.stringify(result)).join(",")) });
}

/** All or none cannot wait, nor leave one out: a transfer that does not simply post refuses the batch, of which nothing is kept. */
function refusalOfAll({ outcome, action }: PaymentDecision): Refusal | undefined {
  if (outcome === "posted") return undefined;
  return refuse(action === undefined ? "risk_declined" : "authentication_required");
}

function resultOf(index: number, { transaction, outcome }: PaymentDecision): JsonObject {
  return {
    ...(outcome === "blocked" ? refusalOf(index, blocked(transaction.id)) : { index, status: outcome === "held" ? 202 : 201 }),
    transaction_id: transaction.id,
    transaction_status: transaction.status,
    risk_score: transaction.assessment === null ? null : riskScoreOf(transaction.assessment),
    review_id: transaction.reviewId,
  };
}

function refusalOf(index: number, refusal: Refusal): JsonObject {
  return {
    index,
    status: statusOf(refusal.code),
    code: refusal.code,
    title: problems[refusal.code].title,
    param: refusal.param,
    detail: refusal.detail,
  };
}

function bodyOf(mode: BatchBody["mode"], results: string): string {
  return `{"object":"transfer_batch","mode":"${mode}","results":[${results}]}`;
}

interface Shape {
  /** How many transfers a chunk has, and the batch. */
  readonly size: number;
  readonly count: number;
  readonly requestId: string | null;
  /** The first chunk was done before, so that any of the others may have been as well, or is being done. */
  readonly repeated: boolean;
}

/**
 * One answer of all chunks. When a chunk could not be answered, neither can the batch: repeating it finishes the
 * rest. Other chunks were done by then, so the answer must not be one of those that say nothing was; which were done it tells.
 */
function join(chunks: readonly Executed[], shape: Shape): Executed {
  const bodies: string[] = [];
  let replayed = true;
  for (const chunk of chunks) {
    if (!chunk.ok)
      return chunk.code === "idempotency_key_in_use"
        ? chunk
        : refuseAtOnce(refuse("outcome_unknown", undefined, knownOf(chunks, shape)), shape.requestId);
    bodies.push(chunk.reply.body);
    replayed &&= chunk.replayed;
  }
  return { ok: true, replayed, reply: { status: 200, body: bodyOf("independent", bodies.join(",")) } };
}

/** What is known of the transfers of a batch that could not be answered, by their places. */
function knownOf(chunks: readonly Executed[], { size, count, repeated }: Shape): string {
  const stretches: { readonly what: string; readonly from: number; to: number }[] = [];
  for (const [n, chunk] of chunks.entries()) {
    // Also where a repetition has found nothing kept of a chunk: the sending that began the batch may be at it still, on another node. So may
    // a repetition of this one be, hence no more is said than of this one.
    const doubtful = !chunk.ok && (repeated || chunk.code === "outcome_unknown");
    const what = chunk.ok ? "are decided" : doubtful ? "are in doubt" : "are not done by this request";
    const to = Math.min((n + 1) * size, count) - 1;
    const last = stretches.at(-1);
    if (last?.what === what) last.to = to;
    else stretches.push({ what, from: n * size, to });
  }
  return `Of the transfers ${stretches.map(({ what, from, to }) => `${from} to ${to} ${what}`).join(", ")}. A repetition finishes them.`;
}
