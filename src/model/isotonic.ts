/** A monotone curve through points; straight between them, level beyond the ends. */
export interface Curve {
  /** Rising margins. */
  readonly x: readonly number[];
  /** Probabilities that do not fall. */
  readonly y: readonly number[];
}

/** The curve's height at `x`. */
export function heightAt({ x: xs, y: ys }: Curve, x: number): number {
  let low = 0;
  let high = xs.length - 1;
  if (x <= (xs[0] as number)) return ys[0] as number;
  if (x >= (xs[high] as number)) return ys[high] as number;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if ((xs[middle] as number) <= x) low = middle;
    else high = middle;
  }
  const from = xs[low] as number;
  const share = (x - from) / ((xs[high] as number) - from);
  const bottom = ys[low] as number;
  return bottom + share * ((ys[high] as number) - bottom);
}

interface Block {
  readonly from: number;
  to: number;
  positives: number;
  rows: number;
}

/**
 * Isotonic regression by pool adjacent violators (Zadrozny and Elkan 2002): the non-falling curve nearest to the
 * labels in squares. No height is 0 or 1: each is kept `1 / (rows + 2)` away, because what never happened may yet.
 */
export function fitIsotonic(margins: Float64Array, labels: Uint8Array): Curve {
  const order = Uint32Array.from(labels, (_, row) => row).sort((a, b) => (margins[a] as number) - (margins[b] as number));
  const blocks: Block[] = [];
  for (const row of order) {
    const margin = margins[row] as number;
    const last = blocks.at(-1);
    const label = labels[row] as number;
    if (last !== undefined && last.from === margin) {
      // Equal margins are one point, whatever their labels.
      last.positives += label;
      last.rows += 1;
    } else blocks.push({ from: margin, to: margin, positives: label, rows: 1 });
  }
  const pooled: Block[] = [];
  for (const block of blocks) {
    let current = block;
    for (let before = pooled.at(-1); before !== undefined; before = pooled.at(-1)) {
      if (before.positives * current.rows < current.positives * before.rows) break;
      pooled.pop();
      current = { from: before.from, to: current.to, positives: before.positives + current.positives, rows: before.rows + current.rows };
    }
    pooled.push(current);
  }
  const edge = 1 / (labels.length + 2);
  const x: number[] = [];
  const y: number[] = [];
  for (const { from, to, positives, rows } of pooled) {
    const height = Math.min(Math.max(positives / rows, edge), 1 - edge);
    x.push(from);
    y.push(height);
    if (to === from) continue;
    x.push(to);
    y.push(height);
  }
  return { x, y };
}
