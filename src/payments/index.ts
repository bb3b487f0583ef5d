export { createAccountFacts } from "./account-facts.ts";
export { deposit } from "./commands/deposit.ts";
export { fraudLessonOf } from "./learn-fraud.ts";
export type { PaymentDeps } from "./deps.ts";
export { paymentRoutes } from "./routes.ts";
export { riskRoutes } from "./risk-routes.ts";
export { recordMovement } from "./decide/movement.ts";
export { createReviewExpiry, type ReviewExpiry } from "./review-expiry.ts";
export { reviewNotes } from "./review-note.ts";
