import assert from "node:assert/strict";
import { FEATURES, FEATURES_HASH } from "#features/index.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import { partitionOf } from "#kernel/ids.ts";
import type { Models, ModelsInForce, ModelSnapshot } from "#risk/index.ts";
import type { Organisation } from "../support/app.ts";
import type { ApiObject, Client } from "../support/http-client.ts";
import { ok } from "../support/http-client.ts";
import type { Stage } from "./stage.ts";

export const FUNDS = 1_000_000;
export const MINUTE_MS = 60_000;
/** More than one commit of DynamoDB takes. */
export const STRANGERS = 20;
/** How old a policy may be on a node that did not change it, ms. */
export const POLICY_MS = 5_000;

const AMOUNT = FEATURES.findIndex(({ name }) => name === "amount");

/** A model that takes a payment of 10,000 or more reference cents for fraud, whatever else is known. */
export function amountModel(id: string, featuresHash: string = FEATURES_HASH): ModelSnapshot {
  return {
    id,
    featuresHash,
    score: (vector) => ((vector[AMOUNT] ?? 0) >= 10_000 ? 0.95 : 0.05),
    explain: (vector) => FEATURES.map(({ name }, i) => ({ feature: name, contribution: i === AMOUNT ? (vector[AMOUNT] ?? 0) / 1000 : 0 })),
  };
}

/** Models as tests put them in force, by organisation. */
export interface TestModels extends Models {
  readonly inForce: Map<string, ModelsInForce>;
  /** Versions that are kept. */
  readonly kept: Map<string, ModelSnapshot>;
}

export function testModels(): TestModels {
  const inForce: TestModels["inForce"] = new Map();
  const kept: TestModels["kept"] = new Map();
  const none: ModelsInForce = { champion: undefined, shadow: undefined };
  return { inForce, kept, of: (id) => inForce.get(id) ?? none, find: (_organisation, id) => kept.get(id) };
}

export const setPolicy = async (api: Client, thresholds: object): Promise<ApiObject> =>
  ok(await api.send("PUT", "/v1/risk/policy", JSON.stringify(thresholds)), 200);

/** Puts rules in force, with the second person that takes. */
export async function activate(own: Organisation, rules: readonly object[]): Promise<string> {
  const { api } = own;
  const scopes = ["rules:read", "rules:write", "rules:activate"];
  const made = ok(await api.post("/v1/api-keys", { name: "Colleague", scopes, rate_limit_per_minute: 1_000_000 }), 201);
  const named = rules.map((rule, n) => ({ name: `rule_${n}`, reason_code: "our_reason", ...rule }));
  const { id } = ok(await api.post("/v1/risk/rule-sets", { rules: named }), 201);
  ok(await api.as(made.secret).post(`/v1/risk/rule-sets/${id}/activate`), 200);
  return id;
}

export const explain = async (api: Client, id: string): Promise<ApiObject> => ok(await api.get(`/v1/risk/assessments/${id}`), 200);

export function featureOf(explained: ApiObject, name: string): unknown {
  const features = explained["features"] as unknown as readonly { readonly name: string; readonly value: number }[];
  return features.find((feature) => feature.name === name)?.value;
}

export const blockedIn = (problem: ApiObject): string => /txn_\w+/.exec(String(problem["detail"]))?.[0] ?? "";

/** Two accounts, the first with money. */
export async function parties(own: Organisation): Promise<{ readonly payer: string; readonly payee: string }> {
  return { payer: await own.account({ balance: FUNDS }), payee: await own.account() };
}

/** Takes out of the store what an earlier version did not write. */
export async function makeOld(stage: Stage, organisation: string, transaction: string, accounts: readonly string[]): Promise<void> {
  const { store } = stage.app;
  const rewrite = async (table: "smartfinance-accounts" | "smartfinance-transactions", hash: string, range?: string): Promise<void> => {
    const item = await store.get(table, range === undefined ? { hash } : { hash, range });
    assert.ok(item);
    const { incoming: _incoming, assessment, ...rest } = item;
    const { model = null, score = null, factors = null, reasons = null, velocity_count = null } = (assessment ?? {}) as typeof item;
    const old = assessment === undefined ? rest : { ...rest, assessment: { model, score, factors, reasons, velocity_count } };
    const result = await store.commit([{ op: "put", table, item: old, condition: { version: Number(item["version"]) } }]);
    assert.equal(result.outcome, "committed");
  };
  await rewrite("smartfinance-transactions", partitionOf(organisation as OrganisationId, transaction), transaction);
  for (const account of accounts) await rewrite("smartfinance-accounts", account);
}
