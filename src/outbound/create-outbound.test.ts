import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { ClientRequest, RequestListener, Server } from "node:http";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { connect, createServer as createTcpServer } from "node:net";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { createServer as createRawTlsServer } from "node:tls";
import { Worker } from "node:worker_threads";
import { makeAuthority } from "#test/support/certificates.ts";
import type { ResolvedAddress } from "./contract.ts";
import type { OutboundOptions } from "./create-outbound.ts";
import { createOutbound } from "./create-outbound.ts";

const v4 = (address: string): ResolvedAddress => ({ address, family: 4 });
const here = async () => [v4("127.0.0.1")];
const GET = { method: "GET" } as const;

async function serve(t: TestContext, server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    if ("closeAllConnections" in server) server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** A plain server of this machine, and a client that may call it. */
async function development(t: TestContext, listener: RequestListener, options: OutboundOptions = {}) {
  const port = await serve(t, createServer(listener));
  const outbound = createOutbound({ development: true, resolve: here, ...options });
  t.after(() => outbound.close());
  return { port, outbound, url: `http://hooks.shop:${port}/in?x=1` };
}

test("a call brings method, headers and body, and returns status, headers and body", async (t) => {
  const seen: unknown[] = [];
  const { outbound, url } = await development(t, (request, response) => {
    request.setEncoding("utf8").on("data", (text) => seen.push(text));
    request.on("end", () => {
      const { host, "content-length": length, "accept-encoding": coding, "x-id": id } = request.headers;
      seen.push(request.method, request.url, host?.split(":")[0], length, coding, id);
      response.writeHead(422, { "x-answer": "a" }).end("no");
    });
  });
  const answer = await outbound.request({ url, method: "POST", headers: { "X-Id": "7" }, body: "größe" });
  assert.ok(answer.ok);
  assert.deepEqual([answer.status, answer.headers["x-answer"], answer.body.toString()], [422, "a", "no"]);
  assert.deepEqual(seen, ["größe", "POST", "/in?x=1", "hooks.shop", "7", "identity", "7"]);
});

test("SSRF-01: one address that is not public refuses the name, and nothing is sent", async (t) => {
  let calls = 0;
  const port = await serve(
    t,
    createServer((_request, response) => {
      calls += 1;
      response.end();
    }),
  );
  for (const addresses of [
    ["127.0.0.1"],
    ["8.8.8.8", "127.0.0.1"],
    ["10.0.0.1"],
    ["169.254.169.254"],
    ["::1"],
    ["::ffff:127.0.0.1"],
    ["64:ff9b::7f00:1"],
  ]) {
    const outbound = createOutbound({
      resolve: async () => addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    });
    assert.deepEqual(await outbound.request({ url: `https://hooks.shop:${port}/`, ...GET }), { ok: false, reason: "address_not_allowed" });
    outbound.close();
  }
  const dev = createOutbound({ development: true, resolve: async () => [v4("127.0.0.1"), v4("10.0.0.1")] });
  assert.deepEqual(await dev.request({ url: `http://hooks.shop:${port}/`, ...GET }), { ok: false, reason: "address_not_allowed" });
  dev.close();
  assert.equal(calls, 0);
});

test("SSRF-01: a name is resolved once for a connection, and connected to that very answer", async (t) => {
  const asked: string[] = [];
  // The first answer is allowed; whoever asked again would be sent elsewhere.
  const resolve = async (name: string) => {
    asked.push(name);
    return asked.length === 1 ? [v4("127.0.0.1")] : [v4("10.0.0.1")];
  };
  const { outbound, url } = await development(t, (_request, response) => response.end("here"), { resolve });
  for (let round = 0; round < 3; round++) {
    const answer = await outbound.request({ url, ...GET });
    assert.ok(answer.ok && answer.body.toString() === "here");
  }
  assert.deepEqual(asked, ["hooks.shop"], "the connection is kept, and no second answer was asked for");
});

test("SSRF-01: a new connection is judged anew", async (t) => {
  let answers = [v4("127.0.0.1")];
  const listener: RequestListener = (_request, response) => response.setHeader("connection", "close").end();
  const { outbound, url } = await development(t, listener, { resolve: async () => answers });
  assert.equal((await outbound.request({ url, ...GET })).ok, true);
  answers = [v4("192.168.0.1")];
  assert.deepEqual(await outbound.request({ url, ...GET }), { ok: false, reason: "address_not_allowed" });
});

test("SSRF-01: redirects are not followed", async (t) => {
  const paths: (string | undefined)[] = [];
  for (const status of [301, 302, 303, 304, 307, 308]) {
    const { outbound, url } = await development(t, (request, response) => {
      paths.push(request.url);
      response.writeHead(status, { location: "/elsewhere" }).end();
    });
    assert.deepEqual(await outbound.request({ url, ...GET }), { ok: false, reason: "redirected", status });
  }
  assert.deepEqual([...new Set(paths)], ["/in?x=1"]);
});

test("SSRF-01: an answer is read up to the limit, whether it names its length or not", async (t) => {
  const limits = { responseBytes: 1_000, headerBytes: 2_000 };
  for (const size of [1_000, 1_001]) {
    for (const named of [true, false]) {
      const { outbound, url } = await development(
        t,
        (_request, response) => {
          if (named) response.setHeader("content-length", size);
          response.end("x".repeat(size));
        },
        { limits },
      );
      const answer = await outbound.request({ url, ...GET });
      assert.deepEqual(answer.ok ? answer.body.length : answer.reason, size === 1_000 ? 1_000 : "response_too_large");
      assert.equal(answer.status, 200, "which it was is known before the body is");
    }
  }
  const { outbound, url } = await development(t, (_request, response) => response.setHeader("x", "y".repeat(3_000)).end(), { limits });
  assert.deepEqual(await outbound.request({ url, ...GET }), { ok: false, reason: "response_too_large", code: "HPE_HEADER_OVERFLOW" });
});

test("SSRF-01: the whole call has one deadline: resolving, connecting, head and body", async (t) => {
  const limits = { totalMs: 60 };
  const drip: RequestListener = (_request, response) => {
    response.flushHeaders();
    const timer = setInterval(() => response.write("x"), 10);
    response.on("close", () => clearInterval(timer));
  };
  const never = () => new Promise<never>(() => undefined);
  for (const [listener, resolve] of [
    [() => undefined, here],
    [drip, here],
    [drip, never],
  ] as const) {
    const { outbound, url } = await development(t, listener, { limits, resolve });
    const answer = await outbound.request({ url, ...GET });
    assert.ok(!answer.ok && answer.reason === "timed_out", JSON.stringify(answer));
    assert.equal(answer.status, listener === drip && resolve === here ? 200 : undefined);
  }
});

test("calls beyond the bound are refused at once, per host and in all, and take nothing with them", async (t) => {
  const held: (() => void)[] = [];
  const { outbound, port } = await development(t, (_request, response) => void held.push(() => response.end()), {
    limits: { inFlight: 3, inFlightPerHost: 2 },
  });
  const to = (host: string) => outbound.request({ url: `http://${host}:${port}/`, ...GET });
  const accepted = [to("a.shop"), to("a.shop"), to("b.shop")];
  assert.deepEqual(await to("a.shop"), { ok: false, reason: "busy" });
  assert.deepEqual(await to("c.shop"), { ok: false, reason: "busy" });
  while (held.length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
  for (const release of held.splice(0)) release();
  for (const answer of await Promise.all(accepted)) assert.equal(answer.ok, true);
  const again = to("a.shop");
  while (held.length < 1) await new Promise((resolve) => setTimeout(resolve, 1));
  held[0]?.();
  assert.equal((await again).ok, true);
});

test("what does not resolve, connect or speak HTTP is a refusal, and so are headers that are ours", async (t) => {
  const failing = createOutbound({ resolve: () => Promise.reject(new Error("SERVFAIL")) });
  assert.deepEqual(await failing.request({ url: "https://hooks.shop/", ...GET }), { ok: false, reason: "unresolvable" });
  const empty = createOutbound({ resolve: async () => [] });
  assert.deepEqual(await empty.request({ url: "https://hooks.shop/", ...GET }), { ok: false, reason: "unresolvable" });
  const crowd = createOutbound({ resolve: async () => Array.from({ length: 65 }, () => v4("8.8.8.8")) });
  assert.deepEqual(await crowd.request({ url: "https://hooks.shop/", ...GET }), { ok: false, reason: "unresolvable" });

  const sockets: Socket[] = [];
  const noise = createTcpServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined).end("SSH-2.0-x\r\n");
  });
  const port = await serve(t, noise);
  const outbound = createOutbound({ development: true, resolve: here });
  const answer = await outbound.request({ url: `http://hooks.shop:${port}/`, ...GET });
  assert.ok(!answer.ok && answer.reason === "connection_failed", JSON.stringify(answer));
  const notOurs: readonly Readonly<Record<string, string>>[] = [
    { Host: "x" },
    { "transfer-encoding": "chunked" },
    { "content-length": "0" },
    { "a b": "c" },
    { a: "b\r\nc: d" },
    { a: "€" },
  ];
  for (const headers of notOurs)
    assert.deepEqual(await outbound.request({ url: `http://hooks.shop:${port}/`, ...GET, headers }), {
      ok: false,
      reason: "invalid_header",
    });
  outbound.close();
  assert.deepEqual(await outbound.request({ url: `http://hooks.shop:${port}/`, ...GET }), { ok: false, reason: "closed" });
});

test("an upgrade is not taken up", async (t) => {
  const server = createTcpServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.write("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"));
  });
  const port = await serve(t, server);
  const outbound = createOutbound({ development: true, resolve: here, limits: { totalMs: 5_000 } });
  t.after(() => outbound.close());
  const answer = await outbound.request({ url: `http://hooks.shop:${port}/`, ...GET });
  assert.deepEqual(answer, { ok: false, reason: "connection_failed", code: "UPGRADE" });
});

test("SSRF-01: a server that never comes to its answer is not listened to until the deadline", async (t) => {
  const interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n";
  for (const [before, taken] of [
    [interim.repeat(16), true],
    ["\r\n".repeat(1_000), true],
    [interim.repeat(10_000), false],
    ["\r\n".repeat(1_000_000), false],
  ] as const) {
    const server = createTcpServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", () => socket.write(taken ? `${before}HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n` : before));
    });
    const port = await serve(t, server);
    const outbound = createOutbound({ development: true, resolve: here });
    t.after(() => outbound.close());
    // Each answer is measured for itself, also on a connection that is kept.
    for (let round = 0; round < (taken ? 100 : 1); round++) {
      const answer = await outbound.request({ url: `http://hooks.shop:${port}/`, ...GET });
      if (taken) assert.ok(answer.ok && answer.status === 200, JSON.stringify(answer));
      else assert.deepEqual(answer, { ok: false, reason: "response_too_large" });
    }
  }
});

test("SSRF-01: the certificate must be for the name, in date and of a trusted authority; TLS 1.2 at least", async (t) => {
  const authority = makeAuthority("Test authority");
  const good = authority.issue({ name: "hooks.shop", usage: "server", hosts: ["hooks.shop"] });
  const cases = [
    [good, "TLSv1.3", true],
    [authority.issue({ name: "other.shop", usage: "server", hosts: ["other.shop"] }), "TLSv1.3", false],
    [authority.issue({ name: "hooks.shop", usage: "server", hosts: ["hooks.shop"], until: Date.now() - 1_000 }), "TLSv1.3", false],
    [makeAuthority("Another").issue({ name: "hooks.shop", usage: "server", hosts: ["hooks.shop"] }), "TLSv1.3", false],
    [good, "TLSv1.1", false],
  ] as const;
  for (const [{ certificate, key }, maxVersion, accepted] of cases) {
    const old = maxVersion === "TLSv1.1" ? { minVersion: "TLSv1" as const, ciphers: "DEFAULT@SECLEVEL=0" } : {};
    const port = await serve(
      t,
      createTlsServer({ cert: certificate, key, maxVersion, ...old }, (_request, response) => response.end("secret")),
    );
    const outbound = createOutbound({ development: true, resolve: here, trust: authority.certificate });
    const answer = await outbound.request({ url: `https://hooks.shop:${port}/`, ...GET });
    assert.equal(answer.ok ? "answered" : answer.reason, accepted ? "answered" : "tls_failed", JSON.stringify(answer));
    outbound.close();
  }
});

test("SSRF-01: one handshake is all that a server gets", async (t) => {
  const authority = makeAuthority("Test authority");
  const { certificate, key } = authority.issue({ name: "hooks.shop", usage: "server", hosts: ["hooks.shop"] });
  let handshakes = 0;
  const server = createRawTlsServer({ cert: certificate, key, maxVersion: "TLSv1.2" }, (socket) => {
    const again = (): void => {
      socket.renegotiate({ rejectUnauthorized: false }, (error) => {
        if (error !== null) return;
        handshakes += 1;
        again();
      });
    };
    socket.on("error", () => undefined).once("data", again);
  });
  const port = await serve(t, server);
  const outbound = createOutbound({ development: true, resolve: here, trust: authority.certificate, limits: { totalMs: 1_000 } });
  t.after(() => outbound.close());
  const answer = await outbound.request({ url: `https://hooks.shop:${port}/`, ...GET });
  assert.ok(!answer.ok && answer.reason === "tls_failed", JSON.stringify(answer));
  assert.equal(handshakes, 0);
});

test("SSRF-01: a server that never stops handing out tickets is not listened to until the deadline", async (t) => {
  const authority = makeAuthority("Test authority");
  const { certificate, key } = authority.issue({ name: "hooks.shop", usage: "server", hosts: ["hooks.shop"] });
  const port = await serve(
    t,
    createTlsServer({ cert: certificate, key }, (_request, response) => void setTimeout(() => response.end("late"), 50)),
  );
  // No server of Node hands out more than two.
  let more = 0;
  const handOut = (message: unknown): void => {
    const { request } = message as { readonly request: ClientRequest };
    for (let n = 0; n < more; n++) request.socket?.emit("session", Buffer.alloc(0));
  };
  subscribe("http.client.request.start", handOut);
  t.after(() => unsubscribe("http.client.request.start", handOut));
  for (const [count, taken] of [
    [30, true],
    [33, false],
  ] as const) {
    more = count;
    const outbound = createOutbound({ development: true, resolve: here, trust: authority.certificate });
    const answer = await outbound.request({ url: `https://hooks.shop:${port}/`, ...GET });
    assert.equal(answer.ok ? "answered" : answer.reason, taken ? "answered" : "tls_failed");
    outbound.close();
  }
});

test("idle connections are bounded in number and time, and those to other hosts leave no new host waiting", async (t) => {
  const open = new Set<Socket>();
  const server = createServer((_request, response) => response.end("ok"));
  server.keepAliveTimeout = 60_000;
  server.on("connection", (socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
  });
  const port = await serve(t, server);
  const ask = (outbound: ReturnType<typeof createOutbound>, host: string) =>
    outbound.request({ url: `http://${host}.shop:${port}/`, ...GET });
  const few = createOutbound({ development: true, resolve: here, limits: { inFlight: 8, totalMs: 2_000, idleMs: 60_000 } });
  t.after(() => few.close());
  for (let n = 0; n < 16; n++) assert.ok((await ask(few, `h${n}`)).ok, "not one waits for the idle sockets of the others");
  for (let n = 16; n < 300; n++) assert.ok((await ask(few, `h${n}`)).ok);
  const settled = Date.now() + 5_000;
  while (open.size > 256 && Date.now() < settled) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(open.size, 256);
  few.close();

  const brief = createOutbound({ development: true, resolve: here, limits: { idleMs: 50 } });
  t.after(() => brief.close());
  assert.ok((await ask(brief, "brief")).ok);
  while (open.size > 0 && Date.now() < settled) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(open.size, 0);
});

test("how long an idle connection is kept is no bound on an answer", async (t) => {
  const { outbound, url } = await development(t, (_request, response) => void setTimeout(() => response.end("late"), 200), {
    limits: { idleMs: 50 },
  });
  const answer = await outbound.request({ url, ...GET });
  assert.ok(answer.ok && answer.body.toString() === "late");
});

/** A server whose connections all wait to be accepted until it is let go on; those that do not fit into its line begin anew after a second. */
const LATE_SERVER = `
  const { parentPort, workerData } = require("node:worker_threads");
  const server = require("node:http").createServer((_request, response) => response.end("late"));
  server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    setImmediate(() => Atomics.wait(workerData, 0, 0));
  });
`;

test("an address that takes longer than a moment to connect to is not given up for one that leads nowhere", async (t) => {
  const go = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(LATE_SERVER, { eval: true, workerData: go });
  t.after(() => worker.terminate());
  const port = await new Promise<number>((resolve) => worker.once("message", resolve));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const line = Array.from({ length: 3 }, () => connect(port, "127.0.0.1").on("error", () => undefined));
  t.after(() => line.forEach((socket) => socket.destroy()));
  await new Promise((resolve) => setTimeout(resolve, 100));
  // The second address is one that this machine has no way to: nobody listens there.
  const resolve = async (): Promise<ResolvedAddress[]> => [v4("127.0.0.1"), { address: "::1", family: 6 }];
  const outbound = createOutbound({ development: true, resolve });
  t.after(() => outbound.close());
  const answer = outbound.request({ url: `http://far.shop:${port}/`, ...GET });
  setTimeout(() => {
    Atomics.store(go, 0, 1);
    Atomics.notify(go, 0);
  }, 500);
  const answered = await answer;
  assert.ok(answered.ok, JSON.stringify(answered));
});
