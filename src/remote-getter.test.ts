import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createRemoteGetter } from "./remote-getter.ts";

/** A server that answers so many requests, then refuses until somebody has slept. */
function server(quota: number, refusal: { readonly status: number; readonly retryAfter?: string }) {
  let left = quota;
  const seen = { asked: 0, slept: [] as number[], told: [] as string[] };
  const get = createRemoteGetter({
    url: "https://bank.example",
    apiKey: "sfk_test",
    fetch: (url, { headers }) => {
      seen.asked += 1;
      assert.deepEqual(headers, { "x-api-key": "sfk_test" });
      left -= 1;
      if (left >= 0) return Promise.resolve(new Response(url.pathname));
      const more = refusal.retryAfter === undefined ? {} : { headers: { "retry-after": refusal.retryAfter } };
      return Promise.resolve(new Response("", { status: refusal.status, ...more }));
    },
    sleep: async (ms) => {
      seen.slept.push(ms);
      await new Promise(setImmediate);
      left = quota;
    },
    onWait: ({ seconds, status }) => void seen.told.push(`${seconds} ${status}`),
  });
  return { get, seen };
}

void describe("createRemoteGetter", () => {
  void it("waits as long as it is told, once for all requests under way, and says so", async () => {
    const { get, seen } = server(10, { status: 429, retryAfter: "37" });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => get(`/v1/audit/events/${n}`)));
    for (const [n, { status, body }] of answers.entries())
      assert.deepEqual([status, body.toString("utf8")], [200, `/v1/audit/events/${n}`]);
    assert.deepEqual(seen.slept, [37_000]);
    assert.deepEqual(seen.told, ["37 429"]);
    assert.equal(seen.asked, 30);
  });

  void it("asks nothing while it waits", async () => {
    const { get, seen } = server(1, { status: 429, retryAfter: "5" });
    await get("/a");
    const waiting = get("/b");
    while (seen.slept.length === 0) await Promise.resolve();
    const asked = seen.asked;
    const third = get("/c");
    await Promise.resolve();
    assert.equal(seen.asked, asked);
    await waiting;
    await third;
  });

  void it("waits a second where it is told nothing, a minute at most, and gives up after a hundred refusals", async () => {
    for (const [retryAfter, ms] of [
      [undefined, 1_000],
      ["soon", 1_000],
      ["86400", 60_000],
    ] as const) {
      const { get, seen } = server(0, { status: 503, ...(retryAfter === undefined ? {} : { retryAfter }) });
      assert.equal((await get("/a")).status, 503);
      assert.equal(seen.asked, 100);
      assert.deepEqual(new Set(seen.slept), new Set([ms]));
    }
  });
});
