export { hostedPages } from "./all-routes.ts";
export type { SessionExpiry } from "./expire-session.ts";
export { hostedSessions } from "./session.ts";
