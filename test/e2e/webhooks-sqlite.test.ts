import { describe } from "node:test";
import { stageFor } from "./stage.ts";
import { webhookFlows } from "./webhooks-flows.ts";

describe("webhooks on SQLite", () => webhookFlows(stageFor({ store: "sqlite", webhooks: true })));
