import { invariant } from "./assert.ts";
import { currencies } from "./currencies.ts";

/** An ISO 4217 alphabetic code that `currencies` lists. */
export type Currency = string & { readonly __currency: true };
/** An amount in minor units of its currency (cents for EUR, whole yen for JPY). Never a float. */
export type Minor = bigint & { readonly __minor: true };

/** The largest amount and the largest absolute balance: what every JSON client reads exactly. */
export const MAX_MINOR = 9007199254740991n as Minor;
export const ZERO = 0n as Minor;

/** Whether `text` is a currency this product keeps accounts in. */
export function isCurrency(text: unknown): text is Currency {
  return typeof text === "string" && currencies.has(text);
}

/** Digits after the point in the currency's major unit (2 for EUR, 0 for JPY, 3 for KWD). */
export function exponentOf(currency: Currency): number {
  const exponent = currencies.get(currency);
  invariant(exponent !== undefined, `currency ${currency} is unknown`);
  return exponent;
}

/** Whether a balance of `amount` stays inside what JSON carries exactly. */
export function fitsWire(amount: bigint): boolean {
  return amount <= MAX_MINOR && amount >= -MAX_MINOR;
}

/** Mints minor units from a JSON integer. The schema has checked the range before. */
export function minorFromWire(value: number): Minor {
  invariant(Number.isSafeInteger(value), `amount ${value} is not a safe integer`);
  return BigInt(value) as Minor;
}

/** Minor units as a JSON integer. */
export function minorToWire(amount: bigint): number {
  invariant(fitsWire(amount), `amount ${amount} does not fit the wire`);
  return Number(amount);
}

export const add = (a: Minor, b: Minor): Minor => (a + b) as Minor;
export const subtract = (a: Minor, b: Minor): Minor => (a - b) as Minor;
export const negate = (a: Minor): Minor => -a as Minor;
