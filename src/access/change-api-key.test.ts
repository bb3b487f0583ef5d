import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { newId, ORG, seededRandom, T0, testClock, testIds } from "#test/support/builders.ts";
import type { OperatorId } from "#kernel/ids.ts";
import { ALL_SCOPES } from "#kernel/scopes.ts";
import type { Scope } from "#kernel/scopes.ts";
import type { ApiKeyRecord } from "./api-key.ts";
import type { KeyChange } from "./change-api-key.ts";
import { changeApiKey } from "./change-api-key.ts";
import { parseAllowlist } from "./ip-allowlist.ts";
import { issueApiKey } from "./issue-api-key.ts";
import { revokeApiKey } from "./revoke-api-key.ts";
import { rotateApiKey } from "./rotate-api-key.ts";

const clock = testClock();
const deps = { clock, ids: testIds(11, clock), random: seededRandom(11) };
const IP = "10.1.2.3";

function keyWith(over: Partial<ApiKeyRecord> = {}): ApiKeyRecord {
  return { ...issueApiKey(deps, { organisationId: ORG, name: "k", environment: "test" }).record, ...over };
}
function list(...entries: string[]) {
  const parsed = parseAllowlist(entries);
  assert.ok(parsed.ok);
  return parsed;
}
const limits = { rateLimitPerMinute: 200, organisation: { keyRateLimitPerMinute: 100 } };
const admin = (...scopes: Scope[]) => ({ apiKeyId: newId("apiKey"), scopes: new Set(scopes), ...limits });
const all = admin(...ALL_SCOPES);
const codeOf = (decision: ReturnType<typeof changeApiKey>): string =>
  decision.ok ? "ok" : `${decision.code} ${decision.param ?? ""}`.trim();

void describe("changing a key", () => {
  void it("changes what is named and nothing else", () => {
    const record = keyWith({ expiresAt: T0 + 5 });
    const change: KeyChange = {
      name: "new",
      scopes: ["users:read", "accounts:read"],
      rateLimitPerMinute: 7,
      allowlist: list("10.0.0.0/8"),
    };
    const decision = changeApiKey(record, all, change, IP, T0);
    assert.deepEqual(decision, {
      ok: true,
      record: {
        ...record,
        name: "new",
        scopes: ["accounts:read", "users:read"],
        rateLimitPerMinute: 7,
        ipAllowlist: ["10.0.0.0/8"],
        version: 2,
      },
    });
    const { expiresAt: _, ...forEver } = record;
    assert.deepEqual(changeApiKey(record, all, { expiresAt: null }, IP, T0), { ok: true, record: { ...forEver, version: 2 } });
    assert.deepEqual(changeApiKey(record, all, { expiresAt: T0 + 9 }, IP, T0), {
      ok: true,
      record: { ...record, expiresAt: T0 + 9, version: 2 },
    });
  });

  void it("KEY-02 lets a key that has ended be named, and nothing that could bring its secret back", () => {
    const record = keyWith({ expiresAt: T0 });
    assert.equal(codeOf(changeApiKey(record, all, { expiresAt: null }, IP, T0 - 1)), "ok");
    assert.equal(codeOf(changeApiKey(record, all, { name: "old" }, IP, T0)), "ok");
    const changes: KeyChange[] = [
      { expiresAt: null },
      { expiresAt: T0 + 1 },
      { name: "old", expiresAt: T0 + 1 },
      { scopes: ["users:read"] },
      { rateLimitPerMinute: 1 },
      { allowlist: list("10.0.0.0/8") },
      { certificateSha256: "c".repeat(64) },
    ];
    for (const change of changes)
      assert.equal(codeOf(changeApiKey(record, all, change, IP, T0)), "api_key_expired", JSON.stringify(change));
  });

  void it("AUTHZ-03 takes the caller to have every scope that is given, and every one that the key has", () => {
    const record = keyWith({ scopes: ["users:read", "transfers:write"] });
    assert.equal(codeOf(changeApiKey(record, admin("api_keys:write"), { name: "x" }, IP, T0)), "beyond_own_permissions");
    const equal = admin("api_keys:write", "users:read", "transfers:write");
    assert.equal(codeOf(changeApiKey(record, equal, { name: "x" }, IP, T0)), "ok");
    assert.equal(codeOf(changeApiKey(record, equal, { scopes: ["users:read"] }, IP, T0)), "ok");
    assert.equal(
      codeOf(changeApiKey(record, equal, { scopes: ["users:read", "deposits:write"] }, IP, T0)),
      "beyond_own_permissions scopes",
    );
  });

  void it("AUTHZ-03 lets a key only give up of itself", () => {
    const record = keyWith({ scopes: ["users:read", "api_keys:write"], ipAllowlist: ["10.0.0.0/8", "2001:db8::/32"], expiresAt: T0 + 100 });
    // Scopes as of before it was narrowed elsewhere: what counts is the record.
    const self = { apiKeyId: record.id, scopes: new Set(ALL_SCOPES), ...limits };
    const tries: [KeyChange, string][] = [
      [{ name: "x" }, "ok"],
      [{ scopes: ["users:read"] }, "ok"],
      [{ scopes: ["users:read", "users:write"] }, "beyond_own_permissions scopes"],
      [{ rateLimitPerMinute: 100 }, "ok"],
      [{ rateLimitPerMinute: 101 }, "beyond_own_permissions rate_limit_per_minute"],
      [{ expiresAt: T0 + 100 }, "ok"],
      [{ expiresAt: T0 + 101 }, "beyond_own_permissions expires_at"],
      [{ expiresAt: null }, "beyond_own_permissions expires_at"],
      [{ certificateSha256: null }, "ok"],
      [{ certificateSha256: "c".repeat(64) }, "beyond_own_permissions certificate_sha256"],
      [{ allowlist: list("10.1.0.0/16") }, "ok"],
      [{ allowlist: list("10.1.2.3", "2001:db8:1::/48") }, "ok"],
      [{ allowlist: list("10.1.2.3", "11.0.0.0/8") }, "beyond_own_permissions ip_allowlist"],
      [{ allowlist: list("0.0.0.0/0") }, "beyond_own_permissions ip_allowlist"],
      [{ allowlist: list() }, "beyond_own_permissions ip_allowlist"],
      [{ allowlist: list("10.9.0.0/16") }, "would_lock_out ip_allowlist"],
    ];
    for (const [change, expected] of tries)
      assert.equal(codeOf(changeApiKey(record, self, change, IP, T0)), expected, JSON.stringify(change));
    for (const [change] of tries.slice(3)) assert.equal(codeOf(changeApiKey(record, all, change, IP, T0)), "ok", "another may");
    assert.equal(codeOf(changeApiKey(keyWith({ id: record.id }), self, { allowlist: list("10.0.0.0/8") }, IP, T0)), "ok");
  });

  void it("AUTHZ-03 raises no limit above the caller's own, or the organisation's for keys where that is more; lowering is free", () => {
    const record = keyWith({ rateLimitPerMinute: 500 });
    const refused = "beyond_own_permissions rate_limit_per_minute";
    const tries: [number, string][] = [
      [501, refused],
      [500, "ok"],
      [300, "ok"],
      [1, "ok"],
    ];
    for (const [rateLimitPerMinute, expected] of tries)
      assert.equal(codeOf(changeApiKey(record, all, { rateLimitPerMinute }, IP, T0)), expected);
    const usual = keyWith();
    assert.equal(codeOf(changeApiKey(usual, all, { rateLimitPerMinute: 200 }, IP, T0)), "ok");
    assert.equal(codeOf(changeApiKey(usual, all, { rateLimitPerMinute: 201 }, IP, T0)), refused);
    const generous = { ...all, organisation: { keyRateLimitPerMinute: 1_000 } };
    assert.equal(codeOf(changeApiKey(usual, generous, { rateLimitPerMinute: 1_000 }, IP, T0)), "ok");
    assert.equal(codeOf(changeApiKey(usual, generous, { rateLimitPerMinute: 1_001 }, IP, T0)), refused);
  });

  void it("binds a key to a client certificate and frees it, which it cannot do itself", () => {
    const record = keyWith();
    const bound = changeApiKey(record, all, { certificateSha256: "c".repeat(64) }, IP, T0);
    assert.deepEqual(bound, { ok: true, record: { ...record, certificateSha256: "c".repeat(64), version: 2 } });
    assert.ok(bound.ok);
    const self = { apiKeyId: record.id, scopes: new Set(ALL_SCOPES), ...limits };
    const free = { certificateSha256: null };
    assert.equal(codeOf(changeApiKey(bound.record, self, free, IP, T0)), "beyond_own_permissions certificate_sha256");
    assert.deepEqual(changeApiKey(bound.record, all, free, IP, T0), { ok: true, record: { ...record, version: 3 } });
  });

  void it("is refused for a revoked key", () => {
    const revoked = revokeApiKey(keyWith(), all.apiKeyId, T0);
    assert.ok(revoked.ok);
    assert.equal(codeOf(changeApiKey(revoked.record, all, { name: "x" }, IP, T0)), "api_key_revoked");
  });
});

void describe("rotating a key", () => {
  const hash = "b".repeat(64);

  void it("KEY-02 keeps the old secret for the overlap, but never longer than the key", () => {
    const record = keyWith();
    const decision = rotateApiKey(record, all, { secretHash: hash, overlapSeconds: 60 }, T0);
    assert.deepEqual(decision, {
      ok: true,
      record: { ...record, secretHash: hash, previousSecret: { hash: record.secretHash, expiresAt: T0 + 60_000 }, version: 2 },
    });
    const short = rotateApiKey({ ...record, expiresAt: T0 + 5 }, all, { secretHash: hash, overlapSeconds: 60 }, T0);
    assert.ok(short.ok && short.record.previousSecret?.expiresAt === T0 + 5);
  });

  void it("KEY-02 has two secrets at most: while they overlap only an overlap of 0 goes through, and ends both", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ after: fc.nat(100), overlap: fc.nat(60) }), { maxLength: 20 }), (steps) => {
        let record = keyWith();
        let now = T0;
        for (const [n, { after, overlap }] of steps.entries()) {
          now += after * 1000;
          const open = record.previousSecret !== undefined && record.previousSecret.expiresAt > now;
          const secretHash = String(n % 10).repeat(64);
          const decision = rotateApiKey(record, all, { secretHash, overlapSeconds: overlap }, now);
          if (open && overlap > 0) {
            assert.equal(codeOf(decision), "rotation_overlapping");
            continue;
          }
          assert.ok(decision.ok);
          assert.equal(decision.record.secretHash, secretHash);
          assert.deepEqual(
            decision.record.previousSecret,
            overlap === 0 ? undefined : { hash: record.secretHash, expiresAt: now + overlap * 1000 },
          );
          record = decision.record;
        }
      }),
    );
  });

  void it("AUTHZ-03 is refused to who has fewer scopes than the key, whose new secret it would be shown", () => {
    const asked = { secretHash: hash, overlapSeconds: 0 };
    const record = keyWith({ scopes: ["users:read", "transfers:write"] });
    assert.equal(codeOf(rotateApiKey(record, admin("api_keys:write", "users:read"), asked, T0)), "beyond_own_permissions");
    assert.equal(codeOf(rotateApiKey(record, admin("transfers:write", "users:read"), asked, T0)), "ok");
    assert.equal(codeOf(rotateApiKey(record, { apiKeyId: record.id, scopes: new Set(record.scopes) }, asked, T0)), "ok");
  });

  void it("SOX-01 is refused to everybody but the operator whose own key it is", () => {
    const asked = { secretHash: hash, overlapSeconds: 0 };
    const record = keyWith({ ownerOperatorId: "opr_01M82BHM94EKAVVN1J472JCKY4" as OperatorId });
    const owner = { ...all, personId: "opr_01M82BHM94EKAVVN1J472JCKY4" };
    assert.equal(codeOf(rotateApiKey(record, owner, asked, T0)), "ok");
    for (const other of [all, { ...all, personId: "opr_01M82BHM94EKAVVN1J472JCKY5" }, { ...all, personId: String(all.apiKeyId) }])
      assert.equal(codeOf(rotateApiKey(record, other, asked, T0)), "beyond_own_permissions");
    assert.equal(codeOf(rotateApiKey(keyWith(), owner, asked, T0)), "ok");
  });

  void it("is refused for a key that has ended", () => {
    const asked = { secretHash: hash, overlapSeconds: 0 };
    const revoked = revokeApiKey(keyWith(), all.apiKeyId, T0);
    assert.ok(revoked.ok);
    assert.equal(codeOf(rotateApiKey(revoked.record, all, asked, T0)), "api_key_revoked");
    assert.equal(codeOf(rotateApiKey(keyWith({ expiresAt: T0 }), all, asked, T0)), "api_key_expired");
    assert.equal(codeOf(rotateApiKey(keyWith({ expiresAt: T0 + 1 }), all, asked, T0)), "ok");
  });
});
