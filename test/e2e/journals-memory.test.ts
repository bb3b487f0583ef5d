import { describe } from "node:test";
import { journalFlows } from "./journals-flows.ts";
import { stageFor } from "./stage.ts";

describe("manual journals in memory", () => journalFlows(stageFor({ store: "memory" })));
