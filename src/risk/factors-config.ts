/**
 * Every number of the model "factors-1", in one place. Scores, factors and weights are integers in
 * ten-thousandths (10,000 = 1), so that the same inputs give the same score on every machine.
 */
export const MODEL = "factors-1";

/** One, in ten-thousandths. */
export const ONE = 10_000;

/** A score above this goes to a reviewer before money moves: 0.8. */
export const REVIEW_ABOVE = 8000;

export const factorNames = ["velocity", "amount", "location", "device", "behaviour"] as const;
export type FactorName = (typeof factorNames)[number];

/** What each factor weighs; together exactly one. */
export const weights: Readonly<Record<FactorName, number>> = {
  velocity: 3000,
  amount: 2500,
  location: 2000,
  device: 1500,
  behaviour: 1000,
};

/** A factor that adds at least this much to the score is named among the reasons. */
export const NOTABLE_CONTRIBUTION = 500;

/**
 * How long something new stays new, in minutes. A day passes before a device, place, payee or record amount
 * counts as the customer's own: otherwise the first payments of a takeover would vouch for the next ones.
 */
export const SETTLE_MINUTES = 24 * 60;

export const velocity = {
  windowMs: 30 * 60 * 1000,
  /** Up to this many payments in the window each adds `perPayment`; one more is a burst. */
  calmUpTo: 10,
  perPayment: 500,
  burst: 9000,
  /** How many timestamps a profile keeps. More than a burst needs, so the count it reports saturates one above this. */
  remembered: 16,
} as const;

/** What is said of a customer's device or place, by what the profile knows of it (see `familiarity`). */
export const deviceScores = { known: 0, first: 3000, absent: 4000, new: ONE, withheld: ONE } as const;
export const placeScores = { known: 0, first: 2000, absent: 3000, new: 8000, withheld: 8000 } as const;

export const location = {
  impossibleTravel: ONE,
  /** Coordinates are missing although the customer usually has them. */
  coordinatesWithheld: 2000,
  /** Faster than an airliner, door to door. */
  maxSpeedKmh: 900,
  /** Two readings of one place may differ by this much (network positioning), at whatever speed. */
  toleranceKm: 50,
} as const;

/** The parts of behaviour are added and capped at one. */
export const behaviour = {
  unusualHour: 3000,
  /** Payments at distinct hours before the histogram says anything. */
  hoursNeeded: 20,
  /** An hour is unusual when it and its neighbours hold less than one in this many of the payments. */
  unusualShare: 50,
  payee: { known: 0, first: 2000, absent: 4000, new: 4000, withheld: 4000 },
  userAgent: { known: 0, first: 500, absent: 1000, new: 3000, withheld: 3000 },
} as const;

export const amount = {
  /** Payments in the currency before the customer's own history alone decides (it must also be a day old). */
  historyNeeded: 5,
  /** Score by the multiple of the customer's mean payment, first match; above all: one. */
  relative: [
    { times: 2n, score: 0 },
    { times: 3n, score: 1000 },
    { times: 5n, score: 3000 },
    { times: 10n, score: 6000 },
    { times: 20n, score: 8500 },
  ],
  /** The most an amount scores that is no larger than one the customer has paid before. */
  paidBefore: 2000,
  /**
   * Steps in reference units (roughly a euro), first match; above all: one. `unknown` is the score without
   * history; `ceiling` caps the relative score, because twenty times a coffee is still no large payment.
   */
  absolute: [
    { upTo: 50n, unknown: 500, ceiling: 1000 },
    { upTo: 200n, unknown: 1000, ceiling: 4000 },
    { upTo: 1000n, unknown: 2500, ceiling: 8000 },
    { upTo: 5000n, unknown: 5000, ceiling: ONE },
    { upTo: 25_000n, unknown: 8000, ceiling: ONE },
  ],
  /** A payment teaches the mean at most this multiple of it, so that a burst cannot make itself usual. */
  learnTimes: 2n,
  /** At this many payments count and sum are halved: newer payments weigh more, and the numbers stay bounded. */
  halveAt: 64,
} as const;

/** How many of each a profile remembers. Together they keep its JSON below 1.5 KB. */
export const remembered = { devices: 6, places: 6, payees: 12, userAgents: 4, currencies: 4 } as const;

/** An hour's count in the histogram at which all are halved. */
export const HOUR_COUNT_MAX = 99;

/**
 * Minor units that make about one euro, rounded down to a power of ten (2024). Only to place the absolute
 * steps: it is no exchange rate and needs no upkeep. What is not listed has 100.
 */
const magnitudes: Readonly<Record<string, string>> = {
  "1000":
    "AFN BIF BTN BWP CLP CUP CZK DOP EGP ERN GHS GMD GNF HNL INR KGS KRW LSL LYD MAD MDL MKD MRU MUR MVR MXN MZN NAD NIO " +
    "NOK PHP PYG RWF SCR SEK SLE SRD STN SZL THB TJS TND TRY TWD UAH UGX UYU VED VES ZAR ZMW ZWG",
  "10000": "ALL AMD AOA BDT CRC CVE DZD ETB GYD HTG HUF JMD KES KZT LKR LRD NPR PKR RSD RUB SDG SOS VND YER",
  "100000": "ARS CDF COP KHR MGA MMK MNT MWK NGN SSP TZS",
  "1000000": "IDR IQD IRR LAK LBP SYP UZS",
};

const perReferenceUnit: ReadonlyMap<string, bigint> = new Map(
  Object.entries(magnitudes).flatMap(([minor, codes]) => codes.split(" ").map((code) => [code, BigInt(minor)] as const)),
);

/** Minor units of `currency` that make about one euro. */
export function referenceUnit(currency: string): bigint {
  return perReferenceUnit.get(currency) ?? 100n;
}
