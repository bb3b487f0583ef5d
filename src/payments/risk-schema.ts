import { Type } from "typebox";
import { described, exampleId, idField, nullable, timestampField } from "#http/index.ts";
import { factorNames, riskActions, ruleHitSchema, assessmentSchema } from "#risk/index.ts";
import { labelSources, labelValues } from "#labels/index.ts";
import { examples } from "./examples.ts";
import { reasonCodes } from "./review-reasons.ts";
import { reviewStatuses } from "./review.ts";

const unit = (description: string) => Type.Number({ minimum: 0, maximum: 1, description });
const closed = { additionalProperties: false } as const;
const key = "The API key that decided; null where none did.";

/** One decision, explained. */
export const riskAssessmentSchema = Type.Object(
  {
    id: Type.String({ description: "Id of the transaction or hold that was judged.", examples: [exampleId("transaction")] }),
    object: Type.Literal("risk_assessment"),
    subject: Type.Enum(["transaction", "hold"], { description: "What was judged." }),
    risk_score: unit("The score that decided."),
    model: Type.String({ description: "What gave the score: `factors-1`, the five factors, or the id of a model." }),
    reasons: assessmentSchema.properties.reasons,
    velocity_count: assessmentSchema.properties.velocity_count,
    action: Type.Optional(
      Type.Enum([...riskActions], { description: "What score and rules asked for together; absent where the factors alone decided." }),
    ),
    rules: Type.Optional(Type.Array(ruleHitSchema, { description: "The rules that hit, in their order; absent where none did." })),
    factor_score: unit("The weighted sum of the five factors, whatever decided."),
    factors: Type.Array(
      Type.Object(
        {
          name: Type.Enum([...factorNames], { description: "The factor." }),
          value: unit("Its score."),
          weight: unit("What it weighs; together exactly 1."),
          contribution: unit("Value times weight: what it adds to `factor_score`, before that is rounded up."),
        },
        closed,
      ),
      { description: "The five factors." },
    ),
    features_version: nullable(
      Type.Integer({ minimum: 1 }),
      "How features were declared when the payment was judged; null where none were kept.",
    ),
    features: nullable(
      Type.Array(
        Type.Object(
          {
            name: Type.String({ description: "The feature, as rules and models name it." }),
            value: Type.Number({ description: "What it was before this payment, rounded to thousandths, as it was scored." }),
            unit: Type.String({ description: "What it is measured in." }),
            source: Type.String({ description: "What it was read from: the payment, the account, or a profile." }),
            description: Type.String({ description: "What it says." }),
          },
          closed,
        ),
      ),
      "Every feature in its order; null where none were kept, or they are declared otherwise by now.",
    ),
    champion: nullable(
      Type.Object(
        {
          model: Type.String({ description: "Id of the model in force." }),
          score: unit("Its calibrated probability of fraud."),
          contributions: nullable(
            Type.Array(
              Type.Object(
                {
                  feature: Type.String({ description: "The feature." }),
                  contribution: Type.Number({ description: "Its exact Shapley value in log-odds; above 0 towards fraud." }),
                },
                closed,
              ),
            ),
            "The features that moved the score most, at most ten, computed now; null where the model is not kept any longer.",
          ),
        },
        closed,
      ),
      "The model that decided; null where the factors did.",
    ),
    shadow: nullable(
      Type.Object({ model: Type.String({ description: "Id of the model." }), score: unit("What it would have scored.") }, closed),
      "A model that was scored beside and decided nothing; null where there was none, or it was still being read.",
    ),
    rule_set: nullable(
      Type.Object(
        { id: idField("ruleSet", "The rule set in force."), number: Type.Integer({ minimum: 0, description: "Its number." }) },
        closed,
      ),
      "Null where no rules were in force.",
    ),
    thresholds: nullable(
      Type.Object(
        {
          challenge_above: nullable(unit("A score above is challenged."), "A score above this was to be challenged; null: none was."),
          review_above: unit("A score above this was to be reviewed."),
          block_above: nullable(unit("A score above is blocked."), "A score above this was to be blocked; null: none was."),
        },
        closed,
      ),
      "The thresholds of that moment; null where none were kept (review above 0.8).",
    ),
    outcome: Type.Object(
      {
        status: Type.String({ description: "The status of the transaction or hold now." }),
        review: nullable(
          Type.Object(
            {
              id: idField("review", "The review."),
              status: Type.Enum([...reviewStatuses], { description: "Its status." }),
              reason_code: nullable(Type.Enum([...reasonCodes]), "Why it was decided so; null until it is."),
              decided_at: nullable(timestampField, "When it was decided, RFC 3339; null until it is."),
              decided_by: nullable(Type.String(), key),
            },
            closed,
          ),
          "The review that it waited for; null where it needed none.",
        ),
        label: nullable(
          Type.Object(
            {
              label: Type.Enum([...labelValues], { description: "What the transaction was." }),
              source: Type.Enum([...labelSources], { description: "How it came out." }),
              decided_at: described(timestampField, "When that was told, RFC 3339."),
              decided_by: nullable(Type.String(), key),
            },
            closed,
          ),
          "What it turned out to be; null as long as nobody has told.",
        ),
      },
      { ...closed, description: "What became of it until now." },
    ),
    replayed_score: nullable(
      unit("The score."),
      "The score computed again, now, from what was stored; null where the model is not kept any longer.",
    ),
    matches: nullable(Type.Boolean(), "Whether that is the score that decided; null where it cannot be computed."),
    created_at: timestampField,
  },
  {
    $id: "RiskAssessment",
    ...closed,
    description: "How one payment or hold was judged: from what, by what, and what became of it.",
    examples: [examples.assessment],
  },
);
