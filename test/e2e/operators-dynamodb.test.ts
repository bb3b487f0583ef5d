import { describe } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { operatorAttackFlows } from "./operators-attacks-flows.ts";
import { operatorSessionFlows } from "./operator-sessions-flows.ts";
import { operatorFlows } from "./operators-flows.ts";
import { stageFor } from "./stage.ts";

const server = await dynamoServerForTests({ durable: false });
if (server !== undefined)
  describe("operators on DynamoDB", () => {
    const stage = stageFor({ store: "dynamodb", server });
    operatorFlows(stage);
    operatorSessionFlows(stage);
    operatorAttackFlows(stage);
  });
