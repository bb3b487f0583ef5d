import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import {
  described,
  idField,
  listOf,
  pageOf,
  pageParameters,
  readPage,
  readTimes,
  ref,
  sendExecuted,
  sendObject,
  sendRefusal,
  timeParameter,
} from "#http/index.ts";
import { refuse } from "#kernel/problems.ts";
import { readTransaction } from "#ledger/index.ts";
import type { LabelDeps } from "./post-label.ts";
import { postLabel } from "./post-label.ts";
import { presentLabel } from "./present.ts";
import { labelsOf, listLabels } from "./read.ts";
import { labelBody, labelSchema } from "./schema.ts";

/** Routes of risk labels. */
export function labelRoutes(app: HttpServer, deps: LabelDeps): void {
  app.addSchema(labelSchema);
  const tags = ["Risk"];

  app.post(
    "/v1/risk/labels",
    {
      config: {
        access: "key",
        scope: "risk:write",
        idempotent: true,
        // Whoever can tell what was fraud can teach the model to look away.
        sensitive: true,
        problems: ["transaction_not_found", "transaction_not_scored", "too_many_labels", "contention"],
      },
      schema: {
        operationId: "createRiskLabel",
        tags,
        summary: "Tell what a transaction was",
        description:
          "For what comes out later: disputes and confirmed fraud. A later label supersedes an earlier one, also that of a review; what " +
          "was told before stays in `superseded`. Moves no money.",
        body: labelBody,
        response: { 201: ref("RiskLabel") },
      },
    },
    async (request, reply) => sendExecuted(reply, await postLabel(deps, askedBy(request), request.body)),
  );

  app.get(
    "/v1/risk/labels",
    {
      config: { access: "key", scope: "risk:read", cost: 2, problems: ["invalid_cursor", "transaction_not_found"] },
      schema: {
        operationId: "listRiskLabels",
        tags,
        summary: "List risk labels, latest told first",
        description: "Decided reviews leave labels, and so does POST /v1/risk/labels. Times are those of the latest judgement.",
        querystring: Type.Object(
          {
            ...pageParameters,
            transaction_id: Type.Optional(idField("transaction", "Only the label of this transaction.")),
            decided_from: described(timeParameter, "Only those told at this time or later, RFC 3339."),
            decided_to: described(timeParameter, "Only those told at this time or earlier, RFC 3339."),
          },
          { additionalProperties: false },
        ),
        response: { 200: pageOf("RiskLabel") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const { transaction_id, decided_from, decided_to } = request.query;
      const asked = readTimes({ decided_from, decided_to });
      if (!asked.ok) return sendRefusal(reply, asked);
      const { decided_from: from, decided_to: to } = asked.times;
      const { limit, cursor } = readPage(request.query);
      if (transaction_id !== undefined) {
        if (cursor !== undefined) return sendRefusal(reply, refuse("invalid_cursor", "cursor"));
        if ((await readTransaction(deps.store, organisationId, transaction_id)) === undefined)
          return sendRefusal(reply, refuse("transaction_not_found", "transaction_id"));
        const label = (await labelsOf(deps.store, organisationId, [transaction_id])).get(transaction_id);
        const told = label?.current.decidedAt ?? 0;
        const wanted = label !== undefined && (from === undefined || told >= from) && (to === undefined || told <= to);
        return sendObject(reply, listOf(wanted ? [presentLabel(label)] : [], undefined));
      }
      const page = await listLabels(deps.store, organisationId, { from, to, order: "descending", limit, cursor });
      return sendObject(reply, listOf(page.labels.map(presentLabel), page.cursor));
    },
  );
}
