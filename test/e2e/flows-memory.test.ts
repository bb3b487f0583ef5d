import { describe } from "node:test";
import { proxyFlows, twoNodeFlows } from "./access-flows.ts";
import { everyFlow } from "./every-flow.ts";
import { stageFor } from "./stage.ts";

describe("flows on the memory store", () => {
  const stage = stageFor({ store: "memory" });
  everyFlow(stage);
  twoNodeFlows(stage);
  proxyFlows();
});
