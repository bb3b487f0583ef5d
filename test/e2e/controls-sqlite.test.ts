import { describe } from "node:test";
import { controlAttackFlows } from "./controls-attacks.ts";
import { controlFlows } from "./controls-flows.ts";
import { controlledOperationFlows } from "./controls-operations.ts";
import { stageFor } from "./stage.ts";

describe("maker and checker on SQLite", () => {
  const stage = stageFor({ store: "sqlite" });
  controlFlows(stage);
  controlAttackFlows(stage);
  controlledOperationFlows(stage);
});
