import { describe } from "node:test";
import { controlAttackFlows } from "./controls-attacks.ts";
import { controlFlows } from "./controls-flows.ts";
import { controlledOperationFlows } from "./controls-operations.ts";
import { stageFor } from "./stage.ts";

describe("maker and checker in memory", () => {
  const stage = stageFor({ store: "memory" });
  controlFlows(stage);
  controlAttackFlows(stage);
  controlledOperationFlows(stage);
});
