import { performPayment } from "./effects.ts";
import { mismatch } from "./journal.ts";
import type { Model, ModelView } from "./model.ts";
import { type Command, describe, type TransferBody } from "./operations.ts";
import { judgePayment, shownVerdict, type Verdict } from "./rules.ts";
import type { Scene } from "./scene.ts";

/** What judging a batch needs of the commit checker. */
export interface BatchContext {
  readonly model: Model;
  /** The verdicts over every state a refusal of the command may rest on. */
  readonly window: (command: Command, ask: (view: ModelView) => Verdict) => Verdict[];
  readonly count: (what: string) => void;
}

/** One chunk of an independent batch: every transfer on its own, each over what the ones before it left. */
export function followIndependent(
  ctx: BatchContext,
  scene: Scene,
  command: Command,
  transfers: readonly TransferBody[],
  body: string,
  start: number,
): void {
  const results = JSON.parse(`[${body}]`) as Record<string, unknown>[];
  if (results.length === 0) mismatch("a chunk of a batch without results");
  for (const [n, result] of results.entries()) {
    const index = start + n;
    const asked = transfers[index];
    if (asked === undefined || result.index !== index) mismatch("a batch's results are out of order", index, result.index);
    const status = Number(result.status);
    const now = judgePayment(ctx.model.now, scene.tenant, "transfer", asked, scene.at);
    ctx.count(`batched transfer ${status < 300 ? "accepted" : `refused ${String(result.code)}`}`);
    if (status < 300) {
      if (now.due.size > 0) mismatch(`accepted, but transfer ${index} of the batch had to be refused`, [...now.due], result);
      performTransfer(ctx.model, scene, asked, result);
      if (result.transaction_status !== (status === 201 ? "posted" : "pending_review"))
        mismatch("a batch's result contradicts itself", undefined, result);
      continue;
    }
    const code = String(result.code);
    const verdicts = [now, ...ctx.window(command, (view) => judgePayment(view, scene.tenant, "transfer", asked, scene.at))];
    if (!verdicts.some((v) => v.due.has(code) || v.allowed.has(code)))
      mismatch(`transfer ${index} of a batch was refused as ${code} without reason`, verdicts.map(shownVerdict), result);
  }
}

/** An atomic batch: all of it, or a refusal that one transfer is the reason of. */
export function followAtomic(
  ctx: BatchContext,
  scene: Scene,
  command: Command,
  transfers: readonly TransferBody[],
  status: number,
  body: string,
): void {
  const told = JSON.parse(body) as { results?: Record<string, unknown>[]; code?: string; param?: string };
  ctx.count(`atomic batch ${status < 300 ? "accepted" : `refused ${told.code}`}`);
  if (status >= 300) {
    const index = Number(/^transfers\.(\d+)/.exec(told.param ?? "")?.[1] ?? Number.NaN);
    const asked = transfers[index];
    if (asked === undefined) mismatch(`an atomic batch was refused for no transfer: ${describe(command)}`, undefined, told);
    // What the transfers before it would have done is not repeated here: it makes any shortage of funds possible.
    const code = told.code ?? "";
    if (code === "risk_declined" || (index > 0 && (code === "insufficient_funds" || code === "balance_overflow"))) return;
    const verdicts = ctx.window(command, (view) => judgePayment(view, scene.tenant, "transfer", asked, scene.at));
    if (!verdicts.some((v) => v.due.has(code) || v.allowed.has(code)))
      mismatch(`an atomic batch was refused as ${code} without reason: ${describe(command)}`, verdicts.map(shownVerdict), told);
    return;
  }
  if (told.results?.length !== transfers.length) mismatch("an atomic batch did not do everything", transfers.length, told.results?.length);
  for (const [index, asked] of transfers.entries()) {
    const { due } = judgePayment(ctx.model.now, scene.tenant, "transfer", asked, scene.at);
    if (due.size > 0) mismatch(`accepted, but transfer ${index} had to be refused: ${describe(command)}`, [...due], told);
    const result = told.results[index] ?? {};
    if (result.review_id !== null || result.status !== 201) mismatch("an atomic batch waits for a review", undefined, result);
    performTransfer(ctx.model, scene, asked, result);
  }
}

function performTransfer(model: Model, scene: Scene, asked: TransferBody, result: Record<string, unknown>): void {
  const payer = model.now.account(asked.from_account_id);
  const payee = model.now.account(asked.to_account_id);
  if (payer === undefined || payee === undefined) mismatch("a batch moved money between unknown accounts", undefined, result);
  const review = result.review_id === null ? null : String(result.review_id);
  performPayment(scene, "transfer", asked, payer, payee, { id: String(result.transaction_id), review, riskScore: result.risk_score });
}
