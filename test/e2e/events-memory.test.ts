import { describe } from "node:test";
import { eventFlows } from "./events-flows.ts";
import { stageFor } from "./stage.ts";

describe("events on the memory store", () => eventFlows(stageFor({ store: "memory", webhooks: true })));
