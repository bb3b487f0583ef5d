export * from "./event.ts";
export * from "./event-types.ts";
export { auditRoutes } from "./routes.ts";
