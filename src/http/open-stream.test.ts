import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { openStream } from "./open-stream.ts";
import { stop } from "./stop.ts";
import { KEY, createTestServer, dial, listen } from "./testing.ts";

const AUTH = `host: t\r\nx-api-key: ${KEY}\r\n`;
const ASK = `GET /v1/stream HTTP/1.1\r\n${AUTH}\r\n`;
const PAY = `POST /v1/echo HTTP/1.1\r\n${AUTH}content-type: application/json\r\ncontent-length: 12\r\n\r\n{"amount":1}`;

async function scene() {
  const server = createTestServer();
  const { app } = server;
  const streams: ServerResponse[] = [];
  const found = Promise.withResolvers<void>();
  app.get(
    "/v1/stream",
    { config: { access: "key", scope: "transactions:read", stream: true }, schema: { operationId: "stream" } },
    async (_request, reply) => {
      await found.promise;
      streams.push(openStream(reply));
      return reply;
    },
  );
  app.addHook("preClose", (done) => {
    for (const stream of streams) stream.end();
    done();
  });
  const port = await listen(app);
  const statuses = () => server.lines.filter(({ msg }) => msg === "request").map(({ route, status }) => [route, status]);
  return { ...server, port, streams, found: found.resolve, statuses };
}

for (const meanwhile of ["opens", "is open"]) {
  test(`nothing is done behind a stream on its connection while it ${meanwhile}`, async () => {
    const { app, port, found, statuses } = await scene();
    const wire = dial(port);
    if (meanwhile === "is open") {
      found();
      wire.socket.write(ASK);
      await wire.until(/text\/event-stream/);
      wire.socket.write(PAY);
    } else wire.socket.write(ASK + PAY);
    await new Promise((resolve) => setTimeout(resolve, 30));
    found();
    await wire.until(/text\/event-stream/);
    const began = performance.now();
    await stop(app, { graceMs: 10_000 });
    assert.ok(performance.now() - began < 2_000);
    await wire.closed;
    assert.equal(wire.received().match(/HTTP\/1\.1 /g)?.length, 1);
    assert.match(wire.received(), /connection: close/i);
    assert.equal(statuses().filter(([route, status]) => route === "/v1/echo" && status !== 503).length, 0, "it was done");
  });
}

test("a client that leaves a stream with requests behind it leaves nothing that a stop would wait for", async () => {
  const { app, port, found, streams } = await scene();
  found();
  const wire = dial(port);
  wire.socket.write(ASK + PAY + PAY);
  await wire.until(/text\/event-stream/);
  wire.socket.destroy();
  while (streams[0]?.destroyed !== true) await new Promise((resolve) => setTimeout(resolve, 5));
  const began = performance.now();
  await stop(app, { graceMs: 10_000 });
  assert.ok(performance.now() - began < 2_000);
});
