import type { FeaturePayment } from "#features/index.ts";
import type { Dice } from "./dice.ts";
import { abroad, address, type Customer, type Payee, type World } from "./world.ts";

/**
 * The frauds there are:
 * - `takeover`: a stranger in the customer's account, from a new device far away, empties it in a burst to mules.
 * - `leaked_card`: for two weeks a third of the customer's payments are a stranger's, of five times the amount.
 * - `compromised_payee`: for four weeks nearly all payments at one payee are fraud, and look like any other.
 * - `slow_mule`: many customers are talked into small payments to one mule, from their own devices.
 * - `large_outlier`: a customer is talked into one very large payment to a stranger.
 */
export const fraudPatterns = ["takeover", "leaked_card", "compromised_payee", "slow_mule", "large_outlier"] as const;
export type FraudPattern = (typeof fraudPatterns)[number];

/** A payment before it is given its number and its label. */
export interface Draft {
  readonly payment: FeaturePayment;
  readonly fraud: FraudPattern | undefined;
  /** Whose money it takes. */
  readonly customer: Customer;
}

/** What lasts: leaked cards and compromised payees until their day is over, mules until they are closed. */
export interface Campaigns {
  /** Last day (number) of the leak, by customer. */
  readonly leaked: Map<Customer, number>;
  readonly compromised: Map<string, number>;
  mules: { readonly id: string; readonly until: number }[];
}

const LEAK_DAYS = 14;
const COMPROMISE_DAYS = 28;
const MULE_DAYS = 20;
const COMPROMISED_SHARE = 0.85;
const LEAKED_SHARE = 1 / 3;
const HOUR_MS = 3_600_000;

export function createCampaigns(): Campaigns {
  return { leaked: new Map(), compromised: new Map(), mules: [] };
}

/** How many frauds of a pattern begin a day, for every thousand customers (and for payees every thousand payees). */
const beginsPerThousand: Readonly<Record<FraudPattern, number>> = {
  takeover: 0.25,
  leaked_card: 0.4,
  compromised_payee: 0.35,
  slow_mule: 0.25,
  large_outlier: 0.5,
};

const cents = (value: number): number => Math.max(Math.round(value), 1);

/** A moment in the customer's day. */
function inDay(dice: Dice, { wakes, sleeps }: Customer, midnight: number): number {
  const middle = (wakes + sleeps) / 2;
  const hour = dice.normal(middle, (sleeps - wakes) / 5);
  // Nobody's payment falls out of the day it is drawn for.
  return midnight + Math.floor(Math.min(Math.max(hour, 0), 23.99) * HOUR_MS);
}

/** What the customer pays by habit. */
export function habitual(dice: Dice, customer: Customer, midnight: number): Draft {
  const payee = dice.pick(customer.payees);
  const { home } = customer;
  const amount = dice.normal(customer.meanAmount, customer.deviation);
  const located = dice.chance(0.8);
  const payment: FeaturePayment = {
    payer: customer.id,
    payee: payee.id,
    amount: cents(amount > 0 ? amount : dice.between(1, 2 * customer.meanAmount)),
    at: inDay(dice, customer, midnight),
    device: dice.chance(0.85) ? (customer.devices[0] ?? "") : dice.pick(customer.devices),
    ip: dice.pick(customer.networks),
    country: home.country,
    openedAt: customer.openedAt,
    ...(located && { latitude: home.latitude + dice.normal(0, 0.03), longitude: home.longitude + dice.normal(0, 0.03) }),
  };
  return { payment, fraud: undefined, customer };
}

/** A habitual payment, as the campaigns under way make of it. */
export function underCampaigns(dice: Dice, draft: Draft, campaigns: Campaigns, day: number): Draft {
  if ((campaigns.leaked.get(draft.customer) ?? -1) >= day && dice.chance(LEAKED_SHARE)) {
    const { device: _, latitude: __, longitude: ___, ...rest } = draft.payment;
    // A card number is used without the card: no device of the customer's, another network.
    return { ...draft, fraud: "leaked_card", payment: { ...rest, amount: cents(rest.amount * 5), ip: address(dice) } };
  }
  if ((campaigns.compromised.get(draft.payment.payee) ?? -1) >= day && dice.chance(COMPROMISED_SHARE)) {
    return { ...draft, fraud: "compromised_payee" };
  }
  return draft;
}

/** Lets new frauds begin, and gives the payments of this day that are theirs alone. */
export function beginFrauds(dice: Dice, world: World, campaigns: Campaigns, day: number, midnight: number, rate: number): Draft[] {
  const drafts: Draft[] = [];
  const begins = (pattern: FraudPattern, population: number): number =>
    dice.poisson((rate * beginsPerThousand[pattern] * population) / 1000);
  const people = world.customers.length;
  for (let n = begins("leaked_card", people); n > 0; n--) campaigns.leaked.set(dice.pick(world.customers), day + LEAK_DAYS - 1);
  for (let n = begins("compromised_payee", world.payees.length); n > 0; n--) {
    campaigns.compromised.set(dice.pick(world.payees).id, day + COMPROMISE_DAYS - 1);
  }
  for (let n = begins("slow_mule", people); n > 0; n--) campaigns.mules.push({ id: `mule ${day}-${n}`, until: day + MULE_DAYS - 1 });
  campaigns.mules = campaigns.mules.filter(({ until }) => until >= day);
  for (const mule of campaigns.mules) {
    for (let n = dice.poisson(2); n > 0; n--) drafts.push(toMule(dice, dice.pick(world.customers), mule.id, midnight));
  }
  for (let n = begins("takeover", people); n > 0; n--) drafts.push(...takeover(dice, dice.pick(world.customers), `${day}-${n}`, midnight));
  for (let n = begins("large_outlier", people); n > 0; n--)
    drafts.push(largeOutlier(dice, dice.pick(world.customers), world.payees, midnight));
  return drafts;
}

function toMule(dice: Dice, customer: Customer, mule: string, midnight: number): Draft {
  const draft = habitual(dice, customer, midnight);
  const amount = cents(dice.between(1500, 9000));
  return { ...draft, fraud: "slow_mule", payment: { ...draft.payment, payee: mule, amount } };
}

function largeOutlier(dice: Dice, customer: Customer, payees: readonly Payee[], midnight: number): Draft {
  const draft = habitual(dice, customer, midnight);
  const amount = cents(customer.meanAmount * dice.between(8, 30));
  return { ...draft, fraud: "large_outlier", payment: { ...draft.payment, payee: dice.pick(payees).id, amount } };
}

/** Minutes apart, so that the whole burst is over before anybody looks. */
function takeover(dice: Dice, customer: Customer, name: string, midnight: number): Draft[] {
  const spot = dice.pick(abroad);
  // Some gangs use one device for many victims.
  const device = dice.chance(0.3) ? `stolen phone ${dice.below(5)}` : `stranger ${name}`;
  const ip = address(dice);
  const mules = Array.from({ length: 1 + dice.below(3) }, (_, i) => `mule ${name}-${i}`);
  const drafts: Draft[] = [];
  let at = midnight + Math.floor(dice.between(0, 23) * HOUR_MS);
  for (let left = 3 + dice.below(10); left > 0; left--) {
    const amount = cents(Math.max(customer.available, customer.meanAmount * 10) * dice.between(0.03, 0.15));
    drafts.push({
      customer,
      fraud: "takeover",
      payment: {
        payer: customer.id,
        payee: dice.pick(mules),
        amount: dice.chance(0.5) ? Math.ceil(amount / 10_000) * 10_000 : amount,
        at,
        device,
        ip,
        country: spot.country,
        latitude: spot.latitude,
        longitude: spot.longitude,
        openedAt: customer.openedAt,
      },
    });
    at += Math.floor(dice.between(10_000, 240_000));
  }
  return drafts;
}
