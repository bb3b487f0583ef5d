import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { calibrated, chooseCalibration } from "./calibration.ts";
import { logistic } from "./forest.ts";
import { fitIsotonic, heightAt } from "./isotonic.ts";
import { fitPlatt } from "./platt.ts";
import { seededFractions } from "./prng.ts";
import { reliability } from "./probability-metrics.ts";

test("isotonic: a hand-computed example pools the violators", () => {
  const curve = fitIsotonic(Float64Array.of(1, 2, 3, 4, 5), Uint8Array.of(0, 1, 0, 1, 1));
  // 2 and 3 violate and become 1/2 each; 0 and 1 are kept 1/7 from the ends.
  assert.deepEqual(curve.x, [1, 2, 3, 4, 5]);
  assert.deepEqual(
    curve.y.map((y) => Math.round(y * 1000) / 1000),
    [0.143, 0.5, 0.5, 0.857, 0.857],
  );
  assert.equal(heightAt(curve, -9), 1 / 7);
  assert.equal(heightAt(curve, 2.5), 0.5);
  assert.ok(Math.abs(heightAt(curve, 1.5) - (1 / 7 + 0.5) / 2) < 1e-12, "straight between the points");
  assert.equal(heightAt(curve, 99), 1 - 1 / 7);
});

test("isotonic: equal margins are one point", () => {
  const curve = fitIsotonic(Float64Array.of(1, 1, 1, 1), Uint8Array.of(0, 1, 0, 0));
  assert.deepEqual([curve.x, curve.y], [[1], [0.25]]);
});

const anySample = fc.array(fc.tuple(fc.integer({ min: -20, max: 20 }), fc.boolean()), { minLength: 1, maxLength: 60 });

test("every calibration stays between 0 and 1 and never falls with the margin", () => {
  fc.assert(
    fc.property(anySample, (sample) => {
      const margins = Float64Array.from(sample, ([margin]) => margin / 4);
      const labels = Uint8Array.from(sample, ([, fraud]) => Number(fraud));
      const kinds = [
        chooseCalibration(margins, labels),
        { kind: "isotonic", ...fitIsotonic(margins, labels) } as const,
        { kind: "platt", ...fitPlatt(margins, labels) } as const,
      ];
      for (const kind of kinds) {
        let before = 0;
        for (let margin = -8; margin <= 8; margin += 0.25) {
          const p = calibrated(kind, margin);
          // A slope of next to nothing lets the last bit of the exponential through.
          assert.ok(p >= before - 1e-12 && p >= 0 && p <= 1, `${kind.kind} at ${margin}: ${p} after ${before}`);
          before = p;
        }
      }
    }),
  );
});

test("isotonic: no step function that does not fall is nearer in squares (against all of two steps)", () => {
  fc.assert(
    fc.property(
      anySample,
      fc.integer({ min: -20, max: 20 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (sample, border, a, b) => {
        const margins = Float64Array.from(sample, ([margin]) => margin);
        const labels = Uint8Array.from(sample, ([, fraud]) => Number(fraud));
        const curve = fitIsotonic(margins, labels);
        const squares = (height: (margin: number) => number): number =>
          margins.reduce((sum, margin, row) => sum + (height(margin) - (labels[row] as number)) ** 2, 0);
        // The heights kept away from 0 and 1 cost at most the square of that distance a row.
        const slack = margins.length * (1 / (margins.length + 2)) ** 2;
        assert.ok(
          squares((margin) => heightAt(curve, margin)) <=
            squares((margin) => (margin < border ? Math.min(a, b) : Math.max(a, b))) + slack + 1e-9,
        );
      },
    ),
  );
});

/** Rows whose labels follow `logistic(slope x margin + intercept)`. */
function drawn(slope: number, intercept: number, rows: number) {
  const random = seededFractions(3, 0);
  const margins = Float64Array.from({ length: rows }, () => random() * 8 - 4);
  const labels = margins.map((margin) => (random() < logistic(slope * margin + intercept) ? 1 : 0));
  return { margins, labels: Uint8Array.from(labels) };
}

test("Platt finds the sigmoid the labels were drawn from", () => {
  const { margins, labels } = drawn(0.5, -1, 20_000);
  const { slope, intercept } = fitPlatt(margins, labels);
  assert.ok(Math.abs(slope - 0.5) < 0.03 && Math.abs(intercept + 1) < 0.05, `${slope} ${intercept}`);
});

test("Platt: labels that fall with the margin, and labels that can be parted, give something finite", () => {
  const falling = fitPlatt(Float64Array.of(-1, 0, 1), Uint8Array.of(1, 1, 0));
  assert.equal(falling.slope, 0);
  assert.ok(Math.abs(logistic(falling.intercept) - 3 / 5) < 1e-12);
  const parted = fitPlatt(Float64Array.of(-2, -1, 1, 2), Uint8Array.of(0, 0, 1, 1));
  assert.ok(parted.slope > 0 && Number.isFinite(parted.slope));
});

test("the choice is by log loss on other rows: a bent truth takes isotonic, a sigmoid Platt, a true margin none or as good", () => {
  const random = seededFractions(5, 0);
  const margins = Float64Array.from({ length: 8_000 }, () => random() * 8 - 4);
  const bent = Uint8Array.from(margins, (margin) => (random() < (margin < 1 ? 0.05 : margin < 2 ? 0.5 : 0.55) ? 1 : 0));
  assert.equal(chooseCalibration(margins, bent).kind, "isotonic");
  const sigmoid = drawn(0.4, -1.5, 4_000);
  assert.equal(chooseCalibration(sigmoid.margins, sigmoid.labels).kind, "platt");
});

test("after calibration 0.8 means 0.8, on rows drawn anew", () => {
  const { margins, labels } = drawn(2, -3, 40_000);
  const half = margins.length / 2;
  const calibration = chooseCalibration(margins.subarray(0, half), labels.subarray(0, half));
  const probabilities = margins.subarray(half).map((margin) => calibrated(calibration, margin));
  for (const { rows, meanProbability, fraudShare } of reliability(labels.subarray(half), probabilities, 10)) {
    if (rows > 300) assert.ok(Math.abs(meanProbability - fraudShare) < 0.1, `${meanProbability} promised, ${fraudShare} came`);
  }
});

test("with too few frauds the margin is taken as it is", () => {
  assert.equal(
    chooseCalibration(
      new Float64Array(100),
      Uint8Array.from({ length: 100 }, (_, i) => Number(i < 9)),
    ).kind,
    "none",
  );
});
