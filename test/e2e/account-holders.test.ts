import { describe } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { accountHolderFlows } from "./account-holders-flows.ts";
import { scaHolderFlows } from "./sca-holders-flows.ts";
import { stageFor } from "./stage.ts";
import { userStatusFlows } from "./user-status-flows.ts";

for (const store of ["memory", "sqlite"] as const)
  describe(`customers on ${store}`, () => {
    const stage = stageFor({ store });
    accountHolderFlows(stage);
    userStatusFlows(stage);
    scaHolderFlows(stage);
  });

const server = await dynamoServerForTests({ durable: false });
if (server !== undefined)
  describe("customers on DynamoDB", () => {
    const stage = stageFor({ store: "dynamodb", server });
    accountHolderFlows(stage);
    userStatusFlows(stage);
    scaHolderFlows(stage);
  });
