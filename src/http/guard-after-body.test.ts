import assert from "node:assert/strict";
import { test } from "node:test";
import { refuse } from "#kernel/problems.ts";
import { KEY, createTestServer, dial, listen } from "./testing.ts";

const keyed = { "x-api-key": KEY };

test("KEY-02: a caller of whom nothing has changed is not judged again once the body is there", async (t) => {
  let authenticated = 0;
  let changed = false;
  const server = createTestServer({
    authenticate: () => {
      authenticated += 1;
      return server.principal;
    },
    stands: (principal) => principal === server.principal && !changed,
  });
  t.after(() => server.app.close());
  const post = () => server.app.inject({ method: "POST", url: "/v1/echo", headers: keyed, payload: { amount: 1 } });
  assert.equal((await post()).statusCode, 200);
  assert.equal(authenticated, 1);
  changed = true;
  assert.equal((await post()).statusCode, 200);
  assert.equal(authenticated, 3);
});

test("KEY-02: who calls is judged again once a body that was awaited is there, without a second draw on the quota", async (t) => {
  const authenticated: string[] = [];
  let drawn = 0;
  let answer: "as before" | "refused" | "later" | "narrowed" | "elsewhere" | "bound" = "as before";
  const server = createTestServer({
    authenticate: () => {
      authenticated.push(answer);
      if (answer === "refused") return refuse("unauthenticated");
      if (answer === "later") return Promise.resolve(refuse("unauthenticated"));
      if (answer === "narrowed") return { ...server.principal, scopes: new Set(["transactions:read"] as const) };
      if (answer === "bound") return { ...server.principal, certificateSha256: "c".repeat(64) };
      return answer === "elsewhere" ? { ...server.principal } : server.principal;
    },
    takeQuota: () => {
      drawn += 1;
      return { allowed: true, policy: '"default";q=100;w=60', limit: '"default";r=99;t=60', retryAfterSeconds: 0 };
    },
    refusesIp: () => (answer === "elsewhere" ? "key" : undefined),
  });
  const { app, lines } = server;
  const port = await listen(app);
  t.after(() => app.close());
  const outcomes = [
    ["as before", 200, "got"],
    ["refused", 401, "unauthenticated"],
    ["later", 401, "unauthenticated"],
    ["elsewhere", 403, "ip_not_allowed"],
    ["narrowed", 403, "insufficient_scope"],
    ["bound", 403, "certificate_mismatch"],
  ] as const;
  for (const [next, status, told] of outcomes) {
    answer = "as before";
    const before = authenticated.length;
    const wire = dial(port);
    wire.socket.write(
      `POST /v1/echo HTTP/1.1\r\nhost: t\r\nconnection: close\r\nx-api-key: ${KEY}\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n{`,
    );
    while (authenticated.length === before) await new Promise((resolve) => setImmediate(resolve));
    answer = next;
    wire.socket.write('"amount":1}');
    await wire.closed;
    assert.match(wire.received(), new RegExp(`^HTTP/1\\.1 ${status} [^]*"${told}"`), next);
  }
  assert.equal(drawn, outcomes.length);
  assert.equal(authenticated.length, 2 * outcomes.length);
  assert.equal(lines.length, outcomes.length);
});
