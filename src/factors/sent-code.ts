import type { Random } from "#kernel/random.ts";
import type { FactorSet, SentCodeFactor } from "./factor-set.ts";

export const CODE_DIGITS = 6;
/** How long a code is good, ms. */
export const CODE_LIFE_MS = 10 * 60_000;
/** Wrong codes that one sent code survives, less one. */
export const CODE_TRIES = 5;
/** The least time between two codes to one address, ms. */
export const RESEND_AFTER_MS = 30_000;
const DAY_MS = 86_400_000;
/** Codes to one address within a day. */
export const CODES_PER_DAY = 10;
/** Codes to one person within a day, whatever the addresses: an enrolment that is begun anew has an address of its own each time. */
export const CODES_PER_DAY_IN_ALL = 20;
/** The largest multiple of 10^6 that four bytes hold: numbers above would make some codes likelier. */
const EVEN = Math.floor(2 ** 32 / 10 ** CODE_DIGITS) * 10 ** CODE_DIGITS;
/** Draws that are uneven one after the other happen once in 10^36. */
const MAX_DRAWS = 12;

/** A code of six digits, each as likely as any other. */
export function mintCode(random: Random): string {
  let number = 0;
  for (let draw = 0; draw < MAX_DRAWS; draw++) {
    const [a = 0, b = 0, c = 0, d = 0] = random.bytes(4);
    number = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
    if (number < EVEN) break;
  }
  return String(number % 10 ** CODE_DIGITS).padStart(CODE_DIGITS, "0");
}

const since = (times: readonly number[], at: number): readonly number[] => times.filter((time) => time > at - DAY_MS);

/**
 * When another code may be sent, ms; `at` or before when it may be now.
 * @param factor the address it would go to, where that is known already
 */
export function nextCodeAt({ codesSentAt }: FactorSet, factor: SentCodeFactor | undefined, at: number): number {
  const inAll = since(codesSentAt, at);
  const [first] = inAll;
  const full = first !== undefined && inAll.length >= CODES_PER_DAY_IN_ALL ? first + DAY_MS : at;
  return Math.max(full, factor === undefined ? at : nextToAddress(factor, at));
}

/** When codes were sent to a person, with another one at `at` (ms). */
export function withCodeSent({ codesSentAt }: FactorSet, at: number): readonly number[] {
  return [...since(codesSentAt, at), at];
}

function nextToAddress({ sent_at }: SentCodeFactor, at: number): number {
  const lately = since(sent_at, at);
  const [oldest] = lately;
  const last = lately.at(-1);
  if (oldest === undefined || last === undefined) return at;
  return lately.length >= CODES_PER_DAY ? Math.max(oldest + DAY_MS, last + RESEND_AFTER_MS) : last + RESEND_AFTER_MS;
}

/** The factor after a code was sent at `at` (ms). The code before is void. */
export function afterSending(factor: SentCodeFactor, hash: string, at: number): SentCodeFactor {
  return {
    ...factor,
    sent: { hash, expires_at: at + CODE_LIFE_MS, tries_left: CODE_TRIES },
    sent_at: [...since(factor.sent_at, at), at],
  };
}

/** The factor after a wrong code was typed. */
export function afterWrongCode(factor: SentCodeFactor): SentCodeFactor {
  const { sent } = factor;
  if (sent === null) return factor;
  return { ...factor, sent: sent.tries_left <= 1 ? null : { ...sent, tries_left: sent.tries_left - 1 } };
}
