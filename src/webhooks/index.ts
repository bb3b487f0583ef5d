export { webhookEndpoints } from "./endpoint.ts";
export { createLeader } from "./leader.ts";
export type { Leader } from "./leader.ts";
export type { EndpointDeps } from "./manage-endpoints.ts";
export { webhookRoutes } from "./routes.ts";
export { createWebhookWorker, webhookOutboundLimits } from "./worker.ts";
export type { WebhookWorker, WebhookWorkerDeps } from "./worker.ts";
