import { describe } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { ruleFlows } from "./rules-flows.ts";
import { stageFor } from "./stage.ts";

const server = await dynamoServerForTests({ durable: false });
if (server !== undefined) describe("risk rules on DynamoDB", () => ruleFlows(stageFor({ store: "dynamodb", server })));
