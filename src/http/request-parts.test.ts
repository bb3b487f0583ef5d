import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import fc from "fast-check";
import { clientAddress } from "./client-address.ts";
import { readIdempotencyKey } from "./idempotency-key.ts";
import { queryHasKey } from "./key-in-query.ts";
import { createRouteIndex } from "./route-index.ts";

const from = (remoteAddress: string, forwarded?: string): IncomingMessage =>
  ({ socket: { remoteAddress }, headers: forwarded === undefined ? {} : { "x-forwarded-for": forwarded } }) as unknown as IncomingMessage;

test("X-Forwarded-For counts for as many entries as there are trusted proxies, from the right", () => {
  const header = "1.1.1.1, 2.2.2.2,3.3.3.3";
  for (const [hops, expected] of [
    [0, "9.9.9.9"],
    [1, "3.3.3.3"],
    [2, "2.2.2.2"],
    [3, "1.1.1.1"],
    [7, "1.1.1.1"],
  ] as const) {
    assert.equal(clientAddress(from("9.9.9.9", header), hops), expected);
  }
  assert.equal(clientAddress(from("9.9.9.9"), 2), "9.9.9.9");
});

test("an entry that is no address ends the walk before it", () => {
  assert.equal(clientAddress(from("9.9.9.9", "1.1.1.1, unknown, 3.3.3.3"), 3), "3.3.3.3");
  assert.equal(clientAddress(from("9.9.9.9", "1.1.1.1:80"), 1), "9.9.9.9");
  assert.equal(clientAddress(from("9.9.9.9", ""), 1), "9.9.9.9");
});

test("IPv4-mapped addresses lose their prefix, other IPv6 addresses stay", () => {
  assert.equal(clientAddress(from("::ffff:127.0.0.1"), 0), "127.0.0.1");
  assert.equal(clientAddress(from("::1", "::FFFF:10.0.0.1"), 1), "10.0.0.1");
  for (const spelled of ["::ffff:c633:6407", "::FFFF:C633:6407", "0:0:0:0:0:ffff:c633:6407", "::ffff:198.51.100.7"])
    assert.equal(clientAddress(from("::1", spelled), 1), "198.51.100.7", spelled);
  for (const other of ["2001:db8::ffff:1", "1:ffff:c633:6407::", "::fffe:c633:6407"]) assert.equal(clientAddress(from(other), 0), other);
  assert.equal(clientAddress(from("2001:db8::1"), 0), "2001:db8::1");
});

test("property: what a client writes left of the trusted entries never matters", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary-ascii" }), fc.ipV4(), fc.ipV4(), (forged, one, two) => {
      assert.equal(clientAddress(from("9.9.9.9", `${forged},${one}, ${two}`), 2), one);
    }),
  );
});

test("idempotency keys: 1 to 255 visible ASCII characters, bare or quoted", () => {
  const visible = fc.string({
    unit: fc.integer({ min: 0x21, max: 0x7e }).map((c) => String.fromCharCode(c)),
    minLength: 1,
    maxLength: 255,
  });
  fc.assert(
    fc.property(visible, (key) => {
      const quoted = `"${key.replaceAll(/["\\]/g, "\\$&")}"`;
      assert.deepEqual(readIdempotencyKey(quoted), { ok: true, key });
      if (!key.startsWith('"')) assert.deepEqual(readIdempotencyKey(key), { ok: true, key });
    }),
  );
  for (const absent of [undefined, ""]) {
    const refusal = readIdempotencyKey(absent);
    assert.ok(!refusal.ok);
    assert.equal(refusal.code, "idempotency_key_missing");
    assert.match(refusal.detail ?? "", /^Operations that make something or move money require one/);
  }
  for (const bad of [
    "a b",
    "é",
    "a\tb",
    "x".repeat(256),
    `"${"x".repeat(256)}"`,
    '""',
    '"a',
    '"a"b',
    '"a";p=1',
    '"a\\x"',
    '"a b"',
    "a, b",
    '"',
  ]) {
    const refusal = readIdempotencyKey(bad);
    assert.equal(refusal.ok ? undefined : refusal.code, "idempotency_key_invalid", bad);
  }
});

test("names that look like keys are found in queries however they are spelled", () => {
  for (const name of ["key", "api_key", "API-Key", "apikey", "x-api-key", "X_API_KEY", "access_token", "token"]) {
    assert.equal(queryHasKey({ limit: "1", [name]: "" }), true, name);
  }
  for (const query of [{}, null, undefined, { limit: "1", cursor: "key", monkey: "1" }]) assert.equal(queryHasKey(query), false);
});

test("the route index knows the methods of a path", () => {
  const index = createRouteIndex();
  for (const [method, pattern] of [
    ["GET", "/v1/a/:id"],
    ["POST", "/v1/a/:id"],
    ["GET", "/v1/a.b"],
    ["POST", "/files/*"],
  ] as const) {
    index.add(method, pattern);
  }
  assert.deepEqual(index.methodsOf("/v1/a/1"), ["GET", "POST"]);
  assert.deepEqual(index.methodsOf("/v1/a.b"), ["GET"]);
  assert.deepEqual(index.methodsOf("/files/x/y"), ["POST"]);
  // Targets as the router reads them: with their origin, escaped where that divides nothing, with what follows the path.
  for (const target of [
    "http://host/v1/a/1",
    "HTTPS://host:8443/v1/a/1?b=/c",
    "/v1/%61/1",
    "/v1/a/%20%2F?x",
    "/v1/a/1#x?y",
    "/v1/a/1?u=http://h/",
  ])
    assert.deepEqual(index.methodsOf(target), ["GET", "POST"], target);
  for (const target of ["http://host", "http://host?a", "/v1%2Fa/1", "/v1/%2561/1", "/x?/v1/a/1", "/v1/b/%zz", "ftp://host/v1/a/1"])
    assert.deepEqual(index.methodsOf(target), [], target);
  index.add("GET", "/");
  for (const target of ["http://host", "https://host?a", "/"]) assert.deepEqual(index.methodsOf(target), ["GET"], target);
  assert.deepEqual(index.methodsOf("*"), ["GET", "POST"], "the server as a whole");
  for (const path of ["/v1/a/", "/v1/a/1/2", "/v1/aXb", "/v1"]) assert.deepEqual(index.methodsOf(path), [], path);
});
