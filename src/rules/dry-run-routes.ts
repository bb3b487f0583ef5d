import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import { idField, listOf, newestFirst, pageOf, pageSchema, readPage, ref, sendExecuted, sendObject, sendRefusal } from "#http/index.ts";
import { refuse } from "#kernel/problems.ts";
import { cancelDryRun, startDryRun } from "./change-dry-run.ts";
import type { RulesDeps } from "./deps.ts";
import { DRY_RUNS_TABLE, dryRuns, presentDryRun, readDryRun } from "./dry-run.ts";
import { PAYMENT_PARTS } from "./past-payments.ts";
import { dryRunSchema, startDryRunBody } from "./schema.ts";

const tags = ["Risk rules"];

/** Routes of dry runs. */
export function dryRunRoutes(app: HttpServer, deps: RulesDeps): void {
  app.addSchema(dryRunSchema);

  app.post(
    "/v1/risk/rule-sets/:id/dry-runs",
    {
      config: {
        access: "key",
        scope: "rules:write",
        cost: 20,
        idempotent: true,
        problems: ["not_found", "dry_run_running", "rule_set_invalid", "contention"],
      },
      schema: {
        operationId: "startDryRun",
        tags,
        summary: "Try a rule set on past payments",
        description:
          "In the background, one run of an organisation at a time; nothing comes of it but figures. Payments are judged by what was " +
          "stored of them: their amount, accounts, score and factors, and the features of those scored since features are kept. A rule " +
          "that reads something else (`context`, `payer_user_id`) counts as failed. Lists are taken as they are now.",
        params: Type.Object({ id: idField("ruleSet") }),
        body: startDryRunBody,
        response: { 202: ref("DryRun") },
      },
    },
    async (request, reply) => sendExecuted(reply, await startDryRun(deps, askedBy(request), request.params.id, request.body.days)),
  );

  app.get(
    "/v1/risk/dry-runs/:id",
    {
      config: { access: "key", scope: "rules:read", problems: ["not_found"] },
      schema: {
        operationId: "getDryRun",
        tags,
        summary: "Get a dry run",
        description: "With its figures so far.",
        params: Type.Object({ id: idField("dryRun") }),
        response: { 200: ref("DryRun") },
      },
    },
    async (request, reply) => {
      const run = await readDryRun(deps.store, request.caller.principal.organisationId, request.params.id);
      return run === undefined ? sendRefusal(reply, refuse("not_found")) : sendObject(reply, presentDryRun(run, PAYMENT_PARTS));
    },
  );

  app.get(
    "/v1/risk/dry-runs",
    {
      config: { access: "key", scope: "rules:read", cost: 5, problems: ["invalid_cursor"] },
      schema: {
        operationId: "listDryRuns",
        tags,
        summary: "List dry runs, newest first",
        description: "The list may lag behind a change by a moment.",
        querystring: pageSchema,
        response: { 200: pageOf("DryRun") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const page = await deps.store.query(newestFirst(DRY_RUNS_TABLE, "OrganisationDryRunsIndex", organisationId, readPage(request.query)));
      return sendObject(
        reply,
        listOf(
          page.items.map((item) => presentDryRun(dryRuns.fromItem(item), PAYMENT_PARTS)),
          page.cursor,
        ),
      );
    },
  );

  app.post(
    "/v1/risk/dry-runs/:id/cancel",
    {
      config: { access: "key", scope: "rules:write", idempotent: true, problems: ["not_found", "dry_run_finished"] },
      schema: {
        operationId: "cancelDryRun",
        tags,
        summary: "Cancel a dry run",
        description: "What was counted so far stays. Another one can be started at once.",
        params: Type.Object({ id: idField("dryRun") }),
        response: { 200: ref("DryRun") },
      },
    },
    async (request, reply) => sendExecuted(reply, await cancelDryRun(deps, askedBy(request), request.params.id)),
  );
}
