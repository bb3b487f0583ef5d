/** Chance from a seed: the same seed gives the same draws on every machine. */
export interface Dice {
  /** In [0, 1). */
  unit(): number;
  /** Whole, from 0 up to but not including `below`. */
  below(below: number): number;
  /** From `from` up to `to`. */
  between(from: number, to: number): number;
  /** Normally distributed. */
  normal(mean: number, deviation: number): number;
  /** How many events happen where `mean` are expected. */
  poisson(mean: number): number;
  /** How long until the next event where it takes `mean` on average. */
  exponential(mean: number): number;
  chance(share: number): boolean;
  pick<T>(list: readonly T[]): T;
}

const POISSON_MAX = 1000;

/** Dice of a seed (mulberry32, Tommy Ettinger). Not for secrets. */
export function createDice(seed: number): Dice {
  let state = seed >>> 0;
  const unit = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return {
    unit,
    below: (below) => Math.floor(unit() * below),
    between: (from, to) => from + (to - from) * unit(),
    // Box and Muller's transform; 1 - unit() is never 0.
    normal: (mean, deviation) => mean + deviation * Math.sqrt(-2 * Math.log(1 - unit())) * Math.cos(2 * Math.PI * unit()),
    poisson(mean) {
      const limit = Math.exp(-mean);
      let product = unit();
      let events = 0;
      while (product > limit && events < POISSON_MAX) {
        product *= unit();
        events += 1;
      }
      return events;
    },
    exponential: (mean) => -mean * Math.log(1 - unit()),
    chance: (share) => unit() < share,
    pick(list) {
      const picked = list[Math.floor(unit() * list.length)];
      if (picked === undefined) throw new RangeError("nothing to pick from");
      return picked;
    },
  };
}
