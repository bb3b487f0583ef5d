import type { BuiltEvent } from "#audit/index.ts";
import { InvariantError } from "#kernel/assert.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Store, Write } from "#storage/index.ts";
import type { Executed, Outcome } from "./command.ts";
import { IDEMPOTENCY_TABLE, judgeClaim } from "./idempotency.ts";
import type { KeptElsewhere } from "./idempotency.ts";
import type { Pending } from "./pending.ts";
import type { Loaded } from "./slot.ts";
import type { Assumed } from "./speculation.ts";
import { createUnit } from "./unit.ts";

export interface Answer {
  readonly pending: Pending;
  readonly executed: Executed;
  /** Nothing of it is among the writes, whatever becomes of them. */
  readonly passing?: true;
  /** Nor of this, though it rests on what the commands before it wrote: a refusal that is kept under no key. */
  readonly unwritten?: true;
  /** Where the body of a replay comes from, when it is not there yet. */
  readonly kept?: KeptElsewhere;
}

export interface DecidedGroup {
  readonly writes: readonly Write[];
  /** The records among them that others may be decided upon before the writes are durable. */
  readonly assumed: readonly Assumed[];
  readonly events: readonly BuiltEvent[];
  /** What each decided command is answered once the writes are durable. */
  readonly answers: readonly Answer[];
  /** Commands that did not fit into this commit, or are to be decided with a look at what is kept under their keys. */
  readonly deferred: Pending[];
}

type CommitLimits = Pick<Store["limits"], "writesPerCommit" | "commitBytes">;

/**
 * DECIDE: every command in its order over the state that the ones before it left. A command whose
 * decision throws is failed alone; the others are not touched by it.
 */
export function decideGroup(group: readonly Pending[], loaded: Loaded, limits: CommitLimits, at: number): DecidedGroup {
  const unit = createUnit(loaded);
  const answers: Answer[] = [];
  const deferred: Pending[] = [];
  let bytes = 0;
  for (const [index, pending] of group.entries()) {
    if (pending.settled) continue;
    const { command } = pending;
    if (command.idempotency !== undefined) {
      const claim = judgeClaim(unit.stored(IDEMPOTENCY_TABLE, { hash: command.idempotency.id }), command.idempotency, at);
      if (claim.kind === "reused") {
        answers.push({ pending, executed: { ok: false, code: "idempotency_key_reused" } });
        continue;
      }
      if (claim.kind === "sealed" || claim.kind === "shown") {
        answers.push({ pending, executed: { ok: true, reply: { status: claim.status, body: "" }, replayed: true }, kept: claim });
        continue;
      }
      if (claim.kind === "reply") {
        answers.push({ pending, executed: { ok: true, reply: claim.reply, replayed: true } });
        continue;
      }
    }
    let outcome: Outcome;
    let sealed: JsonObject | undefined;
    try {
      outcome = command.decide(unit.view, at);
      if (outcome.passing === true) {
        if (outcome.changes.length > 0 || outcome.events.length > 0) throw new InvariantError("a refusal of the moment changes nothing");
        // What may be kept under its key goes before it. Elsewhere the condition of the write finds that; here nothing is written.
        if (command.idempotency !== undefined && loaded.get(IDEMPOTENCY_TABLE, { hash: command.idempotency.id }) === undefined) {
          pending.attempts += 1;
          deferred.push(pending);
          continue;
        }
        answers.push({ pending, executed: { ok: true, reply: outcome.reply, replayed: false }, passing: true });
        continue;
      }
      // The exact cost is only reckoned near the limit: it asks for every record once more.
      const most = outcome.changes.length + outcome.events.length + 2;
      const cost = unit.size() + most <= limits.writesPerCommit ? most : unit.cost(command, outcome);
      const weight = limits.commitBytes === undefined ? 0 : unit.weight(command, outcome);
      const fits = unit.size() + cost <= limits.writesPerCommit && bytes + weight <= (limits.commitBytes ?? 0);
      if (!fits && unit.size() === 0) throw new InvariantError(`one command needs ${cost} writes and ${weight} bytes: no commit takes it`);
      if (!fits) {
        deferred.push(...group.slice(index));
        break;
      }
      // Its key may have been blocked since it was gotten.
      if (command.idempotency !== undefined && outcome.reply.shows === undefined) sealed = pending.seal?.(outcome.reply.body);
      bytes += weight;
    } catch (error) {
      pending.fail(error);
      continue;
    }
    // Outside the guard: what fails half-way through applying must fail the whole group, which is then not written.
    unit.apply(command, outcome, at, sealed);
    const unwritten = command.idempotency === undefined && outcome.changes.length === 0 && outcome.events.length === 0;
    const executed: Executed = { ok: true, reply: outcome.reply, replayed: false };
    answers.push(unwritten ? { pending, executed, unwritten } : { pending, executed });
  }
  return { ...unit.writes(), events: unit.events(), answers, deferred };
}
