import type { Organisation } from "#test/support/app.ts";
import type { Client } from "#test/support/http-client.ts";
import { ok } from "#test/support/http-client.ts";
import type { Landmarks, OperationCase } from "./case.ts";

/** Hits nothing, so that one in force leaves the payments of other cases alone. */
const rule = {
  name: "never",
  description: "For tests",
  expression: "amount < 0 && payer_count_24h > 3.0",
  action: "review",
  reason_code: "for_tests",
  internal_text: "For tests",
  enabled: true,
};
const ruleSet = { description: "For tests", rules: [rule] };

async function draft(api: Client): Promise<string> {
  return ok(await api.post("/v1/risk/rule-sets", ruleSet), 201).id;
}

/** A draft of somebody else. */
async function foreignDraft({ api }: Organisation): Promise<string> {
  return draft(api.as(ok(await api.post("/v1/api-keys", { name: "Drafts", scopes: ["rules:write"] }), 201).secret));
}

/** One dry run of an organisation runs at a time: whatever runs is canceled first. */
async function free({ api }: Organisation): Promise<void> {
  for (const { id, status } of ok(await api.get("/v1/risk/dry-runs?limit=5"), 200).data)
    if (status === "running") ok(await api.post(`/v1/risk/dry-runs/${id}/cancel`), 200);
}

async function dryRun(organisation: Organisation, id: string): Promise<string> {
  await free(organisation);
  return ok(await organisation.api.post(`/v1/risk/rule-sets/${id}/dry-runs`, { days: 1 }), 202).id;
}

/** Two of each, so that a page of one has a next one. */
export async function ruleLandmarks(organisation: Organisation): Promise<Pick<Landmarks, "rul" | "lst" | "dry">> {
  const { api } = organisation;
  await draft(api);
  const rul = await draft(api);
  ok(await api.post("/v1/risk/lists", { name: "landmark" }), 201);
  const lst = ok(await api.post("/v1/risk/lists", { name: "blocked_payees" }), 201).id;
  ok(await api.post(`/v1/risk/lists/${lst}/entries`, { values: ["one", "two"] }), 200);
  await dryRun(organisation, rul);
  const dry = await dryRun(organisation, rul);
  await free(organisation);
  return { rul, lst, dry };
}

const reads = (prepare: OperationCase["prepare"]): OperationCase => ({ prepare, status: 200, events: [] });
let names = 0;

/** The operations of risk rules, by their operationIds. */
export const ruleCases: Readonly<Record<string, OperationCase>> = {
  createRuleSet: { prepare: () => ({ body: ruleSet }), status: 201, events: ["rule_set.created"] },
  getRuleSet: reads((_organisation, { rul }) => ({ id: rul })),
  listRuleSets: reads(() => ({ query: { limit: "1" } })),
  updateRuleSet: { prepare: async ({ api }) => ({ id: await draft(api), body: ruleSet }), status: 200, events: ["rule_set.updated"] },
  activateRuleSet: {
    prepare: async (organisation) => ({ id: await foreignDraft(organisation) }),
    status: 200,
    sensitive: true,
    events: ["rule_set.activated"],
  },
  getRiskPolicy: reads(() => ({})),
  updateRiskPolicy: {
    prepare: () => ({ body: { challenge_above: 0.8, review_above: 0.8, block_above: 1 } }),
    status: 200,
    sensitive: true,
    events: ["risk_policy.updated"],
  },

  createRiskList: {
    prepare: () => ({ body: { name: `list_${++names}`, description: "For tests" } }),
    status: 201,
    events: ["risk_list.created"],
  },
  getRiskList: reads((_organisation, { lst }) => ({ id: lst })),
  listRiskLists: reads(() => ({ query: { limit: "1" } })),
  listRiskListEntries: reads((_organisation, { lst }) => ({ id: lst, query: { limit: "1" } })),
  addRiskListEntries: {
    prepare: (_organisation, { lst }) => ({ id: lst, body: { values: [`value-${++names}`] } }),
    status: 200,
    events: ["risk_list.entries_added"],
  },
  removeRiskListEntries: {
    prepare: (_organisation, { lst }) => ({ id: lst, body: { values: ["nobody"] } }),
    status: 200,
    events: ["risk_list.entries_removed"],
  },

  startDryRun: {
    async prepare(organisation, { rul }) {
      await free(organisation);
      return { id: rul, body: { days: 1 } };
    },
    status: 202,
    events: ["dry_run.started"],
  },
  getDryRun: reads((_organisation, { dry }) => ({ id: dry })),
  listDryRuns: reads(() => ({ query: { limit: "1" } })),
  cancelDryRun: {
    prepare: async (organisation, { rul }) => ({ id: await dryRun(organisation, rul) }),
    status: 200,
    events: ["dry_run.canceled"],
  },
};
