import { describe } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { twoNodeFlows } from "./access-flows.ts";
import { everyFlow } from "./every-flow.ts";
import { stageFor } from "./stage.ts";

const server = await dynamoServerForTests({ durable: false });
if (server !== undefined)
  describe("flows on DynamoDB", () => {
    const stage = stageFor({ store: "dynamodb", server });
    everyFlow(stage);
    twoNodeFlows(stage);
  });
