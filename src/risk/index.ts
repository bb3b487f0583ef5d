export { type AssessInput, type Assessed, assess } from "./assess.ts";
export {
  type Assessment,
  type AssessmentView,
  assessmentFromItem,
  assessmentToItem,
  presentAssessment,
  type ReasonCode,
  reasonCodes,
} from "./assessment.ts";
export { checkRiskContext, type RiskContext } from "./context.ts";
export { MODEL, REVIEW_ABOVE } from "./factors-config.ts";
export type { RiskProfile } from "./profile.ts";
export { riskProfileFromItem, riskProfiles, riskProfileToItem } from "./profile-codec.ts";
export { assessmentSchema, riskContextSchema } from "./schema.ts";
