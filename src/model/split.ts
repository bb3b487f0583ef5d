import type { BinnedFeature } from "./bins.ts";
import type { Histogram } from "./histogram.ts";

/** A way to part a node's rows, and what it gains. */
export interface Split {
  readonly feature: number;
  /** Codes 1 … `code` go left. */
  readonly code: number;
  readonly threshold: number;
  readonly defaultLeft: boolean;
  /** Half the fall of the regularised loss (second order). */
  readonly gain: number;
  readonly leftGradient: number;
  readonly leftHessian: number;
}

export interface SplitRules {
  readonly l2: number;
  readonly minChildWeight: number;
  readonly minSplitGain: number;
}

/** The sums of derivatives over a node. */
export interface Sums {
  readonly gradient: number;
  readonly hessian: number;
}

/** What is left of a sum after subtracting: below this it is rounding, not rows. */
const NOTHING = 1e-9;

/**
 * The best split of a node, or undefined when none gains more than `minSplitGain`. Missing values are tried on both
 * sides. Where the node has none, a value missing later goes to the child with the higher score: leaving something out
 * must not make a payment look better. Of equal gains the first feature and lowest threshold win.
 */
export function findSplit(
  histogram: Histogram,
  offsets: Uint32Array,
  features: readonly BinnedFeature[],
  used: readonly number[],
  sums: Sums,
  rules: SplitRules,
): Split | undefined {
  const { gradient, hessian } = sums;
  const { l2, minChildWeight } = rules;
  const whole = (gradient * gradient) / (hessian + l2);
  let best: Split | undefined;
  let bestGain = Math.max(rules.minSplitGain, NOTHING);
  for (const index of used) {
    const { cuts } = features[index] as BinnedFeature;
    const from = offsets[index] as number;
    const missingGradient = histogram[from] as number;
    const missingHessian = histogram[from + 1] as number;
    const anyMissing = missingHessian > NOTHING;
    let g = 0;
    let h = 0;
    for (let code = 1; code <= cuts.length; code++) {
      const slot = from + 2 * code;
      const binHessian = histogram[slot + 1] as number;
      // Behind a bin without rows the parts are those of the bin before.
      if (binHessian === 0) continue;
      g += histogram[slot] as number;
      h += binHessian;
      for (let side = anyMissing ? 0 : 1; side < 2; side++) {
        const leftGradient = side === 0 ? g + missingGradient : g;
        const leftHessian = side === 0 ? h + missingHessian : h;
        const rightHessian = hessian - leftHessian;
        if (leftHessian < minChildWeight || rightHessian < minChildWeight) continue;
        const rightGradient = gradient - leftGradient;
        const parted = (leftGradient * leftGradient) / (leftHessian + l2) + (rightGradient * rightGradient) / (rightHessian + l2);
        const gain = (parted - whole) / 2;
        if (gain <= bestGain) continue;
        bestGain = gain;
        const leftScores = -leftGradient / (leftHessian + l2);
        const rightScores = -rightGradient / (rightHessian + l2);
        best = {
          feature: index,
          code,
          threshold: cuts[code - 1] as number,
          defaultLeft: anyMissing ? side === 0 : leftScores > rightScores,
          gain,
          leftGradient,
          leftHessian,
        };
      }
    }
  }
  return best;
}
