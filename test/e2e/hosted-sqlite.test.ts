import { describe } from "node:test";
import { hostedFlows } from "./hosted-flows.ts";
import { stageFor } from "./stage.ts";

describe("hosted pages on SQLite", () => hostedFlows(stageFor({ store: "sqlite" })));
