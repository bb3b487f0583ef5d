import type { Executed } from "#commit/index.ts";
import { refused, replied } from "#commit/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Refusal } from "#kernel/problems.ts";

/** A refusal before anything was decided. */
export function answered(refusal: Refusal, requestId: string | null): Executed {
  return { ok: true, replayed: false, reply: refused(refusal, requestId).reply };
}

/** Whether a command did what it was asked. */
export function succeeded(executed: Executed): boolean {
  return executed.ok && executed.reply.status < 300;
}

/**
 * A success with what is shown in the place of the decision's own reply: decisions about operators answer without anything personal or
 * secret. No such reply is kept for an Idempotency-Key, so nothing is lost by it.
 */
export function shown(executed: Executed, status: number, object: JsonObject): Executed {
  return executed.ok ? { ...executed, reply: replied(status, object) } : executed;
}
