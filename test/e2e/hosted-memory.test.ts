import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startApp } from "../support/app.ts";
import { refused } from "../support/http-client.ts";
import { hostedFlows } from "./hosted-flows.ts";
import { stageFor } from "./stage.ts";

describe("hosted pages on the memory store", () => hostedFlows(stageFor({ store: "memory" })));

describe("hosted pages against guessing", () => {
  it("turn away an address that tries tokens, in words where a person may look", async () => {
    const app = await startApp({ store: "memory", authFailuresPerMinute: 3 });
    try {
      const id = "hps_01J0000000000000000000000B";
      const guess = `${id}.${"A".repeat(43)}`;
      const headers = { "sec-fetch-site": "same-origin" };
      const open = () => app.anonymous.post("/hosted/open", { token: guess }, { idempotencyKey: null, headers });
      for (let n = 0; n < 3; n++) refused(await open(), "hosted_session_ended");
      refused(await open(), "too_many_failures");
      const page = await app.anonymous.get(`/hosted/${id}`, { headers: { cookie: `${id}=${"A".repeat(43)}` } });
      assert.equal(page.status, 429);
      assert.match(page.text, /Please try again in a minute/);
      app.clock.advance(60_001);
      refused(await open(), "hosted_session_ended");
    } finally {
      await app.close();
    }
  });
});
