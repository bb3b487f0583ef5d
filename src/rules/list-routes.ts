import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import { idField, listOf, newestFirst, pageOf, pageSchema, readPage, ref, sendExecuted, sendObject, sendRefusal } from "#http/index.ts";
import { refuse } from "#kernel/problems.ts";
import { addEntries, createRuleList, removeEntries } from "./change-list.ts";
import type { RulesDeps } from "./deps.ts";
import { presentEntry, presentRuleList, readEntries, readRuleList, RULE_LISTS_TABLE, ruleLists } from "./rule-list.ts";
import { createRuleListBody, entriesBody, listEntrySchema, ruleListSchema } from "./schema.ts";

const tags = ["Risk rules"];
const params = Type.Object({ id: idField("ruleList") });

/** Routes of the lists that rules ask about. */
export function listRoutes(app: HttpServer, deps: RulesDeps): void {
  app.addSchema(ruleListSchema);
  app.addSchema(listEntrySchema);

  app.post(
    "/v1/risk/lists",
    {
      config: { access: "key", scope: "rules:write", idempotent: true, problems: ["list_name_taken", "limit_reached"] },
      schema: {
        operationId: "createRiskList",
        tags,
        summary: "Make a list",
        description:
          "Lists are not deleted, since a rule set that asks about one could not be gone back to; take their entries out instead.",
        body: createRuleListBody,
        response: { 201: ref("RiskList") },
      },
    },
    async (request, reply) => sendExecuted(reply, await createRuleList(deps, askedBy(request), request.body)),
  );

  app.get(
    "/v1/risk/lists/:id",
    {
      config: { access: "key", scope: "rules:read", sends: ["ETag"], problems: ["not_found"] },
      schema: {
        operationId: "getRiskList",
        tags,
        summary: "Get a list",
        description: "Without its entries, which have a list of their own.",
        params,
        response: { 200: ref("RiskList") },
      },
    },
    async (request, reply) => {
      const list = await readRuleList(deps.store, request.caller.principal.organisationId, request.params.id);
      if (list === undefined) return sendRefusal(reply, refuse("not_found"));
      reply.header("etag", `"${list.version}"`);
      return sendObject(reply, presentRuleList(list));
    },
  );

  app.get(
    "/v1/risk/lists",
    {
      config: { access: "key", scope: "rules:read", cost: 2, problems: ["invalid_cursor"] },
      schema: {
        operationId: "listRiskLists",
        tags,
        summary: "List the lists, newest first",
        description: "The list may lag behind a change by a moment.",
        querystring: pageSchema,
        response: { 200: pageOf("RiskList") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const page = await deps.store.query(
        newestFirst(RULE_LISTS_TABLE, "OrganisationRiskListsIndex", organisationId, readPage(request.query)),
      );
      return sendObject(
        reply,
        listOf(
          page.items.map((item) => presentRuleList(ruleLists.fromItem(item))),
          page.cursor,
        ),
      );
    },
  );

  app.get(
    "/v1/risk/lists/:id/entries",
    {
      config: { access: "key", scope: "rules:read", cost: 2, problems: ["not_found", "invalid_cursor"] },
      schema: {
        operationId: "listRiskListEntries",
        tags,
        summary: "List the entries of a list",
        description: "In an order that stays the same, and has no meaning.",
        params,
        querystring: pageSchema,
        response: { 200: pageOf("RiskListEntry") },
      },
    },
    async (request, reply) => {
      const { limit, cursor } = readPage(request.query);
      const list = await readRuleList(deps.store, request.caller.principal.organisationId, request.params.id);
      if (list === undefined) return sendRefusal(reply, refuse("not_found"));
      const page = await readEntries(deps.store, list.id, limit, cursor);
      if (page === undefined) return sendRefusal(reply, refuse("invalid_cursor", "cursor"));
      return sendObject(reply, listOf(page.entries.map(presentEntry), page.next));
    },
  );

  app.post(
    "/v1/risk/lists/:id/entries",
    {
      config: { access: "key", scope: "rules:write", cost: 5, idempotent: true, problems: ["not_found", "limit_reached"] },
      schema: {
        operationId: "addRiskListEntries",
        tags,
        summary: "Add entries to a list",
        description:
          "What is there already stays as it is. Rules in force see it at once on the node that answers, within five seconds on every other.",
        params,
        body: entriesBody,
        response: { 200: ref("RiskList") },
      },
    },
    async (request, reply) => sendExecuted(reply, await addEntries(deps, askedBy(request), request.params.id, request.body.values)),
  );

  app.post(
    "/v1/risk/lists/:id/entries/remove",
    {
      config: { access: "key", scope: "rules:write", cost: 5, idempotent: true, problems: ["not_found"] },
      schema: {
        operationId: "removeRiskListEntries",
        tags,
        summary: "Take entries out of a list",
        description: "What is not there is passed over. Rules in force see it as fast as an addition.",
        params,
        body: entriesBody,
        response: { 200: ref("RiskList") },
      },
    },
    async (request, reply) => sendExecuted(reply, await removeEntries(deps, askedBy(request), request.params.id, request.body.values)),
  );
}
