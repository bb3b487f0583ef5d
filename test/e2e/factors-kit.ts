import { TOTP } from "otpauth";
import type { MovableClock } from "#test/support/app.ts";

const STEP_MS = 30_000;
/** What the code may take to get where it is checked. */
const MARGIN_MS = 3_000;

/**
 * The code that an authenticator app shows now, or some steps of 30 seconds later. Towards the end of a step the clock goes on
 * to the next one, so that the code is still the one meant when it is checked.
 */
export function currentCode(secret: string, clock: MovableClock, steps = 0): string {
  const left = STEP_MS - (clock.now() % STEP_MS);
  if (left < MARGIN_MS) clock.advance(left);
  return new TOTP({ secret }).generate({ timestamp: clock.now() + steps * STEP_MS });
}
