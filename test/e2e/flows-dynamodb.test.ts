import { describe } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { twoNodeFlows } from "./flows/access.ts";
import { everyFlow } from "./flows/every-flow.ts";
import { stageFor } from "./flows/stage.ts";

const server = await dynamoServerForTests({ durable: false });
if (server !== undefined)
  describe("flows on DynamoDB", () => {
    const stage = stageFor({ store: "dynamodb", server });
    everyFlow(stage);
    twoNodeFlows(stage);
  });
