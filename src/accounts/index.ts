export { changeAccountTerms } from "./change-account.ts";
export type { ChangeTermsBody } from "./change-account.ts";
export { openAccountFor } from "./open-account.ts";
export type { OpenAccountBody } from "./open-account.ts";
export { accountRoutes } from "./routes.ts";
