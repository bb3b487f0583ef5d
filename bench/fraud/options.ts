import { parseArgs } from "node:util";
import { DATA_START, SECONDS_PER_DAY } from "./read-data.ts";

export const rowNames = ["handbook_same_features", "handbook_own_features", "handbook_five_factors"] as const;
export type RowName = (typeof rowNames)[number];

export interface Options {
  readonly data: string;
  readonly only: readonly RowName[];
  readonly json: boolean;
  /** First day of training, counted from the data's beginning. */
  readonly from: number;
  readonly seed: number;
  /** Members of the ensemble. */
  readonly members: number;
  /** Where the pictures go. */
  readonly draw: string | undefined;
}

export const USAGE = `npm run bench:fraud -- [options]
  --data DIR        directory of the handbook's payments as .csv or .csv.gz (docs/fraud.md), default data/handbook
                    (where it is missing, payments of the project's own simulator, and rows named simulated_…)
  --only NAME,…     rows: ${rowNames.join(", ")}
  --train-from DAY  first of the seven days of training, default 2018-07-25; the test is the week two weeks later
  --seed N          default 1
  --members N       models trained with seeds of their own and averaged, default 1
  --json            one JSON object a row on standard output
  --draw DIR        also write fraud-precision-recall.svg, fraud-calibration.svg and fraud-importance.svg
`;

function integer(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most) throw new Error(`--${name} must be an integer from ${least} to ${most}`);
  return value;
}

/** @throws Error for what cannot be meant. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      data: { type: "string", default: "data/handbook" },
      only: { type: "string", default: rowNames.join(",") },
      "train-from": { type: "string", default: "2018-07-25" },
      seed: { type: "string", default: "1" },
      members: { type: "string", default: "1" },
      json: { type: "boolean", default: false },
      draw: { type: "string" },
    },
  });
  const from = (Date.parse(`${values["train-from"]}T00:00:00Z`) - DATA_START) / (SECONDS_PER_DAY * 1000);
  if (!Number.isInteger(from) || from < 0) throw new Error("--train-from must be a day such as 2018-07-25, not before 2018-04-01");
  const only = values.only.split(",").map((name) => {
    const known = rowNames.find((candidate) => candidate === name);
    if (known === undefined) throw new Error(`--only knows ${rowNames.join(", ")}, not ${name}`);
    return known;
  });
  return {
    data: values.data,
    only,
    json: values.json,
    from,
    seed: integer("seed", values.seed, 0, Number.MAX_SAFE_INTEGER),
    members: integer("members", values.members, 1, 15),
    draw: values.draw,
  };
}
