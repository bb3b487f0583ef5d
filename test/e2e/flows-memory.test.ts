import { describe } from "node:test";
import { proxyFlows, twoNodeFlows } from "./flows/access.ts";
import { everyFlow } from "./flows/every-flow.ts";
import { stageFor } from "./flows/stage.ts";

describe("flows on the memory store", () => {
  const stage = stageFor({ store: "memory" });
  everyFlow(stage);
  twoNodeFlows(stage);
  proxyFlows();
});
