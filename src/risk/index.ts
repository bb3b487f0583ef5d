export { type AssessInput, type Assessed, assess, learn, scoreFactors, type Scored, weigh } from "./assess.ts";
export {
  type Assessment,
  type AssessmentView,
  assessmentFromItem,
  assessmentToItem,
  presentAssessment,
  riskScoreOf,
  type ReasonCode,
} from "./assessment.ts";
export { checkRiskContext, type RiskContext } from "./context.ts";
export { deviceIdIn, deviceIdOf, type RiskDevice, riskDevices } from "./device.ts";
export { type FactorName, factorNames, MODEL, ONE, referenceUnit, REVIEW_ABOVE, weights } from "./factors-config.ts";
export { decodeFeatures, encodeFeatures, namedFeatures, quantise } from "./feature-text.ts";
export { type ModelContribution, type Models, type ModelsInForce, type ModelSnapshot, noModels } from "./models.ts";
export type { RiskProfile } from "./profile.ts";
export { riskProfiles } from "./profile-codec.ts";
export { assessmentSchema, riskContextSchema, ruleHitSchema } from "./schema.ts";
export { deviceIn, type ModelScore, type RiskAction, riskActions, type ThresholdsUsed, type Verdict } from "./verdict.ts";
