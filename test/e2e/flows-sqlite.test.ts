import { describe } from "node:test";
import { everyFlow } from "./flows/every-flow.ts";
import { stageFor } from "./flows/stage.ts";

describe("flows on SQLite", () => everyFlow(stageFor({ store: "sqlite" })));
