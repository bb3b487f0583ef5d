import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import {
  idField,
  listOf,
  newestFirst,
  pageOf,
  pageSchema,
  readPage,
  readTimes,
  ref,
  sendExecuted,
  sendObject,
  sendRefusal,
} from "#http/index.ts";
import { refuse } from "#kernel/problems.ts";
import { cancelTraining, startTraining } from "./change-training.ts";
import type { LearningDeps } from "./deps.ts";
import { presentTraining, readTraining, trainings, TRAININGS_TABLE } from "./training.ts";
import { trainingSchema, trainModelBody } from "./training-schema.ts";

const tags = ["Fraud models"];
const params = Type.Object({ id: idField("modelTraining") });

/** Routes of trainings. */
export function trainingRoutes(app: HttpServer, deps: LearningDeps): void {
  app.addSchema(trainingSchema);

  app.post(
    "/v1/risk/models/train",
    {
      config: {
        access: "key",
        scope: "models:write",
        cost: 20,
        idempotent: true,
        bodyOptional: true,
        problems: ["training_running", "limit_reached", "contention"],
      },
      schema: {
        operationId: "trainRiskModel",
        tags,
        summary: "Train a model",
        description:
          "In the background, one training of an organisation at a time. It learns from the payments of a window, as their decisions saw them, " +
          "and from their labels (reviews, disputes, confirmed fraud): what posted and has no label is taken as honest, what was refused and has " +
          "none is left out. The last fifth of the time is held back to stop and calibrate by. The model becomes a candidate and decides nothing.",
        body: trainModelBody,
        response: { 202: ref("ModelTraining") },
      },
    },
    async (request, reply) => {
      const { from, to, ...body } = request.body;
      const asked = readTimes({ from, to });
      if (!asked.ok) return sendRefusal(reply, asked);
      return sendExecuted(reply, await startTraining(deps, askedBy(request), body, asked.times));
    },
  );

  app.get(
    "/v1/risk/model-trainings/:id",
    {
      config: { access: "key", scope: "models:read", problems: ["not_found"] },
      schema: {
        operationId: "getModelTraining",
        tags,
        summary: "Get a training",
        description: "With its progress so far.",
        params,
        response: { 200: ref("ModelTraining") },
      },
    },
    async (request, reply) => {
      const training = await readTraining(deps.store, request.caller.principal.organisationId, request.params.id);
      return training === undefined ? sendRefusal(reply, refuse("not_found")) : sendObject(reply, presentTraining(training));
    },
  );

  app.get(
    "/v1/risk/model-trainings",
    {
      config: { access: "key", scope: "models:read", cost: 5, problems: ["invalid_cursor"] },
      schema: {
        operationId: "listModelTrainings",
        tags,
        summary: "List trainings, newest first",
        description: "The list may lag behind a change by a moment.",
        querystring: pageSchema,
        response: { 200: pageOf("ModelTraining") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const page = await deps.store.query(
        newestFirst(TRAININGS_TABLE, "OrganisationTrainingsIndex", organisationId, readPage(request.query)),
      );
      return sendObject(
        reply,
        listOf(
          page.items.map((item) => presentTraining(trainings.fromItem(item))),
          page.cursor,
        ),
      );
    },
  );

  app.post(
    "/v1/risk/model-trainings/:id/cancel",
    {
      config: { access: "key", scope: "models:write", idempotent: true, problems: ["not_found", "training_finished", "contention"] },
      schema: {
        operationId: "cancelModelTraining",
        tags,
        summary: "Cancel a training",
        description: "Nothing is kept of what was learnt so far. Another one can be started at once.",
        params,
        response: { 200: ref("ModelTraining") },
      },
    },
    async (request, reply) => sendExecuted(reply, await cancelTraining(deps, askedBy(request), request.params.id)),
  );
}
