import { describe } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { webhookEndpointFlows } from "./webhook-endpoints-flows.ts";
import { webhookFlows } from "./webhooks-flows.ts";
import { stageFor } from "./stage.ts";

const server = await dynamoServerForTests({ durable: false });
if (server !== undefined)
  describe("webhooks on DynamoDB", () => {
    const stage = stageFor({ store: "dynamodb", server, webhooks: true });
    webhookFlows(stage);
    webhookEndpointFlows(stage);
  });
