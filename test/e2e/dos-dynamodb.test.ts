import { describe } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { everyAttack } from "./dos-flows.ts";

const server = await dynamoServerForTests({ durable: false });
if (server !== undefined) describe("attacks on DynamoDB", () => everyAttack({ store: "dynamodb", server }));
