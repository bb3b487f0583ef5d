import { describe } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { journalFlows } from "./journals-flows.ts";
import { stageFor } from "./stage.ts";

const server = await dynamoServerForTests({ durable: false });
if (server !== undefined) describe("manual journals on DynamoDB", () => journalFlows(stageFor({ store: "dynamodb", server })));
