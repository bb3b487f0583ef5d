import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import { idField, listOf, newestFirst, pageOf, pageSchema, readPage, ref, sendExecuted, sendObject, sendRefusal } from "#http/index.ts";
import { refuse } from "#kernel/problems.ts";
import { retireModel, startShadow } from "./change-state.ts";
import type { LearningDeps } from "./deps.ts";
import { MIN_FRAUDS } from "./evaluation.ts";
import { importModel } from "./import-model.ts";
import { MODELS_TABLE, readModel, riskModels } from "./model-record.ts";
import { presentModel, summariseModel } from "./present-model.ts";
import { promoteModel } from "./promote-model.ts";
import { rollBackModel } from "./roll-back-model.ts";
import { importModelBody, promoteModelBody, riskModelSchema, riskModelSummarySchema, rollbackSchema } from "./schema.ts";

const tags = ["Fraud models"];
const params = Type.Object({ id: idField("riskModel") });

/** Routes of models. */
export function modelRoutes(app: HttpServer, deps: LearningDeps): void {
  for (const schema of [riskModelSchema, riskModelSummarySchema, rollbackSchema]) app.addSchema(schema);

  app.post(
    "/v1/risk/models/import",
    {
      config: {
        access: "key",
        scope: "models:write",
        cost: 50,
        sensitive: true,
        idempotent: true,
        problems: ["limit_reached", "contention"],
      },
      schema: {
        operationId: "importRiskModel",
        tags,
        summary: "Import a model",
        description:
          "Becomes a candidate and decides nothing. What it has seen is not known, so it is judged by payments made after the import only. " +
          "Whatever is wrong with the file is refused as `invalid_request` on `content`; `detail` names the place in it.",
        body: importModelBody,
        response: { 201: ref("RiskModel") },
      },
    },
    async (request, reply) => sendExecuted(reply, await importModel(deps, askedBy(request), request.body)),
  );

  app.get(
    "/v1/risk/models/:id",
    {
      config: { access: "key", scope: "models:read", problems: ["not_found"] },
      schema: {
        operationId: "getRiskModel",
        tags,
        summary: "Get a model",
        description: "With its card, and with what it was promoted on.",
        params,
        response: { 200: ref("RiskModel") },
      },
    },
    async (request, reply) => {
      const model = await readModel(deps.store, request.caller.principal.organisationId, request.params.id);
      return model === undefined ? sendRefusal(reply, refuse("not_found")) : sendObject(reply, presentModel(model));
    },
  );

  app.get(
    "/v1/risk/models",
    {
      config: { access: "key", scope: "models:read", cost: 5, problems: ["invalid_cursor"] },
      schema: {
        operationId: "listRiskModels",
        tags,
        summary: "List models, newest first",
        description: "Without their cards. The list may lag behind a change by a moment.",
        querystring: pageSchema,
        response: { 200: pageOf("RiskModelSummary") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const page = await deps.store.query(
        newestFirst(MODELS_TABLE, "OrganisationRiskModelsIndex", organisationId, readPage(request.query)),
      );
      return sendObject(
        reply,
        listOf(
          page.items.map((item) => summariseModel(riskModels.fromItem(item))),
          page.cursor,
        ),
      );
    },
  );

  app.post(
    "/v1/risk/models/:id/shadow",
    {
      config: {
        access: "key",
        scope: "models:write",
        sensitive: true,
        idempotent: true,
        problems: ["not_found", "model_in_force", "model_in_shadow", "model_unusable", "contention"],
      },
      schema: {
        operationId: "shadowRiskModel",
        tags,
        summary: "Run a model in the shadow",
        description:
          "From now on it scores every payment beside what decides, and its score is kept with the assessment; it changes nothing. One model at a " +
          "time: the one before becomes a candidate again.",
        params,
        response: { 200: ref("RiskModel") },
      },
    },
    async (request, reply) => sendExecuted(reply, await startShadow(deps, askedBy(request), request.params.id)),
  );

  app.post(
    "/v1/risk/models/:id/retire",
    {
      config: {
        access: "key",
        scope: "models:write",
        idempotent: true,
        problems: ["not_found", "model_in_force", "model_retired", "contention"],
      },
      schema: {
        operationId: "retireRiskModel",
        tags,
        summary: "Put a model aside",
        description:
          "Ends its run in the shadow. The model in force is not put aside: go back from it, or promote another. Nothing is deleted.",
        params,
        response: { 200: ref("RiskModel") },
      },
    },
    async (request, reply) => sendExecuted(reply, await retireModel(deps, askedBy(request), request.params.id)),
  );

  app.post(
    "/v1/risk/models/:id/promote",
    {
      config: {
        access: "key",
        scope: "models:promote",
        cost: 100,
        sensitive: true,
        idempotent: true,
        bodyOptional: true,
        problems: [
          "not_found",
          "second_person_required",
          "model_in_force",
          "model_unusable",
          "not_enough_evidence",
          "model_not_better",
          "contention",
        ],
      },
      schema: {
        operationId: "promoteRiskModel",
        tags,
        summary: "Put a model in force",
        description:
          "By another key than the one that trained or imported it, and only if it is better than what decides now: higher average precision, and " +
          "higher card precision at the review capacity (or both find every account that can be found). Both are held against each other on the " +
          "newest 50,000 payments that neither has learnt from, that are older than the label delay, and of which it is known what they were; it " +
          `takes ${MIN_FRAUDS} labelled frauds. What came out is kept with the model and in the audit log. It may take some seconds. Decides within ` +
          "five seconds on every node.",
        params,
        body: promoteModelBody,
        response: { 200: ref("RiskModel") },
      },
    },
    async (request, reply) => sendExecuted(reply, await promoteModel(deps, askedBy(request), request.params.id, request.body)),
  );

  app.post(
    "/v1/risk/models/rollback",
    {
      config: {
        access: "key",
        scope: "models:promote",
        cost: 5,
        sensitive: true,
        idempotent: true,
        problems: ["no_former_model", "second_person_required", "contention"],
      },
      schema: {
        operationId: "rollBackRiskModel",
        tags,
        summary: "Go back to the former model",
        description:
          "At once and without being judged again, step by step, up to ten steps; before the first model the five factors decided. Models that this " +
          "version of the product cannot use are passed over. Whoever trained or imported the model gone back to is refused.",
        response: { 200: ref("RiskModelRollback") },
      },
    },
    async (request, reply) => sendExecuted(reply, await rollBackModel(deps, askedBy(request))),
  );
}
