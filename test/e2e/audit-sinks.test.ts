import { describe } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { auditSinkFlows } from "./audit-sinks-flows.ts";

describe("the audit sinks on SQLite", () => auditSinkFlows({ store: "sqlite" }));

const server = await dynamoServerForTests({ durable: false });
if (server !== undefined) describe("the audit sinks on DynamoDB", () => auditSinkFlows({ store: "dynamodb", server }));
