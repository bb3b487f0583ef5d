import { describe } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { riskEngineFlows } from "./risk-engine-flows.ts";
import { testModels } from "./risk-engine-kit.ts";
import { stageFor } from "./stage.ts";

const models = testModels();
const server = await dynamoServerForTests({ durable: false });
if (server !== undefined)
  describe("the risk engine on DynamoDB", () => riskEngineFlows(stageFor({ store: "dynamodb", server, models }), models));
