import { describe } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { stageFor } from "./stage.ts";
import { vaultFlows } from "./vault-flows.ts";

const server = await dynamoServerForTests({ durable: false });
if (server !== undefined) describe("encryption keys on DynamoDB", () => vaultFlows(stageFor({ store: "dynamodb", server })));
