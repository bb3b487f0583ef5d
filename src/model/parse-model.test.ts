import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalJson } from "#kernel/canonical-json.ts";
import type { JsonObject, JsonValue } from "#kernel/json.ts";
import { modelCard, modelCardMarkdown } from "./model-card.ts";
import { createScorer, type Model, modelText } from "./model.ts";
import { parseModel } from "./parse-model.ts";
import { anyRow, anySketch, buildTree, features } from "./test-kit.ts";

const model: Model = {
  features,
  base: -3,
  trees: [
    buildTree({
      feature: 0,
      below: 250,
      defaultLeft: false,
      left: { leaf: -1, cover: 30 },
      right: { feature: 1, below: 5, defaultLeft: true, left: { leaf: 0.5, cover: 5 }, right: { leaf: 4, cover: 5 } },
    }),
    buildTree({ leaf: 0.125, cover: 40 }),
  ],
  calibration: { kind: "isotonic", x: [-4, -1, 2], y: [0.01, 0.4, 0.95] },
  training: {
    source: "trained",
    from: "2026-01-01T00:00:00.000Z",
    to: "2026-01-31T23:59:00.000Z",
    rows: 400,
    positives: 40,
    options: { rounds: 2, refit: true, rounds_taken: "2" },
  },
  metrics: { validation_auc: 0.9 },
};

test("a model's text is canonical, names its own hash, and reads back as the same model", () => {
  const { text, hash: name } = modelText(model);
  const parsed = parseModel(text);
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.value, { model, hash: name });
  assert.equal(modelText(parsed.value.model).text, text);
  const { hash: said, ...body } = JSON.parse(text) as JsonObject;
  assert.equal(said, hash("sha256", canonicalJson(body), "hex"));
});

test("any trees survive the text: every row scores the same to the last bit", () => {
  const any = fc.array(anySketch(3, 4), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(any, anyRow(3), (sketches, row) => {
      const before = { ...model, trees: sketches.map(buildTree) };
      const parsed = parseModel(modelText(before).text);
      assert.ok(parsed.ok);
      assert.equal(createScorer(parsed.value.model).margin(row), createScorer(before).margin(row));
    }),
    { numRuns: 50 },
  );
});

/** The text with one thing changed and the hash made right again, so that the change itself is what is refused. */
function changed(path: readonly (string | number)[], value: JsonValue | undefined): string {
  const { hash: _, ...body } = JSON.parse(modelText(model).text) as Record<string, unknown>;
  let place: Record<string | number, unknown> = body;
  for (const step of path.slice(0, -1)) place = place[step] as Record<string | number, unknown>;
  const last = path.at(-1) as string | number;
  if (value === undefined) delete place[last];
  else place[last] = value;
  return JSON.stringify({ ...body, hash: hash("sha256", canonicalJson(body as JsonObject), "hex") });
}

test("what is malformed is refused with invalid_request and its place", () => {
  const leafTree = { feature: [-1], value: [1], left: [0], right: [0], default_left: [0], cover: [1], gain: [0] };
  const cases: readonly (readonly [string, readonly (string | number)[], JsonValue | undefined])[] = [
    ["format", ["format"], "smartfinance-trees-2"],
    ["model.extra", ["extra"], 1],
    ["model.metrics", ["metrics"], undefined],
    ["features", ["features"], []],
    ["features[1].name", ["features", 1, "name"], "amount"],
    ["features[1].unit", ["features", 1, "unit"], ""],
    ["features[0].scale", ["features", 0, "scale"], 1],
    ["base", ["base"], "0"],
    ["base", ["base"], 1e7],
    ["trees", ["trees"], {}],
    ["trees", ["trees"], Array.from({ length: 5001 }, () => leafTree)],
    ["trees[0].feature[0]", ["trees", 0, "feature", 0], 3],
    ["trees[0].feature[0]", ["trees", 0, "feature", 0], 0.5],
    ["trees[0].feature", ["trees", 0, "feature"], []],
    ["trees[0].value[1]", ["trees", 0, "value", 1], null],
    ["trees[0].value[1]", ["trees", 0, "value", 1], 1e7],
    ["trees[0].value", ["trees", 0, "value"], [1]],
    ["trees[0].left[0]", ["trees", 0, "left", 0], 0],
    ["trees[0].left[0]", ["trees", 0, "left", 0], 2],
    ["trees[0].left[0]", ["trees", 0, "left", 0], 99],
    ["trees[0].left[1]", ["trees", 0, "left", 1], 2],
    ["trees[0].default_left[0]", ["trees", 0, "default_left", 0], 2],
    ["trees[0].cover[1]", ["trees", 0, "cover", 1], 0],
    ["trees[0].cover[1]", ["trees", 0, "cover", 1], 1e308],
    ["trees[0].gain[0]", ["trees", 0, "gain", 0], 1e308],
    ["trees[0].gain[0]", ["trees", 0, "gain", 0], -1],
    ["calibration.kind", ["calibration", "kind"], "magic"],
    ["calibration.slope", ["calibration"], { kind: "platt", slope: -1, intercept: 0 }],
    ["calibration.x", ["calibration"], { kind: "none", x: [] }],
    ["calibration.x[1]", ["calibration", "x", 1], -4],
    ["calibration.y[1]", ["calibration", "y", 1], 0],
    ["calibration.y[2]", ["calibration", "y", 2], 1.5],
    ["training.source", ["training", "source"], "guessed"],
    ["training.from", ["training", "from"], "2026-13-01T00:00:00Z"],
    ["training.positives", ["training", "positives"], 401],
    ["training.options.a", ["training", "options", "a"], []],
    ["metrics.validation_auc", ["metrics", "validation_auc"], "high"],
  ];
  for (const [place, path, value] of cases) {
    const result = parseModel(changed(path, value));
    assert.ok(!result.ok, `${place} was let through`);
    assert.deepEqual([result.code, result.param?.replace("calibration.calibration", "calibration")], ["invalid_request", place]);
    assert.ok(result.detail !== undefined);
  }
});

test("a changed byte is noticed by the hash; text that is no model at all is refused", () => {
  const { text } = modelText(model);
  const forged = parseModel(text.replace("0.125", "0.126"));
  assert.ok(!forged.ok);
  assert.deepEqual([forged.param, forged.detail], ["hash", "is not that of the content"]);
  for (const other of ["", "null", "[]", '"x"', text.slice(0, -1), text.replace("-3", "NaN"), text.replace("-3", "1e999")]) {
    assert.equal(parseModel(other).ok, false, other.slice(0, 40));
  }
});

test("two roots and a node that is nobody's child are no tree", () => {
  const orphan = { feature: [-1, -1], value: [1, 1], left: [0, 0], right: [0, 0], default_left: [0, 0], cover: [1, 1], gain: [0, 0] };
  const result = parseModel(changed(["trees", 1], orphan));
  assert.ok(!result.ok);
  assert.equal(result.detail, "node 1 is no earlier node's child");
  const parent = { ...orphan, left: [1, 0] };
  assert.equal(parseModel(changed(["trees", 1], parent)).ok, false);
});

test("a scorer's probability is the calibrated margin, and its reasons add up to the margin, largest first", () => {
  const scorer = createScorer(model);
  const row = Float64Array.of(900, 7, 0.5);
  assert.equal(scorer.margin(row), 1.125);
  assert.ok(Math.abs(scorer.probability(row) - (0.4 + (2.125 / 3) * 0.55)) < 1e-12);
  const { expected, contributions } = scorer.explain(row);
  assert.ok(Math.abs(expected + contributions.reduce((sum, { adds }) => sum + adds, 0) - 1.125) < 1e-9);
  assert.deepEqual(
    contributions.map(({ feature }) => feature),
    ["amount", "count", "noise"],
  );
  assert.equal(contributions[2]?.adds, 0);
});

test("the card says what the model is, in numbers and as a page", () => {
  const card = modelCard(model);
  assert.deepEqual([card.trees, card.nodes, card.depth, card.calibration, card.rows], [2, 6, 2, "isotonic", 400]);
  assert.equal(card.bytes, modelText(model).text.length);
  assert.deepEqual(
    card.features.map(({ name, share }) => [name, share]),
    [
      ["amount", 0.5],
      ["count", 0.5],
      ["noise", 0],
    ],
  );
  assert.ok(Math.abs((card.review_margin ?? 0) - (-1 + (0.4 / 0.55) * 3)) < 1e-5);
  assert.equal(modelCard({ ...model, calibration: { kind: "isotonic", x: [0], y: [0.5] } }).review_margin, null);
  const page = modelCardMarkdown(card);
  for (const part of [card.hash, "400 rows, 40 of them fraud", "2026-01-31", "| amount | eur | 0.5000 |", "| validation_auc | 0.9000 |"]) {
    assert.ok(page.includes(part), part);
  }
});
