import assert from "node:assert/strict";
import { Socket } from "node:net";
import { test } from "node:test";
import type { FastifyRequest } from "fastify";
import type { Authenticator, Principal } from "#access/index.ts";
import { systemClock } from "#kernel/clock.ts";
import { createIds } from "#kernel/ids.ts";
import { systemRandom } from "#kernel/random.ts";
import type { SessionAuthenticator } from "#operators/index.ts";
import { mayListen } from "./may-listen.ts";

test("a stream of a key that has been bound to a client certificate ends where its connection has none", async () => {
  const ids = createIds(systemClock, systemRandom());
  const apiKeyId = ids.next("apiKey");
  const organisation = { rateLimitPerMinute: 1, keyRateLimitPerMinute: 1, ipAllowlist: undefined };
  const free: Principal = {
    ok: true,
    organisationId: ids.next("organisation"),
    apiKeyId,
    personId: apiKeyId,
    environment: "test",
    scopes: new Set(["events:read"]),
    rateLimitPerMinute: 1,
    burstPerSecond: 1,
    ipAllowlist: undefined,
    organisation,
  };
  let principal = free;
  const authenticator: Pick<Authenticator, "authenticate" | "forget"> = { authenticate: () => principal, forget: () => undefined };
  const request = {
    headers: { "x-api-key": "any" },
    raw: { headers: {}, socket: new Socket() },
    caller: { ip: "127.0.0.1", principal: free },
  } as unknown as FastifyRequest;
  const may = mayListen(authenticator as Authenticator, {} as SessionAuthenticator, "session", systemClock)(request);
  assert.equal(await may(), true);
  principal = { ...free, certificateSha256: "c".repeat(64) };
  assert.equal(await may(), false);
  principal = { ...free, scopes: new Set() };
  assert.equal(await may(), false);
});

test("a key is asked for anew though the clock was set back", async () => {
  let now = 10_000_000;
  const clock = { now: () => now, sleep: () => Promise.resolve() };
  const ids = createIds(systemClock, systemRandom());
  const apiKeyId = ids.next("apiKey");
  const principal = { ok: true, apiKeyId, scopes: new Set(["events:read"]), organisation: { ipAllowlist: undefined } };
  let forgotten = 0;
  const authenticator = { authenticate: () => principal, forget: () => void (forgotten += 1) } as unknown as Authenticator;
  const request = { headers: {}, raw: { headers: {} }, caller: { ip: "127.0.0.1", principal } } as unknown as FastifyRequest;
  const may = mayListen(authenticator, {} as SessionAuthenticator, "session", clock)(request);
  await may();
  await may();
  assert.equal(forgotten, 1);
  now -= 3_600_000;
  await may();
  assert.equal(forgotten, 2);
});
