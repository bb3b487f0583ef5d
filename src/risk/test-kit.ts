import fc from "fast-check";
import type { Currency, Minor } from "#kernel/money.ts";
import { type Assessed, type AssessInput, assess } from "./assess.ts";
import type { RiskContext } from "./context.ts";
import type { RiskProfile } from "./profile.ts";

/** What the tests of this room share: a customer, and histories to give the customer. */
export const OWNER = "usr_01J0000000000000000000000A";
export const PAYEE = "acc_01J0000000000000000000000B";
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
/** A Monday at noon, UTC. */
export const START = Date.UTC(2026, 0, 5, 12);

export const berlin: RiskContext = {
  device_id: "device-1",
  ip: "192.0.2.1",
  latitude: 52.52,
  longitude: 13.405,
  country: "DE",
  user_agent: "Mozilla/5.0 Firefox/140.0",
};
/** Another device, 9,900 km away. */
export const saoPaulo: RiskContext = {
  device_id: "device-2",
  latitude: -23.55,
  longitude: -46.633,
  country: "BR",
  user_agent: "curl/8.0",
};

export const eur = (minor: number | bigint): Minor => BigInt(minor) as Minor;

/** A payment of 25.00 EUR from Berlin unless said otherwise. */
export function pay(profile: RiskProfile | undefined, at: number, changes: Partial<AssessInput> = {}): Assessed {
  return assess({
    profile,
    ownerId: OWNER,
    amount: eur(2500),
    currency: "EUR" as Currency,
    payeeAccountId: PAYEE,
    context: berlin,
    at,
    ...changes,
  });
}

/** One everyday payment a day, the last one at `START`. */
export function customer(days: number, changes: Partial<AssessInput> = {}): RiskProfile {
  let profile = pay(undefined, START - (days - 1) * DAY, changes).profile;
  for (let day = days - 2; day >= 0; day--) profile = pay(profile, START - day * DAY, changes).profile;
  return profile;
}

const text = (good: string): fc.Arbitrary<string> =>
  fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 0, max: 30 }).map((n) => `${good}-${n}`) }, { weight: 1, arbitrary: fc.string() });
const degrees = (limit: number): fc.Arbitrary<number> =>
  fc.oneof({ weight: 5, arbitrary: fc.double({ min: -limit, max: limit, noNaN: true }) }, { weight: 1, arbitrary: fc.double() });

/** Any context, also a malformed one that no schema has seen. */
export const anyContext: fc.Arbitrary<RiskContext> = fc.record(
  {
    device_id: text("device"),
    ip: fc.ipV4(),
    latitude: degrees(90),
    longitude: degrees(180),
    country: fc.oneof(fc.constantFrom("DE", "FR", "US", "BR", "JP", "IN", "ZA"), fc.string({ maxLength: 3 })),
    user_agent: text("agent"),
  },
  { requiredKeys: [] },
);

export const anyPayment = fc.record({
  amount: fc.oneof(fc.bigInt({ min: 1n, max: 100_000n }), fc.bigInt({ min: 1n, max: 9007199254740991n })).map(eur),
  currency: fc.constantFrom(...["EUR", "JPY", "KWD", "USD", "GBP", "IDR"].map((code) => code as Currency)),
  payeeAccountId: fc.integer({ min: 0, max: 40 }).map((n) => `acc_${n}`),
  context: anyContext,
  /** How long after the payment before; below zero when a clock went back. */
  wait: fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 0, max: 5 * MINUTE }) },
    { weight: 3, arbitrary: fc.integer({ min: 0, max: 3 * DAY }) },
    { weight: 1, arbitrary: fc.integer({ min: -DAY, max: 0 }) },
  ),
});
export type AnyPayment = typeof anyPayment extends fc.Arbitrary<infer T> ? T : never;

/** A customer with any history, and the time of its last payment. */
export const anyHistory: fc.Arbitrary<{ readonly profile: RiskProfile | undefined; readonly at: number }> = fc
  .array(anyPayment, { maxLength: 60, size: "max" })
  .map((payments) => replay(payments).at(-1) ?? { profile: undefined, at: START });

/** The profile after each payment. */
export function replay(
  payments: readonly AnyPayment[],
): { readonly profile: RiskProfile; readonly at: number; readonly assessed: Assessed }[] {
  const steps: { profile: RiskProfile; at: number; assessed: Assessed }[] = [];
  let profile: RiskProfile | undefined;
  let at = START;
  for (const { wait, ...payment } of payments) {
    at += wait;
    const assessed = pay(profile, at, payment);
    ({ profile } = assessed);
    steps.push({ profile, at, assessed });
  }
  return steps;
}
