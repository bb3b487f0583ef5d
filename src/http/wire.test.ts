import assert from "node:assert/strict";
import { test } from "node:test";
import { problems } from "#kernel/problems.ts";
import type { ProblemCode } from "#kernel/problems.ts";
import { KEY, createTestServer, dial, listen } from "./testing.ts";

const AUTH = `host: t\r\nx-api-key: ${KEY}\r\n`;
/** Short enough for tests; Node looks every 20 ms. */
const quick = { headersTimeoutMs: 100, requestTimeoutMs: 200, connectionsCheckMs: 20, keepAliveMs: 2_000, headerBytes: 4096 };

/** Splits an answer and checks that it is a whole problem. */
function assertProblem(text: string, code: ProblemCode, connection: "close" | "keep-alive" = "close"): void {
  const [head = "", body = ""] = text.split("\r\n\r\n");
  assert.ok(head.startsWith(`HTTP/1.1 ${problems[code].status} `), text);
  assert.match(head, /^content-type: application\/problem\+json; charset=utf-8$/im);
  assert.match(head, /^x-content-type-options: nosniff$/im);
  assert.match(head, /^cache-control: no-store$/im);
  assert.match(head, /^x-frame-options: DENY$/im);
  assert.match(head, /^content-security-policy: default-src 'none'; frame-ancestors 'none'$/im);
  assert.match(head, new RegExp(`^connection: ${connection}$`, "im"));
  const problem = JSON.parse(body) as { code: string; request_id: string };
  assert.equal(problem.code, code);
  assert.match(head, new RegExp(`^x-request-id: ${problem.request_id}$`, "im"));
}

test("DOS-02: what is no HTTP is answered with a problem, and the connection closed", async (t) => {
  const { app, lines } = createTestServer({ limits: quick });
  const port = await listen(app);
  t.after(() => app.close());
  const cases: readonly (readonly [string, ProblemCode])[] = [
    ["nonsense\r\n\r\n", "invalid_request"],
    [`GET / HTTP/1.1\r\nhost: t\r\nbad header\r\n\r\n`, "invalid_request"],
    [`POST /v1/echo HTTP/1.1\r\n${AUTH}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, "invalid_request"],
    [`GET / HTTP/1.1\r\nhost: t\r\nx-long: ${"x".repeat(5_000)}\r\n\r\n`, "headers_too_large"],
    [`GET /${"x".repeat(5_000)} HTTP/1.1\r\nhost: t\r\n\r\n`, "headers_too_large"],
  ];
  for (const [bytes, code] of cases) {
    const wire = dial(port);
    wire.socket.write(bytes);
    await wire.closed;
    assertProblem(wire.received(), code);
  }
  assert.equal(lines.filter((line) => line.msg === "request refused on the wire").length, cases.length);
  assert.doesNotMatch(JSON.stringify(lines), /nonsense|xxxx/);
});

test("what is wrong behind a request that has arrived does not take the place of its answer", async (t) => {
  const { app, slow, release } = createTestServer({ limits: quick });
  const port = await listen(app);
  t.after(() => app.close());
  const wrong: readonly (readonly [string, RegExp])[] = [
    [`\r\nnonsense\r\n${"x".repeat(1_000_000)}`, / 400 [^]*"code":"invalid_request"/],
    ["\r\nGET /v1/public HTTP/1.1\r\nhost: t\r\n\r\nnonsense\r\n", /\{"ok":true\}HTTP\/1\.1 400 [^]*"code":"invalid_request"/],
    ["\r\nGET /v1/public HTTP/1.1\r\n", / 408 [^]*"code":"request_timeout"/],
    ["connection: close\r\n\r\nx", /^$/],
  ];
  const wires = wrong.map(([bytes]) => {
    const wire = dial(port);
    wire.socket.write(`GET /v1/slow HTTP/1.1\r\n${AUTH}${bytes}`);
    return wire;
  });
  while (slow.waiting < wrong.length) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setTimeout(resolve, 300));
  for (const wire of wires) assert.equal(wire.received(), "");
  release();
  for (const [n, wire] of wires.entries()) {
    await wire.closed;
    assert.match(wire.received(), /^HTTP\/1\.1 200 /);
    const first = wire.received().indexOf('{"ok":true}') + '{"ok":true}'.length;
    assert.match(wire.received().slice(first), wrong[n]?.[1] ?? /^$/);
  }
});

test("DOS-01: slow heads and slow bodies are cut off with 408", async (t) => {
  const { app } = createTestServer({ limits: quick });
  const port = await listen(app);
  t.after(() => app.close());
  for (const [bytes, drip] of [
    ["", ""],
    ["GET /v1/public HTTP/1.1\r\nhost: t\r\n", "x-more: 1\r\n"],
    [`POST /v1/echo HTTP/1.1\r\n${AUTH}content-type: application/json\r\ncontent-length: 1000\r\n\r\n{`, " "],
  ] as const) {
    const wire = dial(port);
    if (bytes !== "") wire.socket.write(bytes);
    // A client that always sends something is no better than one that stands still.
    const timer = setInterval(() => drip !== "" && wire.socket.write(drip), 15);
    await wire.closed;
    clearInterval(timer);
    assertProblem(wire.received(), "request_timeout");
  }
});

test("DOS-02: a body over the limit gets its 413 although the client is still sending", async (t) => {
  const { app } = createTestServer();
  const port = await listen(app);
  t.after(() => app.close());
  const size = 1024 * 1024 + 1;
  for (const head of [`content-length: ${size}\r\n\r\n`, `transfer-encoding: chunked\r\n\r\n${size.toString(16)}\r\n`]) {
    const wire = dial(port);
    wire.socket.write(`POST /v1/echo HTTP/1.1\r\n${AUTH}content-type: application/json\r\n${head}`);
    wire.socket.write("x".repeat(size));
    if (head.startsWith("transfer")) wire.socket.write("\r\n0\r\n\r\n");
    await wire.until(/"request_id"/);
    wire.socket.destroy();
    assertProblem(wire.received(), "body_too_large", "keep-alive");
  }
});

test("a chunked body in many pieces is put together; exactly the limit is accepted", async (t) => {
  const { app } = createTestServer({ limits: { bodyBytes: 200 } });
  const port = await listen(app);
  t.after(() => app.close());
  const wire = dial(port);
  const body = `{"amount":1,"nested":"${"é".repeat(20)}"}`.padEnd(200 - 20, " ");
  assert.equal(Buffer.byteLength(body), 200);
  wire.socket.setNoDelay(true);
  wire.socket.write(`POST /v1/echo HTTP/1.1\r\n${AUTH}content-type: application/json; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n`);
  const bytes = Buffer.from(body);
  // Odd pieces cut two-byte characters in half.
  for (let at = 0; at < bytes.length; at += 7) {
    const piece = bytes.subarray(at, at + 7);
    wire.socket.write(`${piece.length.toString(16)}\r\n`);
    wire.socket.write(piece);
    wire.socket.write("\r\n");
    await new Promise((resolve) => setImmediate(resolve));
  }
  wire.socket.write("0\r\n\r\n");
  await wire.until(/\}\}$/);
  assert.match(wire.received(), /^HTTP\/1\.1 200 /);
  wire.socket.destroy();
});

test("IDEM-01: a chunked body that is none is recognised like no body, and by its path", async (t) => {
  const { app } = createTestServer();
  const port = await listen(app);
  t.after(() => app.close());
  const seen: string[] = [];
  const none = "content-length: 0\r\n\r\n";
  const chunked = "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
  for (const [id, framing] of [
    ["one", none],
    ["one", chunked],
    ["two", chunked],
  ] as const) {
    const wire = dial(port);
    wire.socket.write(`POST /v1/payments/${id}/close HTTP/1.1\r\n${AUTH}idempotency-key: k\r\nconnection: close\r\n${framing}`);
    await wire.closed;
    seen.push(/"fingerprint":"([\w-]*)"/.exec(wire.received())?.[1] ?? wire.received());
  }
  assert.equal(seen[0]?.length, 43);
  assert.equal(seen[1], seen[0]);
  assert.notEqual(seen[2], seen[0]);
});

test("an HTTP/1.1 request without Host is refused; an unknown expectation is not", async (t) => {
  const { app } = createTestServer();
  const port = await listen(app);
  t.after(() => app.close());
  const wire = dial(port);
  wire.socket.write("GET /v1/public HTTP/1.1\r\n\r\n");
  await wire.until(/"request_id":"[^"]+"\}/);
  assert.match(wire.received(), /^HTTP\/1\.1 400 [\s\S]*"code":"invalid_request"/);
  wire.socket.write("GET /v1/public HTTP/1.1\r\nhost: t\r\nexpect: wonders\r\n\r\n");
  await wire.until(/\{"ok":true\}$/);
  wire.socket.destroy();
});

test("a method that a path does not know is 405 however the target is written, and one asked of the whole server", async (t) => {
  const { app } = createTestServer();
  const port = await listen(app);
  t.after(() => app.close());
  for (const [line, allow] of [
    ["DELETE http://a/v1/payments/1", "GET, POST"],
    ["DELETE /v1/%70ayments/1", "GET, POST"],
    ["OPTIONS *", "GET, HEAD, POST"],
  ] as const) {
    const wire = dial(port);
    wire.socket.write(`${line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    await wire.closed;
    assert.match(wire.received(), /^HTTP\/1\.1 405 /, line);
    assert.match(wire.received(), new RegExp(`\r\nallow: ${allow}\r\n`, "i"), line);
  }
});

test("a refused key is answered without waiting for the body", async (t) => {
  const { app } = createTestServer();
  const port = await listen(app);
  t.after(() => app.close());
  const wire = dial(port);
  wire.socket.write("POST /v1/echo HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n");
  await wire.until(/"code":"unauthenticated"/);
  wire.socket.destroy();
});

test("keys sent twice are no key", async (t) => {
  const { app } = createTestServer();
  const port = await listen(app);
  t.after(() => app.close());
  const wire = dial(port);
  wire.socket.write(`GET /v1/payments HTTP/1.1\r\n${AUTH}x-api-key: ${KEY}\r\n\r\n`);
  await wire.until(/"code":"unauthenticated"/);
  wire.socket.destroy();
});

test("a client that goes away in mid-request leaves a log line and no open request", async (t) => {
  const { app, lines, slow, release } = createTestServer();
  const port = await listen(app);
  t.after(() => app.close());
  const wire = dial(port);
  wire.socket.write(`GET /v1/slow HTTP/1.1\r\n${AUTH}\r\n`);
  while (slow.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
  wire.socket.destroy();
  while (lines.length === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(lines[0]?.aborted, true);
  release();
});

test("DOS-03: connections beyond the limit are closed", async (t) => {
  const { app } = createTestServer({ limits: { connections: 1 } });
  const port = await listen(app);
  t.after(() => app.close());
  const first = dial(port);
  first.socket.write("GET /v1/public HTTP/1.1\r\nhost: t\r\n\r\n");
  await first.until(/\{"ok":true\}/);
  const second = dial(port);
  await second.closed;
  assert.equal(second.received(), "");
  first.socket.destroy();
});

test("idle connections are closed after keepAliveMs", async (t) => {
  // Node adds a second of its own to the advertised time.
  const { app } = createTestServer({ limits: { keepAliveMs: 10, connectionsCheckMs: 20 } });
  const port = await listen(app);
  t.after(() => app.close());
  const wire = dial(port);
  wire.socket.write("GET /v1/public HTTP/1.1\r\nhost: t\r\n\r\n");
  await wire.until(/\{"ok":true\}/);
  await wire.closed;
});

test("a request that names its host twice is refused, and neither is gone by", async (t) => {
  const { app, lines } = createTestServer();
  const port = await listen(app);
  t.after(() => app.close());
  for (const second of ["Host: t", "host: other", "hOST:"]) {
    const wire = dial(port);
    wire.socket.write(`GET /v1/public HTTP/1.1\r\nhost: t\r\n${second}\r\nconnection: close\r\n\r\n`);
    await wire.closed;
    assert.match(wire.received(), /^HTTP\/1\.1 400 [\s\S]*"code":"invalid_request"/);
  }
  assert.equal(lines.filter(({ status }) => status === 200).length, 0);
});

test("what comes behind a body that is refused is done and answered, or neither", async (t) => {
  const { app, lines } = createTestServer();
  const port = await listen(app);
  t.after(() => app.close());
  const post = (body: string, more = ""): string =>
    `POST /v1/echo HTTP/1.1\r\n${AUTH}content-type: application/json\r\n${more}content-length: ${body.length}\r\n\r\n${body}`;
  const done = (): number => lines.filter(({ route, status }) => route === "/v1/echo" && status === 200).length;
  for (const [refused, status] of [
    [post('{"amount'), 400],
    [post("x".repeat(1024 * 1024 + 1)), 413],
    [post('{"amount":1}', "content-encoding: gzip\r\n"), 415],
  ] as const) {
    const before = done();
    const wire = dial(port);
    wire.socket.write(refused + post('{"amount":2}') + post('{"amount":3}'));
    // All are answered, or the connection is closed behind the refusal.
    await wire.until(/(?:HTTP\/1\.1[^]*){3}/).catch(() => wire.closed);
    const answers = [...wire.received().matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, text]) => Number(text));
    assert.equal(answers[0], status);
    assert.equal(answers.filter((one) => one === 200).length, done() - before, "it was done, and nobody was told");
    wire.socket.destroy();
  }
});

test("a body that is refused before all of it is there takes no answer with it, and is waited for a while", async (t) => {
  const { app, lines } = createTestServer({ limits: { ...quick, lingerMs: 300, headersTimeoutMs: 2_000, requestTimeoutMs: 5_000 } });
  const port = await listen(app);
  t.after(() => app.close());
  const post = (length: number, more = ""): string =>
    `POST /v1/echo HTTP/1.1\r\n${AUTH}content-type: application/json\r\n${more}content-length: ${length}\r\n\r\n`;
  for (const [head, length, status] of [
    [post(8_000_000), 8_000_000, 413],
    [post(100_000, "content-encoding: gzip\r\n"), 100_000, 415],
  ] as const) {
    const wire = dial(port);
    wire.socket.write(`${post(12)}{"amount":1}${head}xxx`);
    await wire.until(new RegExp(`"got"[^]*HTTP/1.1 ${status} `));
    wire.socket.write(`${"x".repeat(length - 3)}${post(12)}{"amount":2}`);
    await wire.until(/"amount":2[^]*$/);
    wire.socket.destroy();

    const before = lines.length;
    const half = dial(port);
    half.socket.write(`${head}xxx`);
    await half.closed;
    assert.match(half.received(), new RegExp(`^HTTP/1.1 ${status} `));
    assert.equal(lines.length, before + 1);
  }
});
