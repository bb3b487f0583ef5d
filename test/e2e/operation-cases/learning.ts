import type { Organisation } from "#test/support/app.ts";
import type { Client } from "#test/support/http-client.ts";
import { ok } from "#test/support/http-client.ts";
import { colleague, DAY_MS, goodModel, importOwn, makeTown, payAndLabel, xgboostModel } from "../learning-scene.ts";
import type { Landmarks, OperationCase } from "./case.ts";

const MODELS = "/v1/risk/models";
let seeds = 100;

const candidate = async (api: Client): Promise<string> => (await importOwn(api, goodModel(true, ++seeds))).id;

/** One training of an organisation runs at a time: whatever runs is canceled first. */
async function free({ api }: Organisation): Promise<void> {
  for (const { id, status } of ok(await api.get("/v1/risk/model-trainings?limit=5"), 200).data)
    if (status === "running") ok(await api.post(`/v1/risk/model-trainings/${id}/cancel`), 200);
}

async function training(organisation: Organisation): Promise<string> {
  await free(organisation);
  return ok(await organisation.api.post(`${MODELS}/train`), 202).id;
}

/** Two of each, so that a page of one has a next one. */
export async function learningLandmarks(organisation: Organisation): Promise<Pick<Landmarks, "mdl" | "trn">> {
  await candidate(organisation.api);
  const mdl = await candidate(organisation.api);
  await training(organisation);
  const trn = await training(organisation);
  await free(organisation);
  return { mdl, trn };
}

const reads = (prepare: OperationCase["prepare"]): OperationCase => ({ prepare, status: 200, events: [] });

/** A model of somebody else, and later payments on which it is better than the factors. */
const promotable: OperationCase["prepare"] = async (organisation, _landmarks, clock) => {
  const id = await candidate(await colleague(organisation));
  await payAndLabel(organisation, await makeTown(organisation), { honest: 30, frauds: 20 });
  clock.advance(2 * DAY_MS);
  return { id, body: { review_capacity_per_day: 50 } };
};

async function rolledBack({ api }: Organisation): Promise<void> {
  const answer = await api.post(`${MODELS}/rollback`);
  if (answer.status !== 409) ok(answer, 200);
}

/** The operations of fraud models, by their operationIds. */
export const learningCases: Readonly<Record<string, OperationCase>> = {
  trainRiskModel: {
    async prepare(organisation) {
      await free(organisation);
      return {
        body: {
          from: "2026-01-01T00:00:00Z",
          to: "2026-02-01T00:00:00Z",
          label_delay_days: 3,
          description: "For tests",
          options: { rounds: 10, learning_rate: 0.1, max_depth: 3, positive_weight: 1, seed: 7 },
        },
      };
    },
    status: 202,
    events: ["model_training.started"],
  },
  getModelTraining: reads((_organisation, { trn }) => ({ id: trn })),
  listModelTrainings: reads(() => ({ query: { limit: "1" } })),
  cancelModelTraining: {
    prepare: async (organisation) => ({ id: await training(organisation) }),
    status: 200,
    events: ["model_training.canceled"],
  },
  importRiskModel: {
    prepare: () => ({
      body: {
        format: "xgboost",
        encoding: "text",
        content: xgboostModel(),
        features: { betrag: "amount" },
        description: "For tests",
        label_delay_days: 1,
      },
    }),
    status: 201,
    sensitive: true,
    events: ["risk_model.imported"],
  },
  getRiskModel: reads((_organisation, { mdl }) => ({ id: mdl })),
  listRiskModels: reads(() => ({ query: { limit: "1" } })),
  shadowRiskModel: {
    prepare: async ({ api }) => ({ id: await candidate(api) }),
    status: 200,
    sensitive: true,
    events: ["risk_model.shadowed"],
  },
  retireRiskModel: { prepare: async ({ api }) => ({ id: await candidate(api) }), status: 200, events: ["risk_model.retired"] },
  promoteRiskModel: {
    async prepare(organisation, landmarks, clock) {
      await rolledBack(organisation);
      return promotable(organisation, landmarks, clock);
    },
    status: 200,
    sensitive: true,
    events: ["risk_model.promoted"],
  },
  rollBackRiskModel: {
    async prepare(organisation, landmarks, clock) {
      await rolledBack(organisation);
      const { id } = await promotable(organisation, landmarks, clock);
      ok(await organisation.api.post(`${MODELS}/${id}/promote`), 200);
      return {};
    },
    status: 200,
    sensitive: true,
    events: ["risk_model.rolled_back"],
  },
};
