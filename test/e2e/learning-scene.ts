import { modelText } from "#model/index.ts";
import type { Model } from "#model/index.ts";
import type { Scope } from "#kernel/scopes.ts";
import type { Organisation } from "../support/app.ts";
import type { ApiObject, Client } from "../support/http-client.ts";
import { ok } from "../support/http-client.ts";

export const DAY_MS = 86_400_000;
/** Frauds of these tests are of these amounts, minor units, which the five factors cannot see. */
const FRAUD_FROM = 1_100;
const FRAUD_TO = 1_200;

/** Customers and somebody to pay. */
export interface Town {
  readonly payers: readonly string[];
  readonly payees: readonly string[];
}

export async function makeTown(own: Organisation): Promise<Town> {
  const payers = await Promise.all(Array.from({ length: 6 }, () => own.account({ balance: 1_000_000_000 })));
  const payees = await Promise.all(Array.from({ length: 3 }, () => own.account()));
  return { payers, payees };
}

/**
 * Payments at one moment, of which those of the telling amounts are fraud and are labelled as such.
 * @returns the ids of the honest and of the fraudulent ones
 */
export async function payAndLabel(
  own: Organisation,
  { payers, payees }: Town,
  count: { readonly honest: number; readonly frauds: number },
): Promise<{ readonly honest: readonly string[]; readonly frauds: readonly string[] }> {
  const total = count.honest + count.frauds;
  // Spread over the batch, whose parts may be decided a moment apart.
  const isFraud = (n: number): boolean => Math.floor(((n + 1) * count.frauds) / total) > Math.floor((n * count.frauds) / total);
  const transfers = Array.from({ length: total }, (_, n) => {
    const fraud = isFraud(n);
    const spread = (n * 7_919) % 4_000;
    const amount = fraud ? FRAUD_FROM + (spread % (FRAUD_TO - FRAUD_FROM)) : spread < 800 ? 200 + spread : FRAUD_TO + spread;
    return { from_account_id: payers[n % payers.length], to_account_id: payees[n % payees.length], amount, currency: "EUR" };
  });
  const { results } = ok(await own.api.post("/v1/transfers/batch", { mode: "independent", transfers }), 200);
  const ids = results.map((result) => String(result["transaction_id"]));
  const frauds = ids.filter((_, n) => isFraud(n));
  const honest = ids.filter((_, n) => !isFraud(n));
  await Promise.all(
    frauds.map(async (transaction_id) =>
      ok(await own.api.post("/v1/risk/labels", { transaction_id, label: "fraud", source: "confirmed" }), 201),
    ),
  );
  return { honest, frauds };
}

/** Two cuts through the amount: what lies between gets one margin, what lies outside another. */
export function bandModel(inside: number, outside: number, seed = 0): Model {
  return {
    features: [{ name: "amount", unit: "reference cents" }],
    base: seed / 1e6,
    trees: [
      {
        feature: Int32Array.of(0, -1, 0, -1, -1),
        value: Float64Array.of(FRAUD_FROM, outside, FRAUD_TO, inside, outside),
        left: Int32Array.of(1, 0, 3, 0, 0),
        right: Int32Array.of(2, 0, 4, 0, 0),
        defaultLeft: Uint8Array.of(1, 0, 1, 0, 0),
        cover: Float64Array.of(100, 40, 60, 10, 50),
        gain: Float64Array.of(5, 0, 5, 0, 0),
      },
    ],
    calibration: { kind: "none" },
    training: { source: "trained", from: null, to: null, rows: 0, positives: 0, options: {} },
    metrics: {},
  };
}

/** Calls the frauds fraud, or with `false` everything else. */
export const goodModel = (good = true, seed = 0): string => modelText(good ? bandModel(2, -5, seed) : bandModel(-5, -2, seed)).text;

/** The client of a second person. */
export async function colleague(
  { api }: Organisation,
  scopes: readonly Scope[] = ["models:read", "models:write", "models:promote"],
): Promise<Client> {
  return api.as(ok(await api.post("/v1/api-keys", { name: "Colleague", scopes, rate_limit_per_minute: 1_000_000 }), 201).secret);
}

export async function importOwn(api: Client, content: string, more: object = {}): Promise<ApiObject> {
  return ok(await api.post("/v1/risk/models/import", { format: "smartfinance", content, label_delay_days: 1, ...more }), 201);
}

/** What XGBoost would write for one tree over two columns, of which only the first is looked at. */
export const xgboostModel = (change: (tree: Record<string, unknown>) => void = () => undefined): string => {
  const tree: Record<string, unknown> = {
    left_children: [1, -1, -1],
    right_children: [2, -1, -1],
    split_indices: [0, 0, 0],
    split_conditions: [1100.5, -0.5, 0.5],
    default_left: [1, 0, 0],
    sum_hessian: [10, 4, 6],
    loss_changes: [3, 0, 0],
  };
  change(tree);
  return JSON.stringify({
    learner: {
      feature_names: ["betrag", "unbenutzt"],
      objective: { name: "binary:logistic" },
      learner_model_param: { base_score: "5E-1", num_feature: "2", num_class: "0" },
      gradient_booster: { name: "gbtree", model: { trees: [tree] } },
    },
    version: [3, 0, 0],
  });
};
