import assert from "node:assert/strict";
import { test } from "node:test";
import { stop } from "./stop.ts";
import { KEY, createTestServer, dial, listen } from "./testing.ts";

const AUTH = `host: t\r\nx-api-key: ${KEY}\r\n`;
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("stop finishes what was accepted, says so with Connection: close, and takes nothing new", async () => {
  const { app, slow, release } = createTestServer();
  const port = await listen(app);
  const idle = dial(port);
  idle.socket.write("GET /v1/public HTTP/1.1\r\nhost: t\r\n\r\n");
  await idle.until(/\{"ok":true\}/);
  const busy = dial(port);
  busy.socket.write(`GET /v1/slow HTTP/1.1\r\n${AUTH}\r\n`);
  const sending = dial(port);
  sending.socket.write(`POST /v1/echo HTTP/1.1\r\n${AUTH}content-type: application/json\r\ncontent-length: 12\r\n\r\n{"am`);
  const half = dial(port);
  half.socket.write("GET /v1/public HTTP/1.1\r\nhost: t\r\n");
  while (slow.waiting === 0) await turn();
  await new Promise((resolve) => setTimeout(resolve, 20));

  const stopped = stop(app, { graceMs: 5_000 });
  await idle.closed;
  const late = dial(port);
  await late.closed;
  assert.equal(late.received(), "", "no new connection is accepted");
  half.socket.write("\r\n");
  await half.closed;
  assert.match(half.received(), /^HTTP\/1\.1 503 [\s\S]*connection: close[\s\S]*"code":"shutting_down"/i);
  sending.socket.write('ount":1}');
  await sending.closed;
  assert.match(sending.received(), /^HTTP\/1\.1 200 [\s\S]*connection: close[\s\S]*"amount":1/i);
  release();
  await busy.closed;
  assert.match(busy.received(), /^HTTP\/1\.1 200 [\s\S]*connection: close[\s\S]*\{"ok":true\}$/i);
  await stopped;
  assert.equal(app.server.listening, false);
});

const echo = (amount: number): string =>
  `POST /v1/echo HTTP/1.1\r\n${AUTH}content-type: application/json\r\ncontent-length: 12\r\n\r\n{"amount":${amount}}`;
const answered = (text: string): string[] => [...text.matchAll(/"amount":(\d)/g)].map(([, amount]) => amount ?? "");

test("stop answers all that came one behind the other on one connection before it, and nothing that comes after", async () => {
  const { app, slow, release, lines } = createTestServer();
  const port = await listen(app);
  const wire = dial(port);
  wire.socket.write(
    `GET /v1/slow HTTP/1.1\r\n${AUTH}\r\n${echo(1)}POST /v1/slow HTTP/1.1\r\n${AUTH}\r\nGET /v1/slow HTTP/1.1\r\n${AUTH}\r\n`,
  );
  while (slow.waiting < 2) await turn();
  const stopped = stop(app, { graceMs: 5_000 });
  wire.socket.write(echo(2));
  await new Promise((resolve) => setTimeout(resolve, 20));
  release();
  await wire.closed;
  await stopped;
  assert.deepEqual(
    [...wire.received().matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status),
    ["200", "200", "405", "200"],
  );
  assert.deepEqual(answered(wire.received()), ["1"]);
  assert.equal(lines.filter(({ msg, status }) => msg === "request" && status === 503).length, 1, "it was not done");
});

test("nothing is done behind the last answer of a connection that is old", async (t) => {
  const { app, lines } = createTestServer({ limits: { connectionAgeMs: 30 } });
  const port = await listen(app);
  t.after(() => app.close());
  const wire = dial(port);
  await new Promise((resolve) => setTimeout(resolve, 60));
  wire.socket.write(echo(1) + echo(2));
  await wire.closed;
  assert.deepEqual(answered(wire.received()), ["1"]);
  assert.deepEqual(
    lines.filter(({ msg }) => msg === "request").map(({ status }) => status),
    [200, 503],
  );
});

test("stop is bounded when a request never ends", async () => {
  const { app, slow, release } = createTestServer();
  const port = await listen(app);
  const busy = dial(port);
  busy.socket.write(`GET /v1/slow HTTP/1.1\r\n${AUTH}\r\n`);
  while (slow.waiting === 0) await turn();
  await stop(app, { graceMs: 50 });
  await busy.closed;
  assert.equal(busy.received(), "");
  release();
});

test("stop does not wait for connections that never said anything", async () => {
  const { app } = createTestServer();
  const port = await listen(app);
  const silent = dial(port);
  await new Promise((resolve) => silent.socket.on("connect", resolve));
  await turn();
  await stop(app, { graceMs: 60_000 });
  await silent.closed;
});

test("stop may be called twice, and before listening", async () => {
  const { app } = createTestServer();
  await listen(app);
  await Promise.all([stop(app, { graceMs: 100 }), stop(app, { graceMs: 100 })]);
  await stop(createTestServer().app, { graceMs: 100 });
});
