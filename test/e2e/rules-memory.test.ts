import { describe } from "node:test";
import { ruleFlows } from "./rules-flows.ts";
import { stageFor } from "./stage.ts";

describe("risk rules on the memory store", () => ruleFlows(stageFor({ store: "memory" })));
