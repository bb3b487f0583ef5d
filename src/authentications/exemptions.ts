import type { JsonObject } from "#kernel/json.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import type { LowValueMeasure, ScaTerms } from "./policy.ts";

/** The exemptions that payments of users' accounts may have (RTS 2018/389, Art 13-16 and 18), in the order in which they are tried. */
export const exemptions = ["own_accounts", "trusted_beneficiary", "recurring", "low_value", "risk_analysis"] as const;
export type Exemption = (typeof exemptions)[number];

/** The currency the regulation's amounts are in. Payments in another one have no exemption that names an amount. */
const EUR = "EUR";

/** RTS Art 16, minor units of EUR. The cumulated amount and the count include the payment that is asked for. */
export const LOW_VALUE = { single: 3_000n, cumulated: 10_000n, count: 5 } as const;

/** The exemption threshold values of the annex of the RTS: up to which amount (minor units of EUR), with which fraud rate at most (millionths). */
export const EXEMPTION_THRESHOLDS = {
  credit_transfer: [
    { amount: 50_000n, ratePpm: 50 },
    { amount: 25_000n, ratePpm: 100 },
    { amount: 10_000n, ratePpm: 150 },
  ],
  card: [
    { amount: 50_000n, ratePpm: 100 },
    { amount: 25_000n, ratePpm: 600 },
    { amount: 10_000n, ratePpm: 1_300 },
  ],
} as const;

/** The largest amount that risk analysis may exempt at a fraud rate; `undefined` where the rate allows none. */
export function exemptionThreshold(kind: keyof typeof EXEMPTION_THRESHOLDS, ratePpm: number | null): bigint | undefined {
  if (ratePpm === null) return undefined;
  return EXEMPTION_THRESHOLDS[kind].find((row) => ratePpm <= row.ratePpm)?.amount;
}

/** What has gone through as low value since the payer was last authenticated for a payment. */
export interface LowValueCounters {
  readonly count: number;
  /** Minor units of EUR. */
  readonly amount: bigint;
}

export const NO_COUNTERS: LowValueCounters = { count: 0, amount: 0n };

/** What an exemption is judged by. */
export interface ExemptionInput {
  readonly terms: ScaTerms;
  readonly amount: Minor;
  readonly currency: Currency;
  /** Risk simply allows the payment. What it does not allow is never exempt. */
  readonly allowed: boolean;
  /** Why the score is not lower: the notable reasons, and a score that only a rule lets pass. Any of them rules out risk analysis. */
  readonly riskFlags: readonly string[];
  /** Payer's and payee's account are the same person's. */
  readonly ownAccount: boolean;
  /** The payee is on the payer's list of trusted beneficiaries. */
  readonly trusted: boolean;
  /** The payment is a later one of a series with the same amount and payee. */
  readonly recurring: boolean;
  readonly counters: LowValueCounters;
}

export interface Exempted {
  readonly exemption: Exemption;
  /** As they are after this payment. */
  readonly counters: LowValueCounters;
}

/** The exemption of a payment, the first that covers it. Only low value counts, so those that cost nothing are tried before it. */
export function findExemption(input: ExemptionInput): Exempted | undefined {
  const { terms, allowed, counters } = input;
  if (!allowed) return undefined;
  const free = (exemption: Exemption): Exempted => ({ exemption, counters });
  if (terms.ownAccounts && input.ownAccount) return free("own_accounts");
  if (terms.trustedBeneficiaries && input.trusted) return free("trusted_beneficiary");
  if (terms.recurring && input.recurring) return free("recurring");
  const counted = input.currency === EUR ? countLowValue(terms.lowValue, input.amount, counters) : undefined;
  if (counted !== undefined) return { exemption: "low_value", counters: counted };
  return coveredByRiskAnalysis(input) ? free("risk_analysis") : undefined;
}

/** The counters with one more small payment; `undefined` when it is not small, or one too many. */
export function countLowValue(measure: LowValueMeasure, amount: bigint, before: LowValueCounters): LowValueCounters | undefined {
  if (measure === "off" || amount > LOW_VALUE.single) return undefined;
  const after = { count: before.count + 1, amount: before.amount + amount };
  const within = measure === "amount" ? after.amount <= LOW_VALUE.cumulated : after.count <= LOW_VALUE.count;
  return within ? after : undefined;
}

function coveredByRiskAnalysis({ terms, amount, currency, riskFlags }: ExemptionInput): boolean {
  if (!terms.riskAnalysis || currency !== EUR || riskFlags.length > 0) return false;
  const threshold = exemptionThreshold("credit_transfer", terms.fraudRatePpm);
  return threshold !== undefined && amount <= threshold;
}

export function presentCounters({ count, amount }: LowValueCounters): JsonObject {
  return { count, amount: Number(amount) };
}
