export { createAccountFacts } from "./account-facts.ts";
export { deposit } from "./commands/deposit.ts";
export type { PaymentDeps } from "./deps.ts";
export { paymentRoutes } from "./routes.ts";
export { recordMovement } from "./decide/movement.ts";
