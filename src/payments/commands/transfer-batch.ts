import type { Asked, Executed, IdempotencyClaim, Need, Outcome, View } from "#commit/index.ts";
import { refused, workOn } from "#commit/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import { statusOf } from "#kernel/problem-body.ts";
import type { Refusal } from "#kernel/problems.ts";
import { problems, refuse } from "#kernel/problems.ts";
import { riskScoreOf } from "#risk/index.ts";
import type { AccountFacts } from "../account-facts.ts";
import type { Governance } from "../decide/judge.ts";
import type { PaymentDecision, PaymentRequest } from "../decide/payment.ts";
import { decidePayment } from "../decide/payment.ts";
import type { PaymentDeps } from "../deps.ts";
import { sealMetadata } from "#vault/index.ts";
import type { TransferBody } from "./payment.ts";
import { applyPayment, blocked, governanceOf, paymentNeeds, paymentState, transferRequest } from "./payment.ts";

export interface BatchBody {
  readonly mode: "independent" | "atomic";
  readonly transfers: readonly TransferBody[];
}

/** The most transfers of one batch; an atomic one must fit one DynamoDB transaction of 100 writes. */
export const MAX_ATOMIC = 10;

const PARAMS = { payer: "from_account_id", payee: "to_account_id" };

interface Item {
  readonly index: number;
  readonly request: PaymentRequest;
  readonly payer: AccountFacts | undefined;
  readonly payee: AccountFacts | undefined;
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
    return { ok: true, replayed: false, reply: refused(refusal, asked.actor.requestId).reply };
  }
  const items = await prepare(deps, asked, body.transfers);
  const governance = await governanceOf(deps, asked.actor.organisationId);
  if (atomic) return runChunk(deps, asked, asked.idempotency, items, (view, at) => decideAtomic(view, at, items, governance, asked));

  const size = deps.store.limits.batchChunk;
  const chunkAt = (start: number): Promise<Executed> => {
    const chunk = items.slice(start, start + size);
    // Bound to the body, so that a later chunk never outlives the claim of the first one under another body.
    const claim = asked.idempotency && {
      ...asked.idempotency,
      id: start === 0 ? asked.idempotency.id : laterClaim(asked.idempotency, start),
    };
    return runChunk(deps, asked, claim, chunk, (view, at) => decideIndependent(view, at, chunk, governance));
  };
  // The first chunk holds the claim on the key itself: where it is refused (another body, still running), none may run.
  const first = await chunkAt(0);
  if (!first.ok) return first;
  const rest: Promise<Executed>[] = [];
  for (let start = size; start < items.length; start += size) rest.push(chunkAt(start));
  return join([first, ...(await Promise.all(rest))]);
}

function laterClaim({ id, fingerprint }: IdempotencyClaim, start: number): string {
  return `${id}.${start}.${fingerprint.slice(0, 22)}`;
}

async function prepare(deps: PaymentDeps, asked: Asked, transfers: readonly TransferBody[]): Promise<Item[]> {
  const { organisationId } = asked.actor;
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
    items.push({ index, request, payer, payee });
  }
  return items;
}

function runChunk(
  deps: PaymentDeps,
  asked: Asked,
  idempotency: IdempotencyClaim | undefined,
  items: readonly Item[],
  decide: (view: View, at: number) => Outcome,
): Promise<Executed> {
  const needs: Need[] = items.flatMap(({ request, payer, payee }) => paymentNeeds(request, payer, payee));
  return deps.queue.execute({ actor: asked.actor, idempotency, needs, appends: 3 * items.length + 1, decide });
}

function decideIndependent(view: View, at: number, items: readonly Item[], governance: Governance): Outcome {
  const work = workOn(view);
  const results: string[] = [];
  for (const { index, request, payer, payee } of items) {
    const decision = decidePayment(request, paymentState(work, request, payer, payee), governance, at, PARAMS);
    if (decision.ok) applyPayment(work, decision);
    results.push(JSON.stringify(decision.ok ? resultOf(index, decision) : refusalOf(index, decision)));
  }
  return work.outcome({ status: 200, body: results.join(",") });
}

function decideAtomic(view: View, at: number, items: readonly Item[], governance: Governance, asked: Asked): Outcome {
  const work = workOn(view);
  const results: JsonObject[] = [];
  for (const { index, request, payer, payee } of items) {
    const decision = decidePayment(request, paymentState(work, request, payer, payee), governance, at, PARAMS);
    // All or none cannot wait for a reviewer, nor leave one out: a suspicious transfer refuses the batch, of which nothing is kept.
    const refusal = decision.ok ? (decision.outcome === "posted" ? undefined : refuse("risk_declined")) : decision;
    if (refusal !== undefined || !decision.ok) {
      const within = `transfers.${index}`;
      const param = refusal?.param === undefined ? within : `${within}.${refusal.param}`;
      return refused({ ...(refusal ?? refuse("internal_error")), param }, asked.actor.requestId);
    }
    applyPayment(work, decision);
    results.push(resultOf(index, decision));
  }
  return work.outcome({ status: 201, body: bodyOf("atomic", results.map((result) => JSON.stringify(result)).join(",")) });
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

/**
 * One answer of all chunks. When a chunk could not be answered, neither can the batch: repeating it finishes the
 * rest. Other chunks were done by then, so the answer must not be one of those that say nothing was.
 */
function join(chunks: readonly Executed[]): Executed {
  const bodies: string[] = [];
  let replayed = true;
  for (const chunk of chunks) {
    if (!chunk.ok) return chunk.code === "idempotency_key_in_use" ? chunk : { ok: false, code: "outcome_unknown" };
    bodies.push(chunk.reply.body);
    replayed &&= chunk.replayed;
  }
  return { ok: true, replayed, reply: { status: 200, body: bodyOf("independent", bodies.join(",")) } };
}
