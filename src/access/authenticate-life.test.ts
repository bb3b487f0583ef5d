import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mintApiKey } from "./key-text.ts";
import { rotateApiKey } from "./rotate-api-key.ts";

import { bench, random, reasonOf, usual } from "./test-kit.ts";

describe("the authenticator, when keys and organisations change", () => {
  it("KEY-02 takes both secrets while they overlap, then only the new one; never three", async () => {
    const { issue, node, put, pass, clock } = bench();
    const { record, text } = await issue();
    const { id } = record;
    const authenticator = node();
    const by = { apiKeyId: id, scopes: new Set(record.scopes) };
    const next = mintApiKey({ id, environment: "live", random });
    const rotated = rotateApiKey(record, by, { secretHash: next.secretHash, overlapSeconds: 60 }, clock.now());
    assert.ok(rotated.ok);
    await put(rotated.record);
    assert.equal(reasonOf(await authenticator.authenticate(text)), "ok");
    assert.equal(reasonOf(authenticator.authenticate(next.text)), "ok");
    assert.equal(
      reasonOf(authenticator.authenticate(mintApiKey({ id, environment: "live", random }).text)),
      "unauthenticated/wrong_secret",
    );
    pass(58_000);
    assert.equal(reasonOf(await authenticator.authenticate(text)), "ok");
    // The end is known beforehand, so it holds to the millisecond and needs no store read.
    pass(1_999);
    assert.equal(reasonOf(authenticator.authenticate(text)), "ok");
    pass(1);
    assert.equal(reasonOf(authenticator.authenticate(text)), "unauthenticated/rotated");
    assert.equal(reasonOf(authenticator.authenticate(next.text)), "ok");
  });

  it("KEY-02 refuses an expired key to the millisecond, from memory", async () => {
    const { issue, node, pass, clock } = bench();
    const { text } = await issue({ expiresAt: clock.now() + 4_000 });
    const authenticator = node();
    assert.equal(reasonOf(await authenticator.authenticate(text)), "ok");
    pass(3_999);
    assert.equal(reasonOf(authenticator.authenticate(text)), "ok");
    pass(1);
    assert.equal(reasonOf(authenticator.authenticate(text)), "unauthenticated/expired");
  });

  it("RL-01 marks keys and secrets that were good once, which are no guesses, and no others", async () => {
    const { issue, node, put, revoke, clock } = bench();
    const [gone, over, swapped] = [await issue(), await issue({ expiresAt: clock.now() }), await issue()];
    await revoke(gone.record);
    const by = { apiKeyId: swapped.record.id, scopes: new Set(swapped.record.scopes) };
    const rotated = rotateApiKey(swapped.record, by, { secretHash: "b".repeat(64), overlapSeconds: 1 }, clock.now() - 1_000);
    assert.ok(rotated.ok);
    await put(rotated.record);
    const authenticator = node();
    const told = async (text: string) => {
      const answer = await authenticator.authenticate(text);
      assert.ok(!answer.ok);
      return [answer.code, answer.reason, answer.ended];
    };
    assert.deepEqual(await told(gone.text), ["unauthenticated", "revoked", true]);
    assert.deepEqual(await told(over.text), ["unauthenticated", "expired", true]);
    assert.deepEqual(await told(swapped.text), ["unauthenticated", "rotated", true]);
    const guess = mintApiKey({ id: swapped.record.id, environment: "live", random }).text;
    assert.deepEqual(await told(guess), ["unauthenticated", "wrong_secret", undefined]);
    assert.deepEqual(await told("nonsense"), ["unauthenticated", "malformed", undefined]);
  });

  it("KEY-02 notes good keys and no others", async () => {
    const { issue, node, noted, clock } = bench();
    const { record, text } = await issue();
    const authenticator = node();
    await authenticator.authenticate(mintApiKey({ id: record.id, environment: "live", random }).text);
    assert.deepEqual(noted, []);
    await authenticator.authenticate(text);
    void authenticator.authenticate(text);
    assert.deepEqual(noted, [
      [record.id, clock.now()],
      [record.id, clock.now()],
    ]);
  });

  it("AUTHZ-04 what an organisation sets holds at once where it was set and within ttlMs everywhere", async () => {
    const { issue, node, settings, pass } = bench();
    const { record, text } = await issue();
    const other = await issue();
    const [here, there] = [node(), node()];
    for (const one of [here, there]) for (const key of [text, other.text]) assert.equal(reasonOf(await one.authenticate(key)), "ok");
    settings.set(record.organisationId, { ...usual, ipAllowlist: ["10.0.0.0/8"] });
    here.forgetOrganisation(record.organisationId);
    assert.equal(reasonOf(here.authenticate(other.text)), "ok");
    const listOf = async (answer: ReturnType<typeof here.authenticate>): Promise<unknown> => {
      const principal = await answer;
      assert.ok(principal.ok);
      return principal.organisation.ipAllowlist?.matches("11.0.0.1");
    };
    assert.equal(await listOf(here.authenticate(text)), false);
    pass(4_999);
    assert.equal(await listOf(there.authenticate(text)), undefined);
    pass(1);
    assert.equal(await listOf(there.authenticate(text)), false);
  });

  it("AUTHZ-04 does not keep a read that was under way while the organisation changed", async () => {
    const { issue, node, settings, holdReads } = bench();
    const { record, text } = await issue();
    const authenticator = node();
    const release = holdReads();
    const before = authenticator.authenticate(text);
    authenticator.forgetOrganisation(record.organisationId);
    release();
    assert.equal(reasonOf(await before), "ok");
    settings.set(record.organisationId, { ...usual, rateLimitPerMinute: 7 });
    const after = await authenticator.authenticate(text);
    assert.ok(after.ok && after.organisation.rateLimitPerMinute === 7);
  });

  it("lets nobody in for an organisation that is not there, or whose list is malformed", async () => {
    const { issue, node, settings } = bench();
    const { record, text } = await issue();
    const authenticator = node();
    settings.set(record.organisationId, undefined);
    assert.equal(reasonOf(await authenticator.authenticate(text)), "unauthenticated/unknown");
    authenticator.forget(record.id);
    settings.set(record.organisationId, { ...usual, ipAllowlist: ["10.0.0.1/8"] });
    await assert.rejects(Promise.resolve(authenticator.authenticate(text)), /allow-list/);
  });

  it("SOX-08 a key does no more than the operator who owns it, counts as him, and ends with him", async () => {
    const { issue, node, owners, ids, pass, noted } = bench();
    const ownerOperatorId = ids.next("operator");
    const { record, text } = await issue({ ownerOperatorId, scopes: ["users:read", "accounts:read"] });
    const here = node();
    const there = node();
    assert.equal(reasonOf(await here.authenticate(text)), "unauthenticated/owner_gone");
    owners.set(ownerOperatorId, { scopes: new Set(["accounts:read", "transfers:write"]) });
    here.forgetOwner(ownerOperatorId);
    const principal = await here.authenticate(text);
    assert.ok(principal.ok);
    assert.deepEqual([...principal.scopes], ["accounts:read"]);
    assert.equal(principal.personId, ownerOperatorId);
    assert.equal(principal.apiKeyId, record.id);
    assert.equal(principal.operatorId, undefined, "a key is no session");
    assert.equal(reasonOf(await there.authenticate(text)), "ok");
    owners.delete(ownerOperatorId);
    here.forgetOwner(ids.next("operator"));
    assert.equal(reasonOf(here.authenticate(text)), "ok");
    here.forgetOwner(ownerOperatorId);
    assert.equal(reasonOf(await here.authenticate(text)), "unauthenticated/owner_gone");
    assert.equal(reasonOf(there.authenticate(text)), "ok");
    pass(5_000);
    const refusal = await there.authenticate(text);
    assert.equal(reasonOf(refusal), "unauthenticated/owner_gone");
    assert.equal("ended" in refusal && refusal.ended, true);
    assert.equal(noted.length, 4, "a key that ended is not used");
  });
});
