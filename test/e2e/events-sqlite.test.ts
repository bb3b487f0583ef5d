import { describe } from "node:test";
import { eventFlows } from "./events-flows.ts";
import { stageFor } from "./stage.ts";

describe("events on the sqlite store", () => eventFlows(stageFor({ store: "sqlite", webhooks: true })));
