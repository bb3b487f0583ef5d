import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Clock } from "#kernel/clock.ts";
import { createIds } from "#kernel/ids.ts";
import type { Item } from "#storage/index.ts";
import { systemRandom } from "#kernel/random.ts";
import { apiKeyFromItem, apiKeyToItem, presentApiKey } from "./api-key.ts";
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
    const view = presentApiKey(record);
    const shown = JSON.stringify(view);
    for (const hidden of [text.slice(36, 79), record.secretHash, "secret", "hash"]) assert.ok(!shown.includes(hidden));
    assert.deepEqual(view, {
      id: record.id,
      object: "api_key",
      organisation_id: organisationId,
      name: "payments",
      environment: "live",
      status: "active",
      rate_limit_per_minute: 100,
      ip_allowlist: ["10.0.0.0/8"],
      created_at: "2026-11-21T18:31:00.123Z",
      revoked_at: null,
    });
    const revoked = revokeApiKey(record, ids.next("apiKey"), clock.now());
    assert.ok(revoked.ok);
    assert.equal(presentApiKey(revoked.record).revoked_at, "2026-11-21T18:31:00.123Z");
  });

  it("lets nobody in when any stored field is missing or of another kind", () => {
    const item = apiKeyToItem(issue().record);
    for (const field of Object.keys(item)) {
      const { [field]: _, ...without } = item;
      assert.throws(() => apiKeyFromItem(without), /malformed/, field);
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
