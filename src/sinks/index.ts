export type { Sink } from "./port.ts";
export { SINKS_TABLE } from "./progress.ts";
export { sinkRoutes } from "./routes.ts";
export type { SealedLog } from "./sealed-log.ts";
export { createSinkWorker } from "./worker.ts";
export type { SinkWorker } from "./worker.ts";
