import type { Fault, Operation } from "#storage/memory/memory-store.ts";
import type { Dice } from "./dice.ts";

/** How badly a simulation treats its nodes. Probabilities per operation of a store. */
export interface Weather {
  readonly throttled: number;
  readonly unavailable: number;
  readonly readsUnavailable: number;
  readonly timeoutWritten: number;
  readonly timeoutUnwritten: number;
  readonly timeoutLater: number;
  /** Probability that an operation takes up to `longMs` instead of up to `usualMs`. */
  readonly long: number;
  readonly usualMs: number;
  readonly longMs: number;
  /** Probability, per operation, that a node loses the store for a while. */
  readonly outage: number;
  readonly outageMs: number;
  /** Probability, per command, that a node crashes. */
  readonly crash: number;
  /** How wrong clocks of nodes may be, in either direction, ms. */
  readonly skewMs: number;
}

const storm: Weather = {
  throttled: 0.06,
  unavailable: 0.04,
  readsUnavailable: 0.02,
  timeoutWritten: 0.06,
  timeoutUnwritten: 0.06,
  timeoutLater: 0.06,
  long: 0.08,
  usualMs: 6,
  longMs: 900,
  outage: 0.004,
  outageMs: 4000,
  crash: 0.02,
  skewMs: 4000,
};

const breeze: Weather = {
  throttled: 0.01,
  unavailable: 0.01,
  readsUnavailable: 0.005,
  timeoutWritten: 0.015,
  timeoutUnwritten: 0.015,
  timeoutLater: 0.015,
  long: 0.03,
  usualMs: 4,
  longMs: 300,
  outage: 0.002,
  outageMs: 1500,
  crash: 0.008,
  skewMs: 1000,
};

export const calm: Weather = {
  throttled: 0,
  unavailable: 0,
  readsUnavailable: 0,
  timeoutWritten: 0,
  timeoutUnwritten: 0,
  timeoutLater: 0,
  long: 0,
  usualMs: 2,
  longMs: 2,
  outage: 0,
  outageMs: 0,
  crash: 0,
  skewMs: 0,
};

/** Only the order of things is disturbed. */
const fog: Weather = { ...calm, long: 0.2, usualMs: 20, longMs: 200, skewMs: 500 };

export function drawWeather(dice: Dice): Weather {
  return { storm, breeze, fog }[dice.weighted({ storm: 4, breeze: 4, fog: 2 })];
}

/** What befalls the operations of one node, one after the other. */
export function createFaults(dice: Dice, weather: () => Weather, now: () => number): (operation: Operation) => Fault {
  let cutOffUntil = 0;
  return (operation) => {
    const today = weather();
    if (dice.chance(today.outage)) cutOffUntil = now() + dice.fraction() * today.outageMs;
    const longest = dice.chance(today.long) ? today.longMs : today.usualMs;
    // Every operation takes some time, so that others come between its beginning and its end.
    const times = {
      beforeMs: 0.01 + dice.fraction() * longest,
      amidMs: 0.01 + dice.fraction() * longest,
      afterMs: 0.01 + dice.fraction() * longest,
    };
    const cutOff = today.outage > 0 && now() < cutOffUntil;
    return { ...times, ...(cutOff ? drawLoss(dice, operation) : drawKind(dice, today, operation)) };
  };
}

/** Cut off from the store: nothing is answered; what was sent may have arrived all the same. */
function drawLoss(dice: Dice, operation: Operation): Pick<Fault, "kind" | "laterBy"> {
  if (operation !== "commit") return { kind: "unavailable" };
  const kind = dice.weighted({ timeout_unwritten: 6, timeout_written: 1, timeout_written_later: 2 });
  return kind === "timeout_written_later" ? { kind, laterBy: dice.between(1, 60) } : { kind };
}

function drawKind(dice: Dice, weather: Weather, operation: Operation): Pick<Fault, "kind" | "laterBy"> {
  let rest = dice.fraction();
  const falls = (probability: number): boolean => {
    rest -= probability;
    return rest < 0;
  };
  if (operation !== "commit") return { kind: falls(weather.readsUnavailable) ? "unavailable" : "none" };
  if (falls(weather.throttled)) return { kind: "throttled" };
  if (falls(weather.unavailable)) return { kind: "unavailable" };
  if (falls(weather.timeoutWritten)) return { kind: "timeout_written" };
  if (falls(weather.timeoutUnwritten)) return { kind: "timeout_unwritten" };
  if (falls(weather.timeoutLater)) return { kind: "timeout_written_later", laterBy: dice.between(1, 60) };
  return { kind: "none" };
}
