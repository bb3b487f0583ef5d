export { createUser, sealedFields } from "./create-user.ts";
export * from "./organisation.ts";
export { organisationRoutes } from "./organisation-routes.ts";
export { BLANK } from "./profile.ts";
export type { Address, Profile } from "./profile.ts";
export * from "./user.ts";
export { identityRoutes } from "./routes.ts";
