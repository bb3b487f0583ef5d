import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Clock } from "#kernel/clock.ts";
import { createIds } from "#kernel/ids.ts";
import type { Item } from "#storage/index.ts";
import { systemRandom } from "#kernel/random.ts";
import { ALL_SCOPES } from "#kernel/scopes.ts";
import { apiKeyFromItem, apiKeyToItem, burstOf, presentApiKey } from "./api-key.ts";
import { issueApiKey } from "./issue-api-key.ts";
import { revokeApiKey } from "./revoke-api-key.ts";

const random = systemRandom();
const clock: Clock = { now: () => 1_795_285_860_123, sleep: async () => {} };
const ids = createIds(clock, random);
const organisationId = ids.next("organisation");
const issue = () =>
  issueApiKey({ clock, ids, random }, { organisationId, name: "payments", environment: "live", ipAllowlist: ["10.0.0.0/8"] });

describe("an API key record", () => {
  it("is stored and read back, active or revoked", () => {
    const { record } = issue();
    assert.deepEqual(apiKeyFromItem(JSON.parse(JSON.stringify(apiKeyToItem(record))) as Item), record);
    const revoked = revokeApiKey(record, ids.next("apiKey"), clock.now());
    assert.ok(revoked.ok);
    assert.deepEqual(apiKeyFromItem(apiKeyToItem(revoked.record)), revoked.record);
  });

  it("KEY-01 holds the secret only as a hash; the text is given once", () => {
    const { record, text } = issue();
    const secret = text.slice(36, 79);
    const stored = JSON.stringify(apiKeyToItem(record));
    assert.ok(!stored.includes(secret) && stored.includes(record.secretHash));
    assert.ok(text.includes(record.id.slice(4)));
  });

  it("KEY-01 is presented without secret and hash", () => {
    const { record, text } = issue();
    const view = presentApiKey(record, clock.now(), clock.now() - 60_000);
    const shown = JSON.stringify(view);
    for (const hidden of [text.slice(36, 79), record.secretHash, "secret_hash", '"secret"', "sfk_"]) assert.ok(!shown.includes(hidden));
    assert.deepEqual(view, {
      id: record.id,
      object: "api_key",
      organisation_id: organisationId,
      name: "payments",
      environment: "live",
      status: "active",
      scopes: ALL_SCOPES,
      rate_limit_per_minute: 100,
      burst_limit_per_second: 50,
      ip_allowlist: ["10.0.0.0/8"],
      certificate_sha256: null,
      owner_operator_id: null,
      created_at: "2026-11-21T18:31:00.123Z",
      expires_at: null,
      last_used_at: "2026-11-21T18:30:00.123Z",
      previous_secret_expires_at: null,
      revoked_at: null,
      version: 1,
    });
    const revoked = revokeApiKey(record, ids.next("apiKey"), clock.now());
    assert.ok(revoked.ok);
    assert.equal(presentApiKey(revoked.record, clock.now()).revoked_at, "2026-11-21T18:31:00.123Z");
  });

  it("is shown as expired, and without its former secret, from the moment on", () => {
    const now = clock.now();
    const record = {
      ...issue().record,
      expiresAt: now + 10,
      previousSecret: { hash: "a".repeat(64), expiresAt: now + 5 },
      certificateSha256: "c".repeat(64),
    };
    const at = (ms: number) => {
      const { status, previous_secret_expires_at } = presentApiKey(record, now + ms);
      return [status, previous_secret_expires_at === null];
    };
    assert.deepEqual(
      [at(0), at(4), at(5), at(9), at(10)],
      [
        ["active", false],
        ["active", false],
        ["active", true],
        ["active", true],
        ["expired", true],
      ],
    );
    assert.ok(!JSON.stringify(presentApiKey(record, now)).includes("aaaa"));
    assert.deepEqual(apiKeyFromItem(JSON.parse(JSON.stringify(apiKeyToItem(record))) as Item), record);
  });

  it("KEY-02 of before there were scopes may do everything; no other field may be missing", () => {
    const { scopes: _, ...old } = apiKeyToItem(issue().record);
    assert.deepEqual(apiKeyFromItem(old).scopes, ALL_SCOPES);
    assert.deepEqual(apiKeyFromItem({ ...old, scopes: [] }).scopes, []);
    assert.deepEqual(apiKeyFromItem({ ...old, scopes: ["users:read", "accounts:read"] }).scopes, ["accounts:read", "users:read"]);
  });

  it("lets nobody in when any stored field is missing or of another kind", () => {
    const item = apiKeyToItem(issue().record);
    for (const field of Object.keys(item)) {
      const { [field]: _, ...without } = item;
      if (field !== "scopes") assert.throws(() => apiKeyFromItem(without), /malformed/, field);
      assert.throws(() => apiKeyFromItem({ ...item, [field]: true }), /malformed/, field);
    }
    const wrong: Item[] = [
      { status: "paused" },
      { status: "revoked" },
      { revoked_at: 5 },
      { environment: "prod" },
      { secret_hash: "ABC" },
      { rate_limit_per_minute: 0 },
      { rate_limit_per_minute: 1.5 },
      { ip_allowlist: [5] },
      { id: organisationId },
      { scopes: "users:read" },
      { scopes: ["users:read", "everything"] },
      { expires_at: "2026-11-21T18:31:00.123Z" },
      { previous_secret_hash: "a".repeat(64) },
      { previous_secret_expires_at: 5 },
      { certificate_sha256: "short" },
      { previous_secret_hash: "short", previous_secret_expires_at: 5 },
    ];
    for (const over of wrong) assert.throws(() => apiKeyFromItem({ ...item, ...over }), /malformed/);
  });

  it("is not issued with a rate limit out of range", () => {
    for (const rateLimitPerMinute of [0, -1, 1.5, NaN, 10_000_001]) {
      assert.throws(() => issueApiKey({ clock, ids, random }, { organisationId, name: "x", environment: "test", rateLimitPerMinute }));
    }
  });
});

describe("revocation", () => {
  it("happens once, counts the version up and leaves the old record alone", () => {
    const { record } = issue();
    const before = JSON.stringify(record);
    const result = revokeApiKey(record, ids.next("apiKey"), 5);
    assert.deepEqual(result, { ok: true, record: { ...record, status: "revoked", revokedAt: 5, version: 2 } });
    assert.equal(JSON.stringify(record), before);
    assert.ok(result.ok);
    assert.deepEqual(revokeApiKey(result.record, ids.next("apiKey"), 6), { ok: false, code: "api_key_revoked" });
  });

  it("is refused to the key itself", () => {
    const { record } = issue();
    assert.deepEqual(revokeApiKey(record, record.id, 5), { ok: false, code: "cannot_revoke_self" });
  });
});

describe("the burst of a key", () => {
  it("is a tenth of its minute, at least 50, and never more than the minute", () => {
    assert.deepEqual([1, 49, 50, 100, 500, 501, 6_000, 10_000_000].map(burstOf), [1, 49, 50, 50, 50, 51, 600, 1_000_000]);
  });
});
