import Type from "typebox";
import { reasonCodes } from "./assessment.ts";
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

/** The reply's assessment, as `presentAssessment` makes it. */
export const assessmentSchema = Type.Object(
  {
    risk_score: unit("Above 0.8 a payment waits for a reviewer."),
    model: Type.Literal(MODEL, { description: "What scored the payment." }),
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
    reasons: Type.Array(Type.Enum([...reasonCodes]), { description: "Factors that added notably, largest first." }),
    velocity_count: Type.Integer({ minimum: 1, description: "Payments in the last 30 minutes, this one included; saturates at 17." }),
  },
  { additionalProperties: false },
);
