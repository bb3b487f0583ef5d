import type { Dice } from "./dice.ts";

/** A place on the map, in degrees. */
export interface Spot {
  readonly latitude: number;
  readonly longitude: number;
  readonly country: string;
}

/** Somebody who pays, with habits. Amounts are in reference cents. */
export interface Customer {
  readonly id: string;
  readonly home: Spot;
  /** First and last hour (UTC) of the customer's day. */
  readonly wakes: number;
  readonly sleeps: number;
  readonly paymentsPerDay: number;
  readonly meanAmount: number;
  readonly deviation: number;
  readonly incomePerDay: number;
  readonly openedAt: number;
  /** A second device is used now and then. */
  readonly devices: readonly string[];
  readonly networks: readonly string[];
  /** The payees within reach, the usual ones more often than once. */
  readonly payees: readonly Payee[];
  /** What the account holds; changes as the days go by. */
  available: number;
}

/** Somebody who is paid: a shop's terminal, a landlord, a friend. */
export interface Payee {
  readonly id: string;
  readonly spot: Spot;
}

export interface World {
  readonly customers: readonly Customer[];
  readonly payees: readonly Payee[];
}

const DAY_MS = 86_400_000;
const cities: readonly Spot[] = [
  { latitude: 52.52, longitude: 13.4, country: "DE" },
  { latitude: 48.86, longitude: 2.35, country: "FR" },
  { latitude: 40.42, longitude: -3.7, country: "ES" },
  { latitude: 45.46, longitude: 9.19, country: "IT" },
  { latitude: 52.37, longitude: 4.9, country: "NL" },
];
/** Where strangers log in from. */
export const abroad: readonly Spot[] = [
  { latitude: 6.52, longitude: 3.38, country: "NG" },
  { latitude: 14.6, longitude: 120.98, country: "PH" },
  { latitude: 50.45, longitude: 30.52, country: "UA" },
  { latitude: -23.55, longitude: -46.63, country: "BR" },
];
const USUAL_PAYEES = 6;
const PAYEES_IN_REACH = 24;

const near = (dice: Dice, { latitude, longitude, country }: Spot, degrees: number): Spot => ({
  latitude: latitude + dice.normal(0, degrees),
  longitude: longitude + dice.normal(0, degrees),
  country,
});

/** An IPv4 address in one of the private networks, so that no real one is ever named. */
export const address = (dice: Dice): string => `10.${dice.below(256)}.${dice.below(256)}.${1 + dice.below(254)}`;

/** People and places of a seed. */
export function createWorld(dice: Dice, customers: number, payees: number, startAt: number): World {
  const places = Array.from({ length: payees }, (_, i): Payee => ({ id: `payee ${i}`, spot: near(dice, dice.pick(cities), 0.2) }));
  const byCountry = Map.groupBy(places, ({ spot }) => spot.country);
  return { payees: places, customers: Array.from({ length: customers }, (_, i) => createCustomer(dice, i, places, byCountry, startAt)) };
}

function createCustomer(
  dice: Dice,
  i: number,
  payees: readonly Payee[],
  byCountry: ReadonlyMap<string, readonly Payee[]>,
  startAt: number,
): Customer {
  const home = near(dice, dice.pick(cities), 0.15);
  const local = byCountry.get(home.country) ?? payees;
  const usual = Array.from({ length: USUAL_PAYEES }, () => dice.pick(local));
  const others = Array.from({ length: PAYEES_IN_REACH - USUAL_PAYEES }, () => dice.pick(local));
  const meanAmount = dice.between(500, 10_000);
  const paymentsPerDay = dice.between(0.2, 4);
  const incomePerDay = meanAmount * paymentsPerDay * dice.between(1, 1.6);
  const wakes = 5 + dice.below(5);
  return {
    id: `customer ${i}`,
    home,
    wakes,
    sleeps: wakes + 12 + dice.below(5),
    paymentsPerDay,
    meanAmount,
    deviation: meanAmount / 2,
    incomePerDay,
    openedAt: startAt - Math.floor(dice.between(1, 1500) * DAY_MS),
    devices: dice.chance(0.3) ? [`phone ${i}`, `tablet ${i}`] : [`phone ${i}`],
    networks: Array.from({ length: 1 + dice.below(3) }, () => address(dice)),
    payees: [...usual, ...usual, ...usual, ...usual, ...others],
    available: incomePerDay * dice.between(10, 60),
  };
}
