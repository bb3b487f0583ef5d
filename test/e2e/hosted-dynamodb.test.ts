import { describe } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { hostedFlows } from "./hosted-flows.ts";
import { stageFor } from "./stage.ts";

const server = await dynamoServerForTests({ durable: false });
if (server !== undefined) describe("hosted pages on DynamoDB", () => hostedFlows(stageFor({ store: "dynamodb", server })));
