import { describe } from "node:test";
import { factorFlows, recorder } from "./factors-flows.ts";
import { stageFor } from "./stage.ts";

const sent = recorder();
describe("factors on the memory store", () => factorFlows(stageFor({ store: "memory", codeSender: sent.sender }), sent));
