import { describe } from "node:test";
import { everyFlow } from "./every-flow.ts";
import { stageFor } from "./stage.ts";

describe("flows on SQLite", () => everyFlow(stageFor({ store: "sqlite" })));
