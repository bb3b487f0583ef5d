import { countryKey, keyOf, MAX_TEXT, networkKey, optionalKey } from "./keys.ts";

/** A payment as the features are told of it. Nothing in it is trusted: what is malformed counts as absent. */
export interface FeaturePayment {
  /** Whose behaviour is judged: the user's id, or the account's where it has no user. */
  readonly payer: string;
  /** The account that is paid. */
  readonly payee: string;
  /** Hundredths of the currency's reference unit (see `referenceCents`), a whole number. */
  readonly amount: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly device?: string;
  readonly ip?: string;
  /** Degrees, WGS 84; both or neither. */
  readonly latitude?: number;
  readonly longitude?: number;
  /** ISO 3166-1 alpha-2. */
  readonly country?: string;
  /** When the paying account was opened, in ms. */
  readonly openedAt?: number;
  /** What the paying account could spend before this payment, in the unit of `amount`. */
  readonly available?: number;
}

/**
 * What became of a payment. One that is held for a review counts for velocity and vouches for nothing: neither
 * its payee nor its device, place or amount become the payer's own.
 */
export type Outcome = "posted" | "held";

/** News of a past payment: its fraud is confirmed. Labels arrive days after the payment, as events of their own. */
export interface FraudLabel {
  readonly payer: string;
  readonly payee: string;
  readonly device?: string;
  /** When the label arrived, in ms. */
  readonly at: number;
}

/** A payment with every field checked. Keys are numbers, 0 where absent. */
export interface Seen {
  readonly payer: number;
  readonly payee: number;
  /** 0 … `AMOUNT_MAX`. */
  readonly amount: number;
  /** `TIME_MIN` … `TIME_MAX`. */
  readonly at: number;
  readonly device: number;
  readonly network: number;
  readonly country: number;
  readonly located: boolean;
  readonly latitude: number;
  readonly longitude: number;
  /** 0 when not told. */
  readonly openedAt: number;
  /** -1 when not told. */
  readonly available: number;
}

/** The largest amount and the largest sum there is; sums saturate here. */
export const AMOUNT_MAX = Number.MAX_SAFE_INTEGER;
/** One minute after the beginning of 1970: 0 stands for never, as a time and as a minute. Earlier times count as this one. */
const TIME_MIN = 60_000;
/** 26 September 2248. Later times count as this one. */
export const TIME_MAX = 2 ** 43;

/** A whole number from 0 to `max`; 0 for what is no number, negative or a negative zero. */
function whole(value: unknown, max: number): number {
  if (typeof value !== "number" || !(value > 0)) return 0;
  return value >= max ? max : Math.floor(value);
}

const within = (value: unknown, limit: number): value is number => typeof value === "number" && value >= -limit && value <= limit;

const idKey = (id: unknown): number => (typeof id === "string" ? keyOf(id.length > MAX_TEXT ? id.slice(0, MAX_TEXT) : id) : 0);

/** Checks a payment, once, for everything that reads it after. Never throws: what is malformed becomes absent. */
export function readPayment(payment: FeaturePayment): Seen {
  const { latitude, longitude } = payment;
  const located = within(latitude, 90) && within(longitude, 180);
  return {
    payer: idKey(payment.payer),
    payee: idKey(payment.payee),
    amount: whole(payment.amount, AMOUNT_MAX),
    at: readTime(payment.at),
    device: optionalKey(payment.device),
    network: networkKey(payment.ip),
    country: countryKey(payment.country),
    located,
    latitude: located ? latitude : 0,
    longitude: located ? longitude : 0,
    openedAt: whole(payment.openedAt, TIME_MAX),
    available: payment.available === undefined || !(payment.available >= 0) ? -1 : whole(payment.available, AMOUNT_MAX),
  };
}

/** A time in ms, checked. */
export function readTime(at: number): number {
  return Math.max(whole(at, TIME_MAX), TIME_MIN);
}

/**
 * An amount of money as the features count it: hundredths of a reference unit, so that one user's accounts in
 * several currencies add up to something. At least 1 for what is more than nothing; saturates at `AMOUNT_MAX`.
 * @param amount minor units.
 * @param unit minor units of the currency that make about one euro.
 */
export function referenceCents(amount: bigint, unit: bigint): number {
  if (amount <= 0n || unit <= 0n) return 0;
  const cents = (amount * 100n) / unit;
  if (cents >= BigInt(AMOUNT_MAX)) return AMOUNT_MAX;
  return cents === 0n ? 1 : Number(cents);
}
