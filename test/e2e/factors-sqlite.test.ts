import { describe } from "node:test";
import { factorFlows, recorder } from "./factors-flows.ts";
import { stageFor } from "./stage.ts";

const sent = recorder();
describe("factors on SQLite", () => factorFlows(stageFor({ store: "sqlite", codeSender: sent.sender }), sent));
