import { describe } from "node:test";
import { operatorAttackFlows } from "./operators-attacks-flows.ts";
import { operatorSessionFlows } from "./operator-sessions-flows.ts";
import { operatorFlows } from "./operators-flows.ts";
import { stageFor } from "./stage.ts";

describe("operators on SQLite", () => {
  const stage = stageFor({ store: "sqlite" });
  operatorFlows(stage);
  operatorSessionFlows(stage);
  operatorAttackFlows(stage);
});
