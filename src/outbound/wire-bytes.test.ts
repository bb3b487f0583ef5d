import assert from "node:assert/strict";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { test } from "node:test";
import { makeAuthority } from "#test/support/certificates.ts";
import type { OutboundOptions } from "./create-outbound.ts";
import { createOutbound } from "./create-outbound.ts";

const here: OutboundOptions["resolve"] = async () => [{ address: "127.0.0.1", family: 4 }];

test("SSRF-01: a server that never comes to an end of its handshake is not listened to until the deadline", async (t) => {
  // Requests to begin a handshake, which a client that is in one passes over.
  const nothing = Buffer.concat([Buffer.from([0x16, 3, 3, 0x40, 0]), Buffer.alloc(0x4000)]);
  const server = createServer((socket) => {
    const more = (): void => {
      while (!socket.destroyed && socket.write(nothing));
    };
    socket.on("error", () => undefined).on("drain", more);
    socket.once("data", more);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const outbound = createOutbound({ development: true, resolve: here });
  t.after(() => {
    outbound.close();
    server.close();
  });
  const answer = await outbound.request({ url: `https://hooks.shop:${(server.address() as AddressInfo).port}/`, method: "GET" });
  assert.deepEqual(answer, { ok: false, reason: "response_too_large" });
});

test("a connection is measured for each call, so that one that is kept answers any number of them", async (t) => {
  const authority = makeAuthority("Test authority");
  const { certificate, key } = authority.issue({ name: "hooks.shop", usage: "server", hosts: ["hooks.shop"] });
  let connections = 0;
  const server = createTlsServer({ cert: certificate, key }, (_request, response) => {
    // Longer than it takes to look at what has come.
    response.write("x".repeat(32 * 1024));
    setTimeout(() => response.end("x".repeat(32 * 1024)), 150);
  });
  server.on("secureConnection", () => void (connections += 1));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const outbound = createOutbound({ development: true, resolve: here, trust: authority.certificate });
  t.after(() => {
    outbound.close();
    server.close();
  });
  for (let round = 0; round < 16; round++) {
    const answer = await outbound.request({ url: `https://hooks.shop:${(server.address() as AddressInfo).port}/`, method: "GET" });
    assert.ok(answer.ok && answer.body.length === 64 * 1024, JSON.stringify(answer).slice(0, 200));
  }
  assert.equal(connections, 1);
});
