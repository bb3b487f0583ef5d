export { type AssessInput, type Assessed, assess } from "./assess.ts";
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
export { REVIEW_ABOVE } from "./factors-config.ts";
export type { RiskProfile } from "./profile.ts";
export { riskProfiles } from "./profile-codec.ts";
export { assessmentSchema, riskContextSchema } from "./schema.ts";
