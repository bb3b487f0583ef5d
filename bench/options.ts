import { parseArgs } from "node:util";

/** What runs behind the payments. */
export const workerRowNames = ["audit_sealing", "webhook_deliveries", "open_streams"] as const;
export type WorkerRowName = (typeof workerRowNames)[number];

export const rowNames = [
  "transfer_single",
  "transfer_batch",
  "transfer_hot_account",
  "read_account",
  "read_transaction",
  "start_up",
  ...workerRowNames,
] as const;
export type RowName = (typeof rowNames)[number];

export interface Options {
  readonly only: readonly RowName[];
  readonly store: "sqlite" | "dynamodb";
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly accounts: number;
  /** For single transfers and reads; the first one is the main row's. */
  readonly connections: readonly number[];
  readonly json: boolean;
  /** Take CPU profiles of the server and print where its time went. */
  readonly profile: boolean;
}

export const USAGE = `npm run bench -- [options]
  --only NAME,…         rows: ${rowNames.join(", ")}
  --store KIND          sqlite (default) or dynamodb (a local DynamoDB API server)
  --seconds N           measured time of a row, default 8
  --warm-up N           time before it, default 10: a server that has just started compiles and fills its memory
  --accounts N          funded accounts, two to a user; default 100000 (dynamodb: 2000)
  --connections N,…     default 64,256 (dynamodb: 64)
  --json                one JSON object a row on standard output
  --profile             CPU profiles of the server, summarised after each row
  --draw FILE SVG       draw the rows of a file that --json wrote, and measure nothing
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
      only: { type: "string" },
      store: { type: "string", default: "sqlite" },
      seconds: { type: "string", default: "8" },
      "warm-up": { type: "string", default: "10" },
      accounts: { type: "string" },
      connections: { type: "string" },
      json: { type: "boolean", default: false },
      profile: { type: "boolean", default: false },
    },
  });
  const { store } = values;
  if (store !== "sqlite" && store !== "dynamodb") throw new Error("--store must be sqlite or dynamodb");
  const all: readonly RowName[] = store === "sqlite" ? rowNames : ["transfer_single", "transfer_batch", "read_account"];
  const only = values.only?.split(",").map((name) => {
    const known = all.find((candidate) => candidate === name);
    if (known === undefined) throw new Error(`--only knows ${all.join(", ")} on ${store}, not ${name}`);
    return known;
  });
  const connections = values.connections ?? (store === "sqlite" ? "64,256" : "64");
  return {
    only: only ?? all,
    store,
    seconds: integer("seconds", values.seconds, 1, 600),
    warmUpSeconds: integer("warm-up", values["warm-up"], 0, 600),
    accounts: integer("accounts", values.accounts ?? (store === "sqlite" ? "100000" : "2000"), 10, 5_000_000),
    connections: connections.split(",").map((text) => integer("connections", text, 1, 5_000)),
    json: values.json,
    profile: values.profile,
  };
}
