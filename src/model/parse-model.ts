import { hash } from "node:crypto";
import { canonicalJson } from "#kernel/canonical-json.ts";
import type { JsonObject, JsonValue } from "#kernel/json.ts";
import type { Refusal } from "#kernel/problems.ts";
import type { Calibration } from "./calibration.ts";
import { COVER_MIN, checkForestSize, checkTree, limits, SUM_MAX } from "./check-tree.ts";
import type { ModelFeature } from "./dataset.ts";
import { MODEL_FORMAT, type Model, type Training } from "./model.ts";
import {
  arrayAt,
  exactObjectAt,
  integerAt,
  integersAt,
  malformed,
  numberAt,
  numbersAt,
  objectAt,
  orRefusal,
  parseText,
  textAt,
} from "./read-json.ts";
import { LEAF, type Tree } from "./tree.ts";

const NAME = /^[A-Za-z0-9_.:\-[\]]{1,100}$/;
const UNIT = /^[A-Za-z0-9_%/\- ]{1,40}$/;
const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$/;
const HASH = /^[0-9a-f]{64}$/;
const ENTRIES_MAX = 100;
const MARGIN_MAX = limits.margin;

function parseFeatures(value: JsonValue | undefined): ModelFeature[] {
  const names = new Set<string>();
  const features = arrayAt(value, "features", limits.features).map((entry, index) => {
    const at = `features[${index}]`;
    const object = exactObjectAt(entry, at, ["name", "unit"]);
    const name = textAt(object["name"], `${at}.name`, NAME);
    if (names.has(name)) malformed(`${at}.name`, "is there twice");
    names.add(name);
    return { name, unit: textAt(object["unit"], `${at}.unit`, UNIT) };
  });
  if (features.length === 0) malformed("features", "must not be empty");
  return features;
}

const TREE_MEMBERS = ["feature", "value", "left", "right", "default_left", "cover", "gain"] as const;

function parseTree(value: JsonValue, at: string, width: number): Tree {
  const object = exactObjectAt(value, at, TREE_MEMBERS);
  const { length } = arrayAt(object["feature"], `${at}.feature`, limits.nodesOfTree);
  if (length === 0) malformed(`${at}.feature`, "must not be empty");
  const feature = integersAt(object["feature"], `${at}.feature`, length, LEAF, width - 1);
  const tree: Tree = {
    feature,
    value: numbersAt(object["value"], `${at}.value`, length),
    left: integersAt(object["left"], `${at}.left`, length, 0, length - 1),
    right: integersAt(object["right"], `${at}.right`, length, 0, length - 1),
    defaultLeft: Uint8Array.from(integersAt(object["default_left"], `${at}.default_left`, length, 0, 1)),
    cover: numbersAt(object["cover"], `${at}.cover`, length, COVER_MIN, SUM_MAX),
    gain: numbersAt(object["gain"], `${at}.gain`, length, 0, SUM_MAX),
  };
  checkTree(tree, at);
  for (const [node, entry] of tree.value.entries()) {
    if (feature[node] === LEAF && Math.abs(entry) > MARGIN_MAX) malformed(`${at}.value[${node}]`, `a leaf is at most ${MARGIN_MAX}`);
  }
  return tree;
}

function parseCalibration(value: JsonValue | undefined): Calibration {
  const at = "calibration";
  const kind = objectAt(value, at)["kind"];
  if (kind === "none") {
    exactObjectAt(value, at, ["kind"]);
    return { kind };
  }
  if (kind === "platt") {
    const object = exactObjectAt(value, at, ["kind", "slope", "intercept"]);
    return {
      kind,
      slope: numberAt(object["slope"], `${at}.slope`, 0, MARGIN_MAX),
      intercept: numberAt(object["intercept"], `${at}.intercept`, -MARGIN_MAX, MARGIN_MAX),
    };
  }
  if (kind !== "isotonic") return malformed(`${at}.kind`, "must be none, platt or isotonic");
  const object = exactObjectAt(value, at, ["kind", "x", "y"]);
  const { length } = arrayAt(object["x"], `${at}.x`, limits.curvePoints);
  if (length === 0) malformed(`${at}.x`, "must not be empty");
  const x = [...numbersAt(object["x"], `${at}.x`, length)];
  const y = [...numbersAt(object["y"], `${at}.y`, length, 0, 1)];
  for (let i = 1; i < length; i++) {
    if ((x[i] as number) <= (x[i - 1] as number)) malformed(`${at}.x[${i}]`, "must be above the one before");
    if ((y[i] as number) < (y[i - 1] as number)) malformed(`${at}.y[${i}]`, "must not be below the one before");
  }
  return { kind, x, y };
}

function timeOrNull(value: JsonValue | undefined, at: string): string | null {
  if (value === null) return null;
  const text = textAt(value, at, TIMESTAMP);
  return Number.isNaN(Date.parse(text)) ? malformed(at, "must be a time that exists") : text;
}

function parseTraining(value: JsonValue | undefined): Training {
  const at = "training";
  const object = exactObjectAt(value, at, ["source", "from", "to", "rows", "positives", "options"]);
  const source = object["source"];
  if (source !== "trained" && source !== "xgboost") return malformed(`${at}.source`, "must be trained or xgboost");
  const rows = integerAt(object["rows"], `${at}.rows`, 0, Number.MAX_SAFE_INTEGER);
  return {
    source,
    from: timeOrNull(object["from"], `${at}.from`),
    to: timeOrNull(object["to"], `${at}.to`),
    rows,
    positives: integerAt(object["positives"], `${at}.positives`, 0, rows),
    options: parseOptions(object["options"], `${at}.options`),
  };
}

function entriesAt(value: JsonValue | undefined, at: string): [string, JsonValue | undefined][] {
  const entries = Object.entries(objectAt(value, at));
  if (entries.length > ENTRIES_MAX) malformed(at, `must have at most ${ENTRIES_MAX} members`);
  for (const [name] of entries) textAt(name, `${at}.${name.slice(0, 100)}`, NAME);
  return entries;
}

function parseOptions(value: JsonValue | undefined, at: string): Training["options"] {
  const entries = entriesAt(value, at).map(([name, entry]) => {
    if (typeof entry === "boolean" || (typeof entry === "string" && entry.length <= 1000)) return [name, entry] as const;
    return [name, numberAt(entry, `${at}.${name}`)] as const;
  });
  return Object.fromEntries(entries);
}

function parseBody(object: JsonObject): Model {
  if (object["format"] !== MODEL_FORMAT) malformed("format", `must be ${MODEL_FORMAT}`);
  const features = parseFeatures(object["features"]);
  const trees = arrayAt(object["trees"], "trees", limits.trees).map((tree, index) => parseTree(tree, `trees[${index}]`, features.length));
  checkForestSize(trees);
  return {
    features,
    base: numberAt(object["base"], "base", -MARGIN_MAX, MARGIN_MAX),
    trees,
    calibration: parseCalibration(object["calibration"]),
    training: parseTraining(object["training"]),
    metrics: Object.fromEntries(entriesAt(object["metrics"], "metrics").map(([name, entry]) => [name, numberAt(entry, `metrics.${name}`)])),
  };
}

const MEMBERS = ["format", "features", "base", "trees", "calibration", "training", "metrics", "hash"] as const;

/**
 * Reads a model's text as `modelText` wrote it. Everything is checked: sizes, depth, that every tree is one, that every
 * number is finite, that the calibration does not fall, and that the hash is the content's. Refuses with
 * `invalid_request`, naming the place.
 */
export function parseModel(
  text: string,
): { readonly ok: true; readonly value: { readonly model: Model; readonly hash: string } } | Refusal {
  return orRefusal(() => {
    const object = exactObjectAt(parseText(text, limits.textLength), "model", MEMBERS);
    const said = textAt(object["hash"], "hash", HASH);
    const model = parseBody(object);
    const digest = hash("sha256", canonicalJson({ ...object, hash: undefined }), "hex");
    if (digest !== said) malformed("hash", "is not that of the content");
    return { model, hash: digest };
  });
}
