import { describe, it } from "node:test";
import type { TestApp } from "../support/app.ts";
import { startApp } from "../support/app.ts";
import { compromisedSaysNothing, factorResetFlows, oldSessionEnrolsNothing } from "./factor-reset-flows.ts";
import { factorFlows, recorder } from "./factors-flows.ts";
import { stageFor } from "./stage.ts";

const sent = recorder();
describe("factors on the memory store", () => {
  const stage = stageFor({ store: "memory", codeSender: sent.sender });
  factorFlows(stage, sent);
  factorResetFlows(stage, sent);
  const onTwoNodes = (flow: (one: TestApp, two: TestApp) => Promise<void>) => async (): Promise<void> => {
    const two = await startApp({ store: "memory", besides: stage.app });
    try {
      await flow(stage.app, two);
    } finally {
      await two.close();
    }
  };
  it("WA-05 an operator's session of before a reset enrols nothing, whichever node is asked", onTwoNodes(oldSessionEnrolsNothing));
  it("SOX-01 what was said in the name of an operator who was compromised counts for nothing", onTwoNodes(compromisedSaysNothing));
});
