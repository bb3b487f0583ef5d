import { describe } from "node:test";
import { learningFlows } from "./learning-flows.ts";
import { stageFor } from "./stage.ts";

describe("fraud models on SQLite", () => learningFlows(stageFor({ store: "sqlite" })));
