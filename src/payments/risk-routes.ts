import { Type } from "typebox";
import type { HttpServer } from "#http/index.ts";
import { exampleId, ref, sendObject, sendRefusal } from "#http/index.ts";
import type { HoldId, TransactionId } from "#kernel/ids.ts";
import { idPattern } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import type { PaymentDeps } from "./deps.ts";
import { explainAssessment } from "./explain-assessment.ts";
import { riskAssessmentSchema } from "./risk-schema.ts";

/** Routes of risk assessments. */
export function riskRoutes(app: HttpServer, deps: Pick<PaymentDeps, "store" | "models" | "clock">): void {
  app.addSchema(riskAssessmentSchema);
  app.get(
    "/v1/risk/assessments/:id",
    {
      config: { access: "key", scope: "risk:read", cost: 2, problems: ["not_found"] },
      schema: {
        operationId: "getRiskAssessment",
        tags: ["Risk"],
        summary: "Explain how a payment was judged",
        description:
          "Everything that was stored with the decision: factors, features, rules, models, thresholds; what became of it; and the score " +
          "computed again from all that. Also of blocked payments. What was never judged (deposits, reversals) is not found.",
        params: Type.Object({
          id: Type.Unsafe<TransactionId | HoldId>(
            Type.String({
              pattern: `${idPattern("transaction")}|${idPattern("hold")}`,
              description: "Id of the transaction or hold.",
              examples: [exampleId("transaction")],
            }),
          ),
        }),
        response: { 200: ref("RiskAssessment") },
      },
    },
    async (request, reply) => {
      const found = await explainAssessment(deps, request.caller.principal.organisationId, request.params.id);
      return found === undefined ? sendRefusal(reply, refuse("not_found")) : sendObject(reply, found);
    },
  );
}
