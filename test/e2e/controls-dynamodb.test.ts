import { describe } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { controlAttackFlows } from "./controls-attacks.ts";
import { controlFlows } from "./controls-flows.ts";
import { controlledOperationFlows } from "./controls-operations.ts";
import { stageFor } from "./stage.ts";

const server = await dynamoServerForTests({ durable: false });
if (server !== undefined)
  describe("maker and checker on DynamoDB", () => {
    const stage = stageFor({ store: "dynamodb", server });
    controlFlows(stage);
    controlAttackFlows(stage);
    controlledOperationFlows(stage);
  });
