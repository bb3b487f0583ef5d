import { describe } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { webhookFlows } from "./webhooks-flows.ts";
import { stageFor } from "./stage.ts";

const server = await dynamoServerForTests({ durable: false });
if (server !== undefined) describe("webhooks on DynamoDB", () => webhookFlows(stageFor({ store: "dynamodb", server, webhooks: true })));
