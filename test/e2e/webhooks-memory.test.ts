import { describe } from "node:test";
import { stageFor } from "./stage.ts";
import { webhookFlows } from "./webhooks-flows.ts";

describe("webhooks on the memory store", () => webhookFlows(stageFor({ store: "memory", webhooks: true })));
