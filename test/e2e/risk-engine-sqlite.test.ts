import { describe } from "node:test";
import { riskEngineFlows } from "./risk-engine-flows.ts";
import { testModels } from "./risk-engine-kit.ts";
import { stageFor } from "./stage.ts";

const models = testModels();
describe("the risk engine on SQLite", () => riskEngineFlows(stageFor({ store: "sqlite", models }), models));
