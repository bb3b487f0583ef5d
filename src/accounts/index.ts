export { openAccountFor } from "./open-account.ts";
export { accountRoutes } from "./routes.ts";
