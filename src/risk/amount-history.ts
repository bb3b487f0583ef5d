import { MAX_MINOR } from "#kernel/money.ts";
import { amount as config, ONE, referenceUnit, remembered } from "./factors-config.ts";
import { isSettled } from "./familiar.ts";

/** What a customer has paid in one currency. Amounts are minor units, bounded by the largest amount there is. */
export interface AmountHistory {
  readonly currency: string;
  readonly count: number;
  /** Of what the payments taught (see `learnAmount`). Saturates: a mean that is too small only scores higher. */
  readonly sum: bigint;
  /** The largest payment that has stood for a day. */
  readonly max: bigint;
  /** A larger payment that has not, and its minute; 0 when there is none. */
  readonly pending: bigint;
  readonly pendingSince: number;
  /** The minute of the first payment. */
  readonly since: number;
}

export function historyOf(histories: readonly AmountHistory[], currency: string): AmountHistory | undefined {
  for (const history of histories) if (history.currency === currency) return history;
  return undefined;
}

/** The largest amount the customer is known for: a pending one counts once a day has passed. */
function settledMax(history: AmountHistory, minute: number): bigint {
  const { max, pending, pendingSince } = history;
  return pending > max && isSettled(pendingSince, minute) ? pending : max;
}

/** The amount factor, in ten-thousandths. It never falls as the amount grows. */
export function scoreAmount(history: AmountHistory | undefined, currency: string, amount: bigint, minute: number): number {
  const unit = referenceUnit(currency);
  let unknown = ONE;
  let ceiling = ONE;
  for (const step of config.absolute) {
    if (amount > step.upTo * unit) continue;
    ({ unknown, ceiling } = step);
    break;
  }
  if (history === undefined || history.count < config.historyNeeded) return unknown;
  const own = Math.min(ceiling, scoreRelative(history, amount, minute));
  return isSettled(history.since, minute) ? own : Math.max(own, unknown);
}

function scoreRelative(history: AmountHistory, amount: bigint, minute: number): number {
  let score = ONE;
  const scaled = amount * BigInt(history.count);
  for (const step of config.relative) {
    if (scaled > history.sum * step.times) continue;
    score = step.score;
    break;
  }
  return amount <= settledMax(history, minute) ? Math.min(score, config.paidBefore) : score;
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const most = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/**
 * The history after a payment. The mean learns at most `learnTimes` itself (small amounts always in full),
 * and a new maximum stands for nothing until a day has passed.
 * @param founding whether the first payment's amount is trusted at once, because the customer is new.
 */
export function learnAmount(
  history: AmountHistory | undefined,
  currency: string,
  amount: bigint,
  minute: number,
  founding: boolean,
): AmountHistory {
  const stamp = Math.max(minute, 1);
  const paid = least(amount, MAX_MINOR);
  if (history === undefined) {
    const trusted = founding ? paid : 0n;
    const pending = founding ? 0n : paid;
    return { currency, count: 1, sum: paid, max: trusted, pending, pendingSince: founding ? 0 : stamp, since: stamp };
  }
  let { count, sum } = history;
  const mean = sum / BigInt(count);
  let max = settledMax(history, minute);
  let pending = history.pending > max ? history.pending : 0n;
  let pendingSince = pending === 0n ? 0 : history.pendingSince;
  if (paid > max && paid > pending) {
    pending = paid;
    pendingSince = stamp;
  }
  if (count >= config.halveAt) {
    count >>= 1;
    sum /= 2n;
    // An old maximum fades towards the mean, so that one large payment is not a licence for ever.
    const faded = mean + ((max - mean) * 3n) / 4n;
    if (max > mean) max = paid <= max ? most(faded, paid) : faded;
  }
  const learnt = least(paid, most(mean * config.learnTimes, referenceUnit(currency) * config.absolute[0].upTo));
  sum = least(sum + learnt, MAX_MINOR);
  return { currency, count: count + 1, sum, max, pending, pendingSince, since: Math.min(history.since, stamp) };
}

/** The histories with `changed` in front; the currency longest unused makes room. */
export function withHistory(histories: readonly AmountHistory[], changed: AmountHistory): readonly AmountHistory[] {
  const next = [changed];
  for (const history of histories) {
    if (history.currency !== changed.currency && next.length < remembered.currencies) next.push(history);
  }
  return next;
}
