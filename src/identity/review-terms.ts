import type { JsonObject } from "#kernel/json.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import { minorFromWire, minorToWire } from "#kernel/money.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";

/** How an organisation wants suspicious payments to be reviewed. */
export interface ReviewTerms {
  /** Within so many hours of the payment its review is to be decided: the service level. */
  readonly dueHours: number;
  /** So many hours after it was due, an undecided review is given up: the payment is rejected. */
  readonly expiryHours: number;
  /** Payments of more than this (minor units) are approved by two API keys. A currency that is not named needs one. */
  readonly fourEyesAbove: ReadonlyMap<Currency, Minor>;
  /**
   * What held before, the oldest first: reviews opened under stricter terms keep what protects them. Otherwise whoever may change
   * the settings could approve alone what takes two, or bring back what has expired.
   */
  readonly earlier?: readonly EarlierTerms[];
}

/** Terms that were replaced. */
export interface EarlierTerms extends Omit<ReviewTerms, "earlier"> {
  /** When they were, ms. */
  readonly until: number;
}

export const DEFAULT_REVIEW_TERMS: ReviewTerms = { dueHours: 24, expiryHours: 72, fourEyesAbove: new Map() };
/** The bounds of the settings, hours. */
export const MAX_DUE_HOURS = 720;
export const MAX_EXPIRY_HOURS = 8760;
/** No review is undecided for longer, ms: what was replaced before that holds for none. */
const LONGEST_LIFE_MS = (MAX_DUE_HOURS + MAX_EXPIRY_HOURS) * 3_600_000;
/** How many replaced terms are kept; beyond, the two oldest become one with the stricter of each. */
const MAX_EARLIER = 20;
/** How many currencies may have an amount above which two keys approve. */
export const MAX_FOUR_EYES_CURRENCIES = 50;

/** The settings as a client gives them; what is absent stays as it is. */
export interface ReviewTermsFields {
  readonly review_due_hours?: number;
  readonly review_expiry_hours?: number;
  readonly review_four_eyes_above?: readonly { readonly currency: Currency; readonly amount: number }[];
}

/** The settings as the API shows them. */
export function presentReviewTerms(terms: ReviewTerms): JsonObject {
  return {
    review_due_hours: terms.dueHours,
    review_expiry_hours: terms.expiryHours,
    review_four_eyes_above: [...terms.fourEyesAbove].map(([currency, amount]) => ({ currency, amount: minorToWire(amount) })),
  };
}

/** The settings with a change applied at `at`. Refuses a currency that is named twice. */
export function changeReviewTerms(
  before: ReviewTerms,
  asked: ReviewTermsFields,
  at: number,
): { readonly ok: true; readonly terms: ReviewTerms } | Refusal {
  const above = asked.review_four_eyes_above;
  const amounts = above === undefined ? before.fourEyesAbove : new Map(above.map((one) => [one.currency, minorFromWire(one.amount)]));
  if (above !== undefined && amounts.size < above.length)
    return refuse("invalid_request", "review_four_eyes_above", "A currency is named twice.");
  const terms: ReviewTerms = {
    dueHours: asked.review_due_hours ?? before.dueHours,
    expiryHours: asked.review_expiry_hours ?? before.expiryHours,
    fourEyesAbove: amounts,
  };
  const changed = JSON.stringify(presentReviewTerms(terms)) !== JSON.stringify(presentReviewTerms(before));
  const earlier = changed ? replaced(before, at) : (before.earlier ?? []);
  return { ok: true, terms: earlier.length === 0 ? terms : { ...terms, earlier } };
}

/** The earlier terms once these are replaced, too. */
function replaced({ earlier = [], ...terms }: ReviewTerms, at: number): readonly EarlierTerms[] {
  // A clock that went back must not have terms end before those they followed.
  const until = Math.max(at, earlier.at(-1)?.until ?? 0);
  const kept = [...earlier, { ...terms, until }].filter((one) => one.until >= at - LONGEST_LIFE_MS);
  const [first, second, ...rest] = kept;
  return kept.length > MAX_EARLIER && first !== undefined && second !== undefined ? [stricter(first, second), ...rest] : kept;
}

function stricter(a: EarlierTerms, b: EarlierTerms): EarlierTerms {
  const sooner = a.dueHours + a.expiryHours <= b.dueHours + b.expiryHours ? a : b;
  const fourEyesAbove = new Map(a.fourEyesAbove);
  for (const [currency, amount] of b.fourEyesAbove) {
    const other = fourEyesAbove.get(currency);
    fourEyesAbove.set(currency, other !== undefined && other < amount ? other : amount);
  }
  return { dueHours: sooner.dueHours, expiryHours: sooner.expiryHours, fourEyesAbove, until: b.until };
}

/** The terms under which something opened at `openedAt` has stood so far, the oldest first, without those that hold now. */
export function earlierTermsSince(terms: ReviewTerms, openedAt: number): readonly EarlierTerms[] {
  return (terms.earlier ?? []).filter(({ until }) => until >= openedAt);
}

/** Above which amount a payment that waits since `openedAt` takes two keys: the least that held at any time since. */
export function fourEyesLimit(terms: ReviewTerms, currency: Currency, openedAt: number): Minor | undefined {
  const held = [terms, ...earlierTermsSince(terms, openedAt)].map(({ fourEyesAbove }) => fourEyesAbove.get(currency));
  return held.reduce((least, limit) => (least === undefined || (limit !== undefined && limit < least) ? limit : least), undefined);
}

interface StoredTerms {
  readonly review_due_hours: number;
  readonly review_expiry_hours: number;
  readonly review_four_eyes_above: readonly { readonly currency: Currency; readonly amount: number }[];
}

export interface StoredReviewTerms extends StoredTerms {
  /** Absent where they never changed. */
  readonly earlier?: readonly (StoredTerms & { readonly until: number })[];
}

/** The settings as they are stored. */
export function reviewTermsToItem(terms: ReviewTerms): JsonObject {
  const { earlier } = terms;
  if (earlier === undefined) return presentReviewTerms(terms);
  return { ...presentReviewTerms(terms), earlier: earlier.map((one) => ({ ...presentReviewTerms(one), until: one.until })) };
}

/** Reads what `reviewTermsToItem` made. */
export function reviewTermsFromItem(stored: StoredReviewTerms): ReviewTerms {
  const terms = termsFromItem(stored);
  return stored.earlier === undefined
    ? terms
    : { ...terms, earlier: stored.earlier.map((one) => ({ ...termsFromItem(one), until: one.until })) };
}

function termsFromItem(stored: StoredTerms): ReviewTerms {
  return {
    dueHours: stored.review_due_hours,
    expiryHours: stored.review_expiry_hours,
    fourEyesAbove: new Map(stored.review_four_eyes_above.map(({ currency, amount }) => [currency, minorFromWire(amount)])),
  };
}
