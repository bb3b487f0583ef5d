import { describe } from "node:test";
import { stageFor } from "./stage.ts";
import { webhookEndpointFlows } from "./webhook-endpoints-flows.ts";
import { webhookFlows } from "./webhooks-flows.ts";

describe("webhooks on SQLite", () => {
  const stage = stageFor({ store: "sqlite", webhooks: true });
  webhookFlows(stage);
  webhookEndpointFlows(stage);
});
