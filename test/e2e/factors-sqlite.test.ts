import { describe } from "node:test";
import { factorResetFlows } from "./factor-reset-flows.ts";
import { factorFlows, recorder } from "./factors-flows.ts";
import { stageFor } from "./stage.ts";

const sent = recorder();
describe("factors on SQLite", () => {
  const stage = stageFor({ store: "sqlite", codeSender: sent.sender });
  factorFlows(stage, sent);
  factorResetFlows(stage, sent);
});
