import { TOTP } from "otpauth";
import type { Clock } from "#kernel/clock.ts";

const STEP_MS = 30_000;

/** The code that an authenticator app shows now, or some steps of 30 seconds later. */
export function currentCode(secret: string, clock: Pick<Clock, "now">, steps = 0): string {
  return new TOTP({ secret }).generate({ timestamp: clock.now() + steps * STEP_MS });
}
