export { publicEventTypes } from "./public-types.ts";
export type { PublicEventType } from "./public-types.ts";
export { presentPublicEvent, publicEventOf } from "./public-event.ts";
export type { PublicEvent } from "./public-event.ts";
export { eventRoutes } from "./routes.ts";
export type { EventRoutesDeps } from "./routes.ts";
export { createStreams } from "./streams.ts";
export type { Streams, StreamLimits } from "./streams.ts";
