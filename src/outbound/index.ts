export type { Outbound, OutboundAnswer, OutboundLimits, OutboundReason, OutboundRefusal, OutboundRequest, Resolve } from "./contract.ts";
export { createOutbound } from "./create-outbound.ts";
export type { OutboundOptions } from "./create-outbound.ts";
export { checkTarget } from "./target.ts";
