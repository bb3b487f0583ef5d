import fc from "fast-check";
import { keyOf } from "./keys.ts";
import type { FeaturePayment, FraudLabel, Outcome } from "./payment.ts";
import { createFeatureStream, type FeatureStream } from "./stream.ts";
import { FEATURES } from "./vector.ts";

/** One thing of a history, in the order in which it was learnt; times may go back. */
export type Entry =
  | { readonly kind: "payment"; readonly payment: FeaturePayment; readonly outcome: Outcome }
  | { readonly kind: "label"; readonly label: FraudLabel };

export const START = Date.UTC(2026, 0, 5, 9);
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** A payment at `START`, with everything told. */
export function paymentWith(changes: Partial<FeaturePayment> = {}): FeaturePayment {
  return {
    payer: "payer",
    payee: "payee",
    amount: 5000,
    at: START,
    device: "phone",
    ip: "10.1.2.3",
    latitude: 52.5,
    longitude: 13.4,
    country: "DE",
    openedAt: START - 100 * DAY,
    available: 100_000,
    ...changes,
  };
}

const FEATURE_INDEX = new Map(FEATURES.map((feature, i) => [feature.name, i]));

/** The value of a feature in a vector. */
export function valueOf(vector: Float64Array, name: string): number {
  const i = FEATURE_INDEX.get(name);
  if (i === undefined) throw new RangeError(`there is no feature ${name}`);
  return vector[i] ?? Number.NaN;
}

/** A stream that has learnt `entries`. */
export function streamOf(entries: readonly Entry[]): FeatureStream {
  const stream = createFeatureStream();
  for (const entry of entries) {
    if (entry.kind === "payment") stream.next(entry.payment, entry.outcome);
    else stream.label(entry.label);
  }
  return stream;
}

const steps = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 5 * MINUTE }) },
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 3 * HOUR }) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 3 * DAY }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 40 * DAY }) },
  // Clocks of several nodes differ.
  { weight: 1, arbitrary: fc.integer({ min: -2 * HOUR, max: 0 }) },
);
const amounts = fc.oneof(fc.integer({ min: 1, max: 300_000 }), fc.constantFrom(1, 100, 5000, 20_000, 2 ** 40));
const spots = fc.constantFrom<Pick<FeaturePayment, "latitude" | "longitude" | "country">>(
  { latitude: 52.52, longitude: 13.4, country: "DE" },
  { latitude: 52.4, longitude: 13.1, country: "DE" },
  { latitude: 48.86, longitude: 2.35, country: "FR" },
  { latitude: -33.87, longitude: 151.21, country: "AU" },
  { latitude: 90, longitude: -180 },
  { country: "ES" },
  {},
);

const payments = fc
  .record({
    payer: fc.constantFrom("ann", "bob", "cy"),
    payee: fc.integer({ min: 0, max: 11 }).map((n) => `shop ${n}`),
    amount: amounts,
    device: fc.option(
      fc.integer({ min: 0, max: 7 }).map((n) => `device ${n}`),
      { nil: undefined },
    ),
    ip: fc.option(
      fc.integer({ min: 0, max: 6 }).map((n) => `10.0.${n}.${n + 1}`),
      { nil: undefined },
    ),
    spot: spots,
    account: fc.constantFrom<Pick<FeaturePayment, "openedAt" | "available">>(
      {},
      { openedAt: START - DAY, available: 200_000 },
      { available: 0 },
    ),
  })
  .map(
    ({ spot, account, device, ip, ...rest }): Omit<FeaturePayment, "at"> => ({
      ...rest,
      ...spot,
      ...account,
      ...(device !== undefined && { device }),
      ...(ip !== undefined && { ip }),
    }),
  );

/** Histories of a few payers, payees and devices that keep meeting, with held payments, labels and clocks that go back. */
export const histories = (maxLength: number): fc.Arbitrary<readonly Entry[]> =>
  fc
    .array(fc.record({ step: steps, payment: payments, fate: fc.constantFrom("posted", "posted", "posted", "held", "label") }), {
      maxLength,
      size: "max",
    })
    .map((draws) => {
      let at = START;
      return draws.map(({ step, payment, fate }): Entry => {
        at += step;
        if (fate === "posted" || fate === "held") return { kind: "payment", payment: { ...payment, at }, outcome: fate };
        const { payer, payee, device } = payment;
        return { kind: "label", label: { payer, payee, ...(device !== undefined && { device }), at } };
      });
    });

/** The bit that stands for a payer among a payee's distinct payers. */
export function bitOf(payer: string): number {
  const key = keyOf(payer);
  return (Number(BigInt(key) & 63n) ^ Number((BigInt(key) >> 30n) & 63n)) & 63;
}
