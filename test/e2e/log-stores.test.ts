import { describe } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { logFlows } from "./log-flows.ts";
import { stageFor } from "./stage.ts";

describe("the audit log on SQLite", () => logFlows(stageFor({ store: "sqlite" })));

const server = await dynamoServerForTests({ durable: false });
if (server !== undefined) describe("the audit log on DynamoDB", () => logFlows(stageFor({ store: "dynamodb", server })));
