import { describe } from "node:test";
import { stageFor } from "./stage.ts";
import { webhookEndpointFlows } from "./webhook-endpoints-flows.ts";
import { webhookFlows } from "./webhooks-flows.ts";

describe("webhooks on the memory store", () => {
  const stage = stageFor({ store: "memory", webhooks: true });
  webhookFlows(stage);
  webhookEndpointFlows(stage);
});
