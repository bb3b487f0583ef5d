import { invariant } from "#kernel/assert.ts";
import type { LabelledPayment } from "#features/index.ts";
import { createDice } from "./dice.ts";
import { beginFrauds, createCampaigns, type Draft, type FraudPattern, habitual, underCampaigns } from "./patterns.ts";
import { createWorld } from "./world.ts";

export interface SimulationOptions {
  /** The same seed and options give the same payments. */
  readonly seed: number;
  readonly customers: number;
  readonly payees: number;
  readonly days: number;
  /** The first midnight (UTC), in ms. */
  readonly startAt: number;
  /** How much fraud there is, against the usual (about one payment in a hundred): 1 unless told. */
  readonly fraudRate?: number;
}

/** A payment with its truth. */
export interface SimulatedPayment extends LabelledPayment {
  /** 0, 1, 2 … in time order. */
  readonly id: number;
  readonly fraud: FraudPattern | undefined;
}

const DAY_MS = 86_400_000;
/** A label arrives after two days at least, nine on average, sixty at most; one fraud in twenty is never reported. */
const LABEL_DAYS_MIN = 2;
const LABEL_DAYS_MEAN = 7;
const LABEL_DAYS_MAX = 60;
const UNREPORTED = 0.05;

/**
 * Payments of an invented population in time order, with their truth and the labels they will get. Deterministic. Made day by
 * day, so that any number of days takes the memory of one.
 * @throws InvariantError when there is nobody to pay or to be paid.
 */
export function* simulateFraud(options: SimulationOptions): Generator<SimulatedPayment> {
  const { customers, payees, days, startAt, fraudRate = 1 } = options;
  invariant(customers > 0 && payees > 0 && days >= 0 && startAt >= 0 && fraudRate >= 0, "fraud simulator: impossible options");
  const dice = createDice(options.seed);
  const world = createWorld(dice, customers, payees, startAt);
  const campaigns = createCampaigns();
  let id = 0;
  // Bursts that begin before midnight end after it.
  let late: Draft[] = [];
  for (let day = 0; day < days; day++) {
    const midnight = startAt + day * DAY_MS;
    const drafts = [...late, ...beginFrauds(dice, world, campaigns, day, midnight, fraudRate)];
    for (const customer of world.customers) {
      customer.available += customer.incomePerDay;
      for (let n = dice.poisson(customer.paymentsPerDay); n > 0; n--) {
        drafts.push(underCampaigns(dice, habitual(dice, customer, midnight), campaigns, day));
      }
    }
    drafts.sort((a, b) => a.payment.at - b.payment.at);
    late = drafts.filter(({ payment }) => payment.at >= midnight + DAY_MS);
    for (const { payment, fraud, customer } of drafts.slice(0, drafts.length - late.length)) {
      const available = Math.max(Math.floor(customer.available), payment.amount);
      customer.available = available - payment.amount;
      const reported = fraud !== undefined && !dice.chance(UNREPORTED);
      const waits = reported ? Math.min(LABEL_DAYS_MIN + dice.exponential(LABEL_DAYS_MEAN), LABEL_DAYS_MAX) : 0;
      const { payer, payee, device, at } = payment;
      const label = reported ? { payer, payee, ...(device !== undefined && { device }), at: at + Math.floor(waits * DAY_MS) } : undefined;
      yield { id: id++, payment: { ...payment, available }, fraud, label };
    }
  }
}
