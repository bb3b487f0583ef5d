import { describe } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { everyTlsFlow } from "./tls-flows.ts";

const server = await dynamoServerForTests({ durable: false });
if (server !== undefined) describe("TLS on DynamoDB", () => everyTlsFlow({ store: "dynamodb", server }));
