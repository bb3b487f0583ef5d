import { Type } from "typebox";
import { idField, nullable, timestampField } from "#http/index.ts";
import type { LowValueMeasure, ScaMode } from "./policy.ts";
import { lowValueMeasures, scaModes } from "./policy.ts";

const policyFields = {
  sca: Type.Unsafe<ScaMode>(
    Type.String({
      enum: [...scaModes],
      description:
        "`off`: what risk challenges goes to a review. `risk_only`: the payer answers what risk challenges. `psd2`: every payment of a user's " +
        "account is authenticated unless an exemption covers it.",
    }),
  ),
  low_value: Type.Unsafe<LowValueMeasure>(
    Type.String({
      enum: [...lowValueMeasures],
      description: "Payments of up to 30 EUR: until they come to more than 100 EUR (`amount`), or are more than five (`count`).",
    }),
  ),
  trusted_beneficiaries: Type.Boolean({ description: "Payments to payees on the payer's list." }),
  recurring: Type.Boolean({ description: "Later payments of a standing order." }),
  own_accounts: Type.Boolean({ description: "Payments between accounts of one user." }),
  risk_analysis: Type.Boolean({ description: "Payments that nothing speaks against, up to the amount that `fraud_rate_ppm` allows." }),
  fraud_rate_ppm: nullable(
    Type.Integer({ minimum: 0, maximum: 1_000_000 }),
    "The fraud rate of your credit transfers as you report it, in millionths of their value (50 is 0.005 %); null where none is reported.",
  ),
  device_bound: Type.Boolean({ description: "Whether only passkeys that cannot leave their device are good for payments." }),
};
export const scaPolicySchema = Type.Object(
  {
    id: idField("organisation"),
    object: Type.Literal("sca_policy"),
    ...policyFields,
    updated_at: nullable(timestampField, "When it was set; null where it never was."),
    version: Type.Integer({ description: "Counts the changes; the `ETag`." }),
  },
  { $id: "ScaPolicy", description: "How an organisation authenticates its payers, and which exemptions it uses." },
);
export const scaPolicyBody = Type.Object(
  {
    sca: policyFields.sca,
    low_value: Type.Optional(policyFields.low_value),
    trusted_beneficiaries: Type.Optional(policyFields.trusted_beneficiaries),
    recurring: Type.Optional(policyFields.recurring),
    own_accounts: Type.Optional(policyFields.own_accounts),
    risk_analysis: Type.Optional(policyFields.risk_analysis),
    fraud_rate_ppm: Type.Optional(policyFields.fraud_rate_ppm),
    device_bound: Type.Optional(policyFields.device_bound),
  },
  {
    additionalProperties: false,
    examples: [{ sca: "psd2", low_value: "amount", trusted_beneficiaries: true, recurring: true, own_accounts: true }],
  },
);
