import type { CommitChecker } from "./commit-check.ts";
import { mismatch } from "./journal.ts";
import type { Model } from "./model.ts";
import type { Answer } from "./node.ts";
import { type Command, describe } from "./operations.ts";
import { judge } from "./rules.ts";
import { compareShown } from "./shown.ts";

/** After these the client does not know, or knows that nothing was done: it asks again under the same key. */
const DOUBTFUL = new Set(["outcome_unknown", "store_unavailable", "contention", "idempotency_key_in_use", "overloaded"]);
/** These say "nothing was done". */
const DENIALS = new Set(["store_unavailable", "contention", "overloaded"]);

export interface AnswerChecker {
  /** @returns whether the command is settled by this answer; after a doubtful one it is repeated */
  check(command: Command, answer: Answer): boolean;
  /** Fails when a request that was told that nothing was done did something after all. */
  checkDenials(): void;
}

export function createAnswerChecker(model: Model, commits: CommitChecker): AnswerChecker {
  const denied = new Map<string, string>();

  function check(command: Command, answer: Answer): boolean {
    const told = JSON.parse(answer.body) as Record<string, unknown>;
    const code = answer.status >= 400 ? String(told.code) : undefined;
    if (answer.status === 500 || (code !== undefined && told.status !== answer.status))
      mismatch(`broken answer ${answer.status} ${code} to ${describe(command)}`, undefined, told);
    if (code !== undefined && DOUBTFUL.has(code)) {
      commits.count(`doubtful answer ${code}`);
      if (DENIALS.has(code)) {
        denied.set(answer.requestId, `${code} to ${describe(command)}`);
        checkDenial(answer.requestId);
      }
      return false;
    }
    if (command.key === undefined) checkUnkeyed(command, answer, told, code);
    else checkKeyed(command, answer, code);
    return true;
  }

  function checkDenial(requestId: string): void {
    const denial = denied.get(requestId);
    if (denial !== undefined && commits.requestIds.has(requestId)) mismatch(`answered that nothing was done, but something was: ${denial}`);
  }

  function checkKeyed(command: Command, answer: Answer, code: string | undefined): void {
    if (code === "idempotency_key_reused") {
      if (!commits.keptOther(command)) mismatch(`refused as reused although nobody else used the key: ${describe(command)}`);
      commits.count("idempotency key reused");
      return;
    }
    if (answer.replayed) commits.count("replayed answer");
    const kept = commits.kept(command);
    const first = kept[0];
    if (first === undefined) mismatch(`answered without anything being kept: ${describe(command)}`, undefined, answer);
    const { operation } = command;
    if (operation.op === "batch" && operation.body.mode === "independent") {
      const body = `{"object":"transfer_batch","mode":"independent","results":[${kept.map((reply) => reply.body).join(",")}]}`;
      const results = (JSON.parse(body) as { results: unknown[] }).results.length;
      if (results !== operation.body.transfers.length)
        mismatch(`answered before everything was done: ${describe(command)}`, operation.body.transfers.length, results);
      if (answer.body !== body || answer.status !== 200) mismatch(`not the kept bytes: ${describe(command)}`, body, answer);
      return;
    }
    if (answer.body !== first.body || answer.status !== first.status) mismatch(`not the kept bytes: ${describe(command)}`, first, answer);
    // A kept refusal names the request that was refused: only that request's own answer is no replay.
    if (code === undefined) return;
    const own = (JSON.parse(first.body) as { request_id?: string }).request_id === answer.requestId;
    if (own === answer.replayed) mismatch(`Idempotent-Replayed is ${answer.replayed}: ${describe(command)}`);
  }

  function checkUnkeyed(command: Command, answer: Answer, told: Record<string, unknown>, code: string | undefined): void {
    const { operation, tenant } = command;
    if (operation.op === "batch") return;
    if (code === undefined) {
      const expected = commits.unkeyed.get(answer.requestId);
      if (expected === undefined) mismatch(`answered as done, but nothing was: ${describe(command)}`, undefined, told);
      compareShown(`the answer to ${describe(command)}`, expected, told);
      if (operation.op === "patch" && operation.ifVersion !== undefined && told.version !== operation.ifVersion + 1)
        mismatch(`If-Match did not hold: ${describe(command)}`, operation.ifVersion + 1, told.version);
      return;
    }
    const states = [model.now];
    for (let commit = commits.commits; commit >= answer.since; commit--) states.push(model.at(commit));
    const verdicts = states.flatMap((view) => answer.times.map((at) => judge(view, tenant.id, operation, at)));
    if (!verdicts.some(({ due, allowed }) => due.has(code) || allowed.has(code)))
      mismatch(
        `refused as ${code} without reason: ${describe(command)}`,
        verdicts.map(({ due }) => [...due]),
        told,
      );
    commits.count(`${operation.op} refused ${code}`);
    if (commits.requestIds.has(answer.requestId)) mismatch(`refused, but something was done: ${describe(command)}`);
  }

  return {
    check,
    checkDenials() {
      for (const requestId of denied.keys()) checkDenial(requestId);
    },
  };
}
