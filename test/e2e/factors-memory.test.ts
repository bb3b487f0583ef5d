import { describe, it } from "node:test";
import { startApp } from "../support/app.ts";
import { factorResetFlows, oldSessionEnrolsNothing } from "./factor-reset-flows.ts";
import { factorFlows, recorder } from "./factors-flows.ts";
import { stageFor } from "./stage.ts";

const sent = recorder();
describe("factors on the memory store", () => {
  const stage = stageFor({ store: "memory", codeSender: sent.sender });
  factorFlows(stage, sent);
  factorResetFlows(stage, sent);
  it("WA-05 an operator's session of before a reset enrols nothing, whichever node is asked", async () => {
    const two = await startApp({ store: "memory", besides: stage.app });
    try {
      await oldSessionEnrolsNothing(stage.app, two);
    } finally {
      await two.close();
    }
  });
});
