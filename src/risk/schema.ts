import Type from "typebox";
import { reasonCodes } from "./assessment.ts";
import { riskActions } from "./verdict.ts";
import { type FactorName, MODEL } from "./factors-config.ts";

/** The request's `RiskContext`. That coordinates come in pairs, and the address's form, is `checkRiskContext`'s. */
export const riskContextSchema = Type.Object(
  {
    device_id: Type.Optional(
      Type.String({ minLength: 1, maxLength: 128, pattern: "\\S", description: "Stable id of the customer's device." }),
    ),
    ip: Type.Optional(Type.String({ minLength: 2, maxLength: 45, pattern: "^[0-9A-Fa-f:.]+$", description: "IPv4 or IPv6 address." })),
    latitude: Type.Optional(Type.Number({ minimum: -90, maximum: 90, description: "Degrees, together with longitude." })),
    longitude: Type.Optional(Type.Number({ minimum: -180, maximum: 180, description: "Degrees, together with latitude." })),
    country: Type.Optional(Type.String({ pattern: "^[A-Z]{2}$", description: "ISO 3166-1 alpha-2." })),
    user_agent: Type.Optional(
      Type.String({ minLength: 1, maxLength: 512, pattern: "\\S", description: "`User-Agent` of the customer's browser or app." }),
    ),
  },
  { additionalProperties: false, description: "Circumstances of the payment. More of them make a fairer score." },
);

const unit = (description?: string) => Type.Number({ minimum: 0, maximum: 1, ...(description === undefined ? {} : { description }) });

/** A rule that took part, as `presentHit` makes it. */
export const ruleHitSchema = Type.Object(
  {
    rule: Type.String({ description: "The name of the rule in its rule set." }),
    action: Type.Enum([...riskActions], { description: "What it asks for." }),
    reason_code: Type.String({ description: "What the rule gives as its reason." }),
    failed: Type.Optional(
      Type.Boolean({ description: "Present and true where its expression could not be evaluated, so that the cautious action holds." }),
    ),
  },
  { additionalProperties: false, description: "A rule that took part in the decision." },
);

/** The reply's assessment, as `presentAssessment` makes it. */
export const assessmentSchema = Type.Object(
  {
    risk_score: unit(
      "The score that decides: the model's where one is in force, the five factors' otherwise. The thresholds are the organisation's.",
    ),
    model: Type.String({ description: `What gave the score: \`${MODEL}\`, the five factors, or the id of a model.` }),
    factors: Type.Object(
      {
        velocity: unit("How many payments the payer has made lately."),
        amount: unit("How far the amount is from the payer's usual ones."),
        location: unit("How far the place is from the payer's usual ones, and from where the payer was last."),
        device: unit("Whether the payer is known by this device."),
        behaviour: unit("Unusual hour, new payee, changed user agent."),
      } satisfies Record<FactorName, unknown>,
      { additionalProperties: false, description: "Before weighting." },
    ),
    reasons: Type.Array(Type.Enum([...reasonCodes]), {
      description: "Why the payment does not simply post, then the factors that added notably, largest first.",
    }),
    velocity_count: Type.Integer({ minimum: 1, description: "Payments in the last 30 minutes, this one included; saturates at 17." }),
    action: Type.Optional(
      Type.Enum([...riskActions], {
        description:
          "What score and rules ask for together. A `challenge` waits for the payer, or where the payer cannot be asked for a review. Absent in " +
          "assessments of before there were rules.",
      }),
    ),
    rules: Type.Optional(Type.Array(ruleHitSchema, { description: "The rules that hit, in their order; absent where none did." })),
  },
  { additionalProperties: false },
);
