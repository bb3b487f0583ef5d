export { createUser, sealedFields } from "./create-user.ts";
export * from "./organisation.ts";
export { organisationRoutes } from "./organisation-routes.ts";
export { changeReviewTerms, DEFAULT_REVIEW_TERMS, earlierTermsSince, fourEyesLimit } from "./review-terms.ts";
export type { ReviewTerms } from "./review-terms.ts";
export { BLANK } from "./profile.ts";
export type { Address, Profile } from "./profile.ts";
export * from "./user.ts";
export { identityRoutes } from "./routes.ts";
