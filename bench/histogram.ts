/** Durations are counted in steps of this many milliseconds: percentiles are exact to one step. */
const STEP_MS = 0.01;
/** Up to here by steps; what takes longer is counted by whole milliseconds. */
const FINE_MS = 1_000;
/** What takes longer counts as this long, and is counted apart. */
const COARSE_MS = 60_000;

export interface Histogram {
  add(ms: number): void;
  readonly count: number;
  readonly mean: number;
  readonly max: number;
  /** The smallest duration (ms) that at least this share of all did not exceed; 0 when there is none. */
  percentile(share: number): number;
}

/** Counts durations in bounded memory (640 KB): no sample is dropped or drawn by lot. */
export function createHistogram(): Histogram {
  const fine = new Float64Array(FINE_MS / STEP_MS);
  const coarse = new Float64Array(COARSE_MS + 1);
  let count = 0;
  let sum = 0;
  let max = 0;
  return {
    add(ms) {
      count += 1;
      sum += ms;
      if (ms > max) max = ms;
      const cells = ms < FINE_MS ? fine : coarse;
      const cell = ms < FINE_MS ? Math.floor(ms / STEP_MS) : Math.min(Math.floor(ms), COARSE_MS);
      cells[cell] = (cells[cell] ?? 0) + 1;
    },
    get count() {
      return count;
    },
    get mean() {
      return count === 0 ? 0 : sum / count;
    },
    get max() {
      return max;
    },
    percentile(share) {
      const rank = Math.max(1, Math.ceil(count * share));
      let seen = 0;
      for (const [cells, width] of [
        [fine, STEP_MS],
        [coarse, 1],
      ] as const) {
        for (let cell = 0; cell < cells.length; cell++) {
          seen += cells[cell] ?? 0;
          // The upper edge of the cell, so that the figure is never flattered.
          if (seen >= rank && count > 0) return Math.min((cell + 1) * width, max);
        }
      }
      return 0;
    },
  };
}
