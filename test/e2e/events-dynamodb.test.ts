import { describe } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { eventFlows } from "./events-flows.ts";
import { stageFor } from "./stage.ts";

const server = await dynamoServerForTests({ durable: false });
if (server !== undefined) describe("events on DynamoDB", () => eventFlows(stageFor({ store: "dynamodb", server, webhooks: true })));
