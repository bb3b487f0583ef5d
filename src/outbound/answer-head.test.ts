import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { createOutbound } from "./create-outbound.ts";

test("the head of an answer is handed on whatever its body comes to", async (t) => {
  const flood = (response: ServerResponse): unknown => response.end("x".repeat(2_000));
  // In pieces of one byte: what frames them is more than what they bring.
  const crumbs = (response: ServerResponse): void => {
    const crumb = (left: number): void => {
      if (left === 0 || response.destroyed) return;
      for (let n = 0; n < 1_000; n++) response.write("x");
      setImmediate(crumb, left - 1);
    };
    crumb(100);
  };
  for (const [reason, responseBytes, body] of [
    ["response_too_large", 1_000, flood],
    ["response_too_large", 64 * 1024, crumbs],
    ["connection_failed", 1_000, (response: ServerResponse) => void setTimeout(() => response.destroy(), 20)],
    ["timed_out", 1_000, () => undefined],
  ] as const) {
    const server = createServer((_request, response) => {
      response.writeHead(503, { "retry-after": "7" }).flushHeaders();
      body(response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const outbound = createOutbound({ development: true, limits: { responseBytes, totalMs: 2_000 } });
    t.after(() => {
      outbound.close();
      server.close();
      server.closeAllConnections();
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const answer = await outbound.request({ url, method: "GET" });
    assert.ok(!answer.ok && answer.reason === reason, JSON.stringify(answer));
    assert.deepEqual([answer.status, answer.headers?.["retry-after"]], [503, "7"]);
  }
});
