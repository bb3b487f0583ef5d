import { describe, it } from "node:test";
import { operatorAttackFlows } from "./operators-attacks-flows.ts";
import { operatorSessionFlows } from "./operator-sessions-flows.ts";
import { operatorFlows } from "./operators-flows.ts";
import { stageFor } from "./stage.ts";
import { assertVerified } from "./verified.ts";

describe("operators on the memory store", () => {
  const stage = stageFor({ store: "memory" });
  operatorFlows(stage);
  operatorSessionFlows(stage);
  operatorAttackFlows(stage);
  it("AUD-02 leaves nothing but what the events say, and what belongs to operators of whom they speak", () => assertVerified(stage.app));
});
