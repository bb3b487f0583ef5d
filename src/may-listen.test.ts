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
