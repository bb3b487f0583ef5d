import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { newId, ORG, T0 } from "#test/support/builders.ts";
import { createOutbound } from "#outbound/index.ts";
import { attemptDelivery } from "./attempt.ts";
import type { Delivery } from "./delivery.ts";
import { webhookOutboundLimits } from "./worker.ts";

const delivery: Delivery = {
  id: newId("webhookDelivery"),
  endpointId: newId("webhookEndpoint"),
  event: { id: newId("event"), organisationId: ORG, type: "deposit.posted", createdAt: "", objectId: newId("transaction") },
  keys: [],
  createdAt: T0,
  attempts: 0,
  nextAt: 0,
  last: null,
  resendOf: null,
};

test("the status of an answer counts, however large its body is", async (t) => {
  const body = "x".repeat(1024 * 1024);
  const server = createServer((request, response) => {
    response.statusCode = Number(request.url?.slice(1));
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const outbound = createOutbound({ development: true, limits: webhookOutboundLimits });
  t.after(() => {
    outbound.close();
    server.close();
    server.closeAllConnections();
  });
  const clock = { now: () => T0, sleep: () => Promise.resolve() };
  for (const [status, kind, failure] of [
    [200, "delivered", null],
    [202, "delivered", null],
    [410, "gone", null],
    [500, "failed", null],
    [302, "failed", "redirected"],
  ] as const) {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${status}`;
    const outcome = await attemptDelivery({ outbound, clock }, delivery, url, []);
    assert.deepEqual(outcome, { kind, attempt: { at: T0, status, failure, latencyMs: 0 } });
  }
});

test("the head of an answer counts, whatever its body comes to", async (t) => {
  const bodies: Readonly<Record<string, (response: ServerResponse) => unknown>> = {
    large: (response) => response.end("x".repeat(1024 * 1024)),
    endless: (response) => response.write("x"),
    broken: (response) => response.write("x", () => response.destroy()),
  };
  const server = createServer((request, response) => {
    const [, status, body = ""] = request.url?.split("/") ?? [];
    response.writeHead(Number(status), { "content-length": 1024 * 1024, "retry-after": "7" });
    bodies[body]?.(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const outbound = createOutbound({ development: true, limits: { ...webhookOutboundLimits, totalMs: 500 } });
  t.after(() => {
    outbound.close();
    server.close();
    server.closeAllConnections();
  });
  const clock = { now: () => T0, sleep: () => Promise.resolve() };
  for (const body of Object.keys(bodies))
    for (const [status, kind] of [
      [200, "delivered"],
      [410, "gone"],
      [429, "failed"],
      [503, "failed"],
    ] as const) {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${status}/${body}`;
      const outcome = await attemptDelivery({ outbound, clock }, delivery, url, []);
      const asked = kind === "failed" ? { retryAfterMs: 7_000 } : {};
      assert.deepEqual(outcome, { kind, attempt: { at: T0, status, failure: null, latencyMs: 0 }, ...asked }, body);
    }
});
