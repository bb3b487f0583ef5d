import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { ProblemCode } from "#kernel/problems.ts";
import { problems } from "#kernel/problems.ts";
import type { BodyBudget } from "./body-budget.ts";
import { addressBlock } from "./connections.ts";
import { createBodyParser } from "./parse-body.ts";
import { RefusalError } from "./refusal-error.ts";
import type { Wire } from "./testing.ts";
import { KEY, createTestServer, dial, listen } from "./testing.ts";

const AUTH = `host: t\r\nx-api-key: ${KEY}\r\n`;
/** Short enough for tests; the server looks every 20 ms. */
const quick = { headersTimeoutMs: 50, requestTimeoutMs: 100, deadlineMs: 150, connectionsCheckMs: 20, lingerMs: 40 };
const PUBLIC = "GET /v1/public HTTP/1.1\r\nhost: t\r\n\r\n";

/** Waits for one whole problem on a connection that stays open or not. */
async function problemOn(wire: Wire, code: ProblemCode): Promise<void> {
  await wire.until(/"request_id":"[^"]+"\}/);
  assert.ok(wire.received().startsWith(`HTTP/1.1 ${problems[code].status} `), wire.received());
  assert.match(wire.received(), new RegExp(`"code":"${code}"`));
  if (problems[code].status === 503) assert.match(wire.received(), /^retry-after: \d+\r$/im);
}

test("DOS-01: whoever is refused before the body is read cannot keep the connection by sending it slowly", async (t) => {
  const { app } = createTestServer({ limits: { ...quick, requestTimeoutMs: 60_000, deadlineMs: 120_000 } });
  const port = await listen(app);
  t.after(() => app.close());
  for (const framing of ["content-length: 1000000", "transfer-encoding: chunked"]) {
    const wire = dial(port);
    wire.socket.write(`POST /v1/echo HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\n${framing}\r\n\r\n`);
    const timer = setInterval(() => wire.socket.write(framing.startsWith("t") ? "1\r\n \r\n" : " "), 10);
    await problemOn(wire, "unauthenticated");
    await wire.closed;
    clearInterval(timer);
  }
});

test("DOS-01: whoever is refused early and sends the rest in time keeps the connection", async (t) => {
  const { app } = createTestServer({ limits: { ...quick, lingerMs: 2_000 } });
  const port = await listen(app);
  t.after(() => app.close());
  const wire = dial(port);
  wire.socket.write("POST /v1/echo HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n");
  await problemOn(wire, "unauthenticated");
  wire.socket.write(`{}${PUBLIC}`);
  await wire.until(/\{"ok":true\}$/);
  wire.socket.destroy();
});

test("DOS-01: a client that does not take its answers is cut off", async (t) => {
  const { app } = createTestServer({ limits: { ...quick, headersTimeoutMs: 300, requestTimeoutMs: 400, deadlineMs: 450 } });
  const port = await listen(app);
  t.after(() => app.close());
  const wire = dial(port);
  wire.socket.pause();
  const body = JSON.stringify({ amount: 1, nested: "x".repeat(1_000_000) });
  const request = `POST /v1/echo HTTP/1.1\r\n${AUTH}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  for (let n = 0; n < 12; n++) wire.socket.write(request);
  const cut = new Promise((resolve) => app.server.once("connection", (socket) => socket.once("close", resolve)));
  // The client does nothing that could end it, so this waits until the server does.
  await cut;
  assert.equal(wire.received(), "");
  wire.socket.destroy();
});

test("DOS-03: what is not answered by its deadline is answered for it: reads as refused, changes as unknown", async (t) => {
  const { app, lines, release } = createTestServer({ limits: quick });
  const gate = Promise.withResolvers<void>();
  const config = { access: "key", scope: "transfers:write" } as const;
  const schema = { operationId: "stuck", body: Type.Object({}, { additionalProperties: false }) };
  app.post("/v1/stuck", { config, schema }, async () => {
    await gate.promise;
    return { late: true };
  });
  const port = await listen(app);
  t.after(() => app.close());
  const reading = dial(port);
  reading.socket.write(`GET /v1/slow HTTP/1.1\r\n${AUTH}\r\n`);
  const changing = dial(port);
  changing.socket.write(`POST /v1/stuck HTTP/1.1\r\n${AUTH}content-type: application/json\r\ncontent-length: 2\r\n\r\n{}`);
  await problemOn(reading, "overloaded");
  await problemOn(changing, "outcome_unknown");
  // The handlers come to their end after all; what they say goes nowhere, and the connection is good for more.
  release();
  gate.resolve();
  await sleep(10);
  changing.socket.write(PUBLIC);
  await changing.until(/\{"ok":true\}$/);
  assert.doesNotMatch(reading.received() + changing.received(), /"late":/);
  assert.equal(lines.filter(({ msg }) => msg === "a request was not answered in time").length, 2);
  for (const wire of [reading, changing]) wire.socket.destroy();
});

test("DOS-03: requests beyond the bound are refused at once, those accepted are answered, and then it takes more", async (t) => {
  const { app, slow, release } = createTestServer({ limits: { openRequests: 2 } });
  const port = await listen(app);
  t.after(() => app.close());
  const accepted = [dial(port), dial(port)];
  for (const wire of accepted) wire.socket.write(`GET /v1/slow HTTP/1.1\r\n${AUTH}\r\n`);
  while (slow.waiting < 2) await sleep(1);
  for (let n = 0; n < 3; n++) {
    const refused = dial(port);
    refused.socket.write(`POST /v1/echo HTTP/1.1\r\n${AUTH}content-type: application/json\r\ncontent-length: 1000\r\n\r\n`);
    await problemOn(refused, "overloaded");
    refused.socket.destroy();
  }
  const health = dial(port);
  health.socket.write("GET /healthz HTTP/1.1\r\nhost: t\r\n\r\n");
  await health.until(/"ok"\}$/);
  health.socket.destroy();
  release();
  for (const wire of accepted) {
    await wire.until(/\{"ok":true\}$/);
    wire.socket.write(`GET /v1/payments HTTP/1.1\r\n${AUTH}\r\n`);
    await wire.until(/"limit":\d+/);
    wire.socket.destroy();
  }
});

test("DOS-03: a read counts from its head on, also one that announces a body nobody waits for", async (t) => {
  const { app, slow, release } = createTestServer({ limits: { openRequests: 2 } });
  const port = await listen(app);
  t.after(() => app.close());
  const request = `GET /v1/slow HTTP/1.1\r\n${AUTH}content-type: application/json\r\ncontent-length: 2\r\n\r\n{}`;
  const accepted = [dial(port), dial(port)];
  for (const wire of accepted) wire.socket.write(request);
  while (slow.waiting < 2) await sleep(1);
  const refused = dial(port);
  refused.socket.write(request.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"));
  // Where nothing refuses it, it is answered then, and the test ends as well.
  void sleep(100).then(release);
  await refused.closed;
  await problemOn(refused, "overloaded");
  for (const wire of accepted) await wire.until(/\{"ok":true\}$/);
  for (const wire of [...accepted, refused]) wire.socket.destroy();
});

test("DOS-03: a turn of the event loop admits only so much, and the next one again", async (t) => {
  const { app } = createTestServer({ limits: { turnRequests: 2, turnMs: 0 } });
  const port = await listen(app);
  t.after(() => app.close());
  const wire = dial(port);
  const request = `GET /v1/payments HTTP/1.1\r\n${AUTH}\r\n`;
  for (let round = 1; round <= 3; round++) {
    // One piece, so all of them are read in one turn.
    wire.socket.write(request.repeat(6));
    await wire.until(new RegExp(`(?:"code":"overloaded"[^]*){${round * 4}}$`));
    assert.equal(wire.received().match(/HTTP\/1\.1 200 /g)?.length, round * 2);
  }
  wire.socket.destroy();
});

test("DOS-03: the bytes of waiting bodies are bounded, in all and for one key, and given back", async (t) => {
  const { app } = createTestServer({ limits: { openBodyBytes: 400_000 } });
  const gate = Promise.withResolvers<void>();
  let waiting = 0;
  const config = { access: "key", scope: "transfers:write" } as const;
  const schema = { operationId: "keep", body: Type.Object({ text: Type.String() }, { additionalProperties: false }) };
  app.post("/v1/keep", { config, schema }, async () => {
    waiting += 1;
    await gate.promise;
    return { kept: true };
  });
  const port = await listen(app);
  t.after(() => app.close());
  const send = (size: number): Wire => {
    const wire = dial(port);
    const body = JSON.stringify({ text: "x".repeat(size) });
    wire.socket.write(`POST /v1/keep HTTP/1.1\r\n${AUTH}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    return wire;
  };
  const first = send(70_000);
  while (waiting < 1) await sleep(1);
  // A quarter of it is all that one key may hold.
  await problemOn(send(70_000), "overloaded");
  const small = send(1_000);
  while (waiting < 2) await sleep(1);
  gate.resolve();
  for (const wire of [first, small]) await wire.until(/"kept":true/);
  const again = send(70_000);
  await again.until(/"kept":true/);
});

test("DOS-03: a request whose URL the router refuses does not put an end to the counting of bodies", async (t) => {
  const { app } = createTestServer({ limits: { openBodyBytes: 400_000 } });
  const schema = { operationId: "sign", body: Type.Object({ text: Type.String() }, { additionalProperties: false }) };
  app.post("/v1/sign", { config: { access: "public", scope: null }, schema }, () => ({ signed: true }));
  const port = await listen(app);
  t.after(() => app.close());
  // Fastify answers these itself, with requests that nobody has decorated.
  for (const url of ["/v1/%zz", `/v1/payments/${"x".repeat(200)}`]) {
    const bad = dial(port);
    bad.socket.write(`GET ${url} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n`);
    await bad.closed;
    const large = dial(port);
    const body = JSON.stringify({ text: "x".repeat(150_000) });
    const head = `content-type: application/json\r\nconnection: close\r\ncontent-length: ${body.length}`;
    large.socket.write(`POST /v1/sign HTTP/1.1\r\nhost: t\r\n${head}\r\n\r\n${body}`);
    await large.closed;
    // It is more than a quarter of the bound.
    assert.match(large.received(), /^HTTP\/1\.1 503 [^]*"code":"overloaded"/);
  }
});

test("DOS-03: a request that was refused in the middle of its body is not worked on when the rest has come", () => {
  const begun: unknown[] = [];
  const bodies: BodyBudget = { hold: (_request, bytes) => bytes <= 10, release: () => undefined, held: 0 };
  const parse = createBodyParser(1_000, { bodies, begin: (request) => begun.push(request) > 0 });
  const refusals: unknown[] = [];
  for (const sizes of [[5], [5, 10, 20], [20]]) {
    const payload = new EventEmitter();
    const request = { raw: { headers: {} } } as FastifyRequest;
    parse(request, payload as IncomingMessage, (error) => void refusals.push(error instanceof RefusalError && error.refusal.code));
    for (const size of sizes) payload.emit("data", Buffer.alloc(size, " "));
    payload.emit("end");
  }
  assert.deepEqual(refusals, ["invalid_json", "overloaded", "overloaded"]);
  assert.equal(begun.length, 1);
});

test("DOS-02: a gzip bomb is refused before it is read", async (t) => {
  const { app } = createTestServer();
  const port = await listen(app);
  t.after(() => app.close());
  const bomb = gzipSync(Buffer.alloc(50_000_000, " "));
  for (const coding of ["gzip", "GZIP", "deflate", "br", "zstd", "identity, gzip"]) {
    const wire = dial(port);
    const head = `content-type: application/json\r\ncontent-encoding: ${coding}\r\ncontent-length: ${bomb.length}\r\n\r\n`;
    wire.socket.write(`POST /v1/echo HTTP/1.1\r\n${AUTH}${head}`);
    // Answered although not one byte of the body has come.
    await problemOn(wire, "unsupported_media_type");
    wire.socket.write(bomb);
    wire.socket.destroy();
  }
});

test("DOS-02: header lines and query parameters are counted", async (t) => {
  const { app } = createTestServer();
  const port = await listen(app);
  t.after(() => app.close());
  const lines = (count: number): string => "a: b\r\n".repeat(count);
  const cases: readonly (readonly [string, ProblemCode | undefined])[] = [
    [`GET /v1/public HTTP/1.1\r\nhost: t\r\n${lines(99)}\r\n`, undefined],
    [`GET /v1/public HTTP/1.1\r\nhost: t\r\n${lines(100)}\r\n`, "headers_too_large"],
    [`GET /v1/nowhere HTTP/1.1\r\nhost: t\r\n${lines(2_000)}\r\n`, "headers_too_large"],
    [`GET /v1/payments?${"a&".repeat(99)}a HTTP/1.1\r\n${AUTH}\r\n`, "invalid_request"],
    [`GET /v1/payments?${"a&".repeat(100)}a HTTP/1.1\r\n${AUTH}\r\n`, "uri_too_long"],
    [`GET /v1/payments?${"a&".repeat(4_000)}a HTTP/1.1\r\n${AUTH}\r\n`, "uri_too_long"],
    [`GET /v1/payments?${"a&".repeat(10_000)}a HTTP/1.1\r\n${AUTH}\r\n`, "headers_too_large"],
  ];
  for (const [bytes, code] of cases) {
    const wire = dial(port);
    wire.socket.write(bytes);
    if (code === undefined) await wire.until(/\{"ok":true\}$/);
    else if (code === "invalid_request") await wire.until(/"code":"(?:invalid_request|unknown_field)"/);
    else await problemOn(wire, code);
    wire.socket.destroy();
  }
});

test("DOS-03: one address has only so many connections, unless it is a trusted proxy's", async (t) => {
  for (const [trustedProxyHops, third] of [
    [0, ""],
    [1, '{"ok":true}'],
  ] as const) {
    const { app, lines } = createTestServer({ trustedProxyHops, limits: { connectionsPerAddress: 2 } });
    const port = await listen(app);
    t.after(() => app.close());
    const wires = [dial(port), dial(port)];
    for (const wire of wires) {
      wire.socket.write(PUBLIC);
      await wire.until(/\{"ok":true\}$/);
    }
    const extra = dial(port);
    extra.socket.write(PUBLIC.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"));
    await extra.closed;
    assert.ok(extra.received().endsWith(third) && (third !== "" || extra.received() === ""), extra.received());
    if (third === "") assert.equal(lines.find(({ msg }) => msg === "connections were turned away")?.["refused_of_one_address"], 1);
    // One that closes makes room.
    wires[0]?.socket.destroy();
    await wires[0]?.closed;
    await sleep(20);
    const next = dial(port);
    next.socket.write(PUBLIC);
    await next.until(/\{"ok":true\}$/);
    for (const wire of [...wires, next]) wire.socket.destroy();
  }
});

test("one address is an IPv4 address or a /64 of IPv6", () => {
  const same = ["2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:ffff::"].map(addressBlock);
  assert.equal(new Set(same).size, 1);
  assert.notEqual(addressBlock("2001:db8:1:3::1"), same[0]);
  assert.equal(addressBlock("2001:db8::1"), "2001:db8:0:0");
  assert.equal(addressBlock("::1"), "0:0:0:0");
  assert.equal(addressBlock("::ffff:10.0.0.1"), "10.0.0.1");
  assert.equal(addressBlock("::ffff:a00:1"), "10.0.0.1");
  assert.notEqual(addressBlock("10.0.0.1"), addressBlock("10.0.0.2"));
});

test("a connection is closed after its answer once it is old", async (t) => {
  const { app } = createTestServer({ limits: { connectionAgeMs: 30 } });
  const port = await listen(app);
  t.after(() => app.close());
  const wire = dial(port);
  wire.socket.write(PUBLIC);
  await wire.until(/\{"ok":true\}$/);
  assert.doesNotMatch(wire.received(), /connection: close/i);
  await sleep(40);
  wire.socket.write(PUBLIC);
  await wire.closed;
  assert.match(wire.received(), /connection: close[\s\S]*\{"ok":true\}$/i);
});
