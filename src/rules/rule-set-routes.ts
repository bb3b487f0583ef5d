import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import {
  idField,
  listOf,
  pageOf,
  pageSchema,
  readPage,
  ref,
  sendExecuted,
  sendObject,
  sendRefusal,
  versionSeen,
  versionTagHeader,
} from "#http/index.ts";
import { refuse } from "#kernel/problems.ts";
import { activateRuleSet } from "./activate-rule-set.ts";
import { changePolicy } from "./change-policy.ts";
import { createRuleSet, updateRuleSet } from "./change-rule-set.ts";
import type { RulesDeps } from "./deps.ts";
import { listRuleSets } from "./list-rule-sets.ts";
import { policyTag, presentPolicy, readPolicy } from "./policy.ts";
import { presentRuleSet, readRuleSet } from "./rule-set.ts";
import { changePolicyBody, createRuleSetBody, riskPolicySchema, ruleSetSchema, ruleSetSummarySchema, updateRuleSetBody } from "./schema.ts";

const tags = ["Risk rules"];
const params = Type.Object({ id: idField("ruleSet") });
const headers = Type.Object({ "if-match": versionTagHeader });

/** Routes of rule sets and of the policy. */
export function ruleSetRoutes(app: HttpServer, deps: RulesDeps): void {
  for (const schema of [ruleSetSchema, ruleSetSummarySchema, riskPolicySchema]) app.addSchema(schema);

  app.post(
    "/v1/risk/rule-sets",
    {
      config: { access: "key", scope: "rules:write", cost: 5, idempotent: true, problems: ["limit_reached"] },
      schema: {
        operationId: "createRuleSet",
        tags,
        summary: "Draft a rule set",
        description:
          "Nothing is in force until another key activates it. An expression that is not valid is refused as `invalid_request`: `param` " +
          "is its place (`rules.3.expression`), `detail` names the rule and the character. Lists that rules ask about have to be there.",
        body: createRuleSetBody,
        response: { 201: ref("RuleSet") },
      },
    },
    async (request, reply) => sendExecuted(reply, await createRuleSet(deps, askedBy(request), request.body)),
  );

  app.get(
    "/v1/risk/rule-sets/:id",
    {
      config: { access: "key", scope: "rules:read", sends: ["ETag"], problems: ["not_found"] },
      schema: {
        operationId: "getRuleSet",
        tags,
        summary: "Get a rule set",
        description: "With all its rules, whether it is in force or not.",
        params,
        response: { 200: ref("RuleSet") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const set = await readRuleSet(deps.store, organisationId, request.params.id);
      if (set === undefined) return sendRefusal(reply, refuse("not_found"));
      const { policy } = await readPolicy(deps.store, organisationId);
      reply.header("etag", `"${set.version}"`);
      return sendObject(reply, presentRuleSet(set, policy.activeRuleSetId));
    },
  );

  app.get(
    "/v1/risk/rule-sets",
    {
      config: { access: "key", scope: "rules:read", cost: 5, problems: ["invalid_cursor"] },
      schema: {
        operationId: "listRuleSets",
        tags,
        summary: "List rule sets, newest first",
        description: "Without their rules. The list may lag behind a change by a moment.",
        querystring: pageSchema,
        response: { 200: pageOf("RuleSetSummary") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const { summaries, cursor } = await listRuleSets(deps, organisationId, readPage(request.query));
      return sendObject(reply, listOf(summaries, cursor));
    },
  );

  app.patch(
    "/v1/risk/rule-sets/:id",
    {
      config: {
        access: "key",
        scope: "rules:write",
        cost: 5,
        problems: ["not_found", "version_conflict", "rule_set_not_draft", "limit_reached"],
      },
      schema: {
        operationId: "updateRuleSet",
        tags,
        summary: "Change a draft",
        description:
          "`rules` replaces all rules. What was in force once cannot be changed any more: draft a new one. `If-Match` with the `ETag` seen " +
          "before refuses the change when the draft has changed since. Whoever edits a draft cannot activate it.",
        params,
        headers,
        body: updateRuleSetBody,
        response: { 200: ref("RuleSet") },
      },
    },
    async (request, reply) => {
      const version = versionSeen(request.headers);
      return sendExecuted(reply, await updateRuleSet(deps, askedBy(request), request.params.id, request.body, version));
    },
  );

  app.post(
    "/v1/risk/rule-sets/:id/activate",
    {
      config: {
        access: "key",
        scope: "rules:activate",
        cost: 5,
        sensitive: true,
        idempotent: true,
        problems: ["not_found", "version_conflict", "second_person_required", "rule_set_active", "rule_set_invalid", "contention"],
      },
      schema: {
        operationId: "activateRuleSet",
        tags,
        summary: "Put a rule set in force",
        description:
          "In the place of the one before: at once on the node that answers, within five seconds on every other. The key must not be one " +
          "that drafted or edited it. To go back, activate an earlier one; that needs a second person as well. `If-Match` makes sure that " +
          "what is put in force is what you have read.",
        params,
        headers,
        response: { 200: ref("RuleSet") },
      },
    },
    async (request, reply) => {
      const version = versionSeen(request.headers);
      return sendExecuted(reply, await activateRuleSet(deps, askedBy(request), request.params.id, version));
    },
  );

  app.get(
    "/v1/risk/policy",
    {
      config: { access: "key", scope: "rules:read", sends: ["ETag"] },
      schema: {
        operationId: "getRiskPolicy",
        tags,
        summary: "Get the risk policy",
        description: "What is done with a payment by its score, and which rules are in force.",
        response: { 200: ref("RiskPolicy") },
      },
    },
    async (request, reply) => {
      const { policy } = await readPolicy(deps.store, request.caller.principal.organisationId);
      reply.header("etag", `"${policyTag(policy)}"`);
      return sendObject(reply, presentPolicy(policy));
    },
  );

  app.put(
    "/v1/risk/policy",
    {
      config: { access: "key", scope: "rules:activate", sensitive: true, problems: ["version_conflict"] },
      schema: {
        operationId: "updateRiskPolicy",
        tags,
        summary: "Set the thresholds",
        description:
          "All of them; what is left out is off. Effective at once on the node that answers and within five seconds on every other. " +
          "Activating a rule set changes the version, too.",
        headers,
        body: changePolicyBody,
        response: { 200: ref("RiskPolicy") },
      },
    },
    async (request, reply) => {
      const version = versionSeen(request.headers);
      return sendExecuted(reply, await changePolicy(deps, askedBy(request), request.body, version));
    },
  );
}
