import type { Executed } from "#commit/index.ts";
import { replied } from "#commit/index.ts";
import type { JsonObject } from "#kernel/json.ts";

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
