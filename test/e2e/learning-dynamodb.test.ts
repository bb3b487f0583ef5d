import { describe } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { learningFlows } from "./learning-flows.ts";
import { stageFor } from "./stage.ts";

const server = await dynamoServerForTests({ durable: false });
if (server !== undefined) describe("fraud models on DynamoDB", () => learningFlows(stageFor({ store: "dynamodb", server })));
