export * from "./create-user.ts";
export * from "./organisation.ts";
export * from "./user.ts";
export { identityRoutes } from "./routes.ts";
