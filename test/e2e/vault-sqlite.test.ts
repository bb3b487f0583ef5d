import { describe } from "node:test";
import { stageFor } from "./stage.ts";
import { vaultFlows } from "./vault-flows.ts";

describe("encryption keys on SQLite", () => vaultFlows(stageFor({ store: "sqlite" })));
