import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { allows } from "./ip-allowlist.ts";
import { issueApiKey } from "./issue-api-key.ts";
import { mintApiKey } from "./key-text.ts";

import { bench, random, reasonOf } from "./test-kit.ts";

describe("the authenticator", () => {
  it("lets a key in as its organisation, synchronously once it is known", async () => {
    const { issue, node, counts } = bench();
    const { record, text } = await issue({ rateLimitPerMinute: 250, ipAllowlist: ["10.0.0.0/8"], scopes: ["users:read", "accounts:read"] });
    const authenticator = node();
    const first = authenticator.authenticate(text);
    assert.ok(first instanceof Promise);
    const principal = await first;
    assert.ok(principal.ok);
    const { ipAllowlist, ...rest } = principal;
    assert.deepEqual(rest, {
      ok: true,
      organisationId: record.organisationId,
      apiKeyId: record.id,
      personId: record.id,
      environment: "live",
      scopes: new Set(["accounts:read", "users:read"]),
      rateLimitPerMinute: 250,
      burstPerSecond: 50,
      organisation: { rateLimitPerMinute: 6_000, keyRateLimitPerMinute: 100, ipAllowlist: undefined },
    });
    assert.equal(allows(ipAllowlist, "10.1.2.3"), true);
    assert.equal(allows(ipAllowlist, "11.1.2.3"), false);
    assert.equal(authenticator.authenticate(text), principal);
    assert.equal(counts.reads, 1);
  });

  it("KEY-01 refuses missing, malformed and miscounted keys without a store read", async () => {
    const { issue, node, counts } = bench();
    const { text } = await issue();
    const authenticator = node();
    assert.equal(reasonOf(authenticator.authenticate(undefined)), "unauthenticated/missing");
    assert.equal(reasonOf(authenticator.authenticate("")), "unauthenticated/missing");
    const last = text.at(-1) === "0" ? "1" : "0";
    for (const wrong of ["x", text.slice(0, -1) + last, text.replace("live", "test"), `${text} `, `${text}, ${text}`, text.repeat(1000)]) {
      assert.equal(reasonOf(authenticator.authenticate(wrong)), "unauthenticated/malformed");
    }
    assert.equal(counts.reads, 0);
  });

  it("refuses a wrong secret and a wrong environment for a real id, and tells the client only `unauthenticated`", async () => {
    const { issue, node, ids, counts } = bench();
    const { record, text } = await issue();
    const authenticator = node();
    const wrongSecret = mintApiKey({ id: record.id, environment: "live", random }).text;
    const fixed = { bytes: (size: number) => new Uint8Array(size) };
    const unknown = mintApiKey({ id: ids.next("apiKey"), environment: "live", random: fixed }).text;
    const answers = [await authenticator.authenticate(wrongSecret), await authenticator.authenticate(unknown)];
    assert.deepEqual(answers.map(reasonOf), ["unauthenticated/wrong_secret", "unauthenticated/unknown"]);
    assert.equal(reasonOf(authenticator.authenticate(wrongSecret)), "unauthenticated/wrong_secret");
    assert.equal(reasonOf(authenticator.authenticate(text)), "ok");
    assert.equal(counts.reads, 2);
  });

  it("refuses a live secret under the test prefix", async () => {
    const { issue, node, put } = bench();
    const { record, text } = await issue();
    const authenticator = node();
    await put({ ...record, environment: "test" });
    assert.equal(reasonOf(await authenticator.authenticate(text)), "unauthenticated/wrong_secret");
  });

  it("ENV-01 refuses keys of the other kind of installation, without a store read, and says so", async () => {
    const { issue, node, counts } = bench();
    const live = await issue();
    const test = await issue({ environment: "test" });
    const authenticator = node({ environment: "test" });
    const answer = authenticator.authenticate(live.text);
    assert.equal(reasonOf(answer), "unauthenticated/wrong_environment");
    assert.ok("ok" in answer && !answer.ok);
    assert.equal(answer.detail, "This is a live key; the installation takes test keys.");
    assert.equal(counts.reads, 0);
    assert.equal(reasonOf(await authenticator.authenticate(test.text)), "ok");
  });

  it("remembers ids that do not exist, in bounds, without pushing real keys out", async () => {
    const { issue, node, ids, counts } = bench();
    const { text } = await issue();
    const authenticator = node({ maxCached: 3 });
    await authenticator.authenticate(text);
    const forged = Array.from({ length: 10 }, () => mintApiKey({ id: ids.next("apiKey"), environment: "live", random }).text);
    for (const one of forged) assert.equal(reasonOf(await authenticator.authenticate(one)), "unauthenticated/unknown");
    assert.equal(counts.reads, 11);
    for (const one of forged.slice(-3)) assert.equal(reasonOf(authenticator.authenticate(one)), "unauthenticated/unknown");
    assert.ok(authenticator.authenticate(forged[0]) instanceof Promise);
    assert.equal(reasonOf(authenticator.authenticate(text)), "ok");
  });

  it("lets a key in that is created after its id was asked for: at once where `forget` is called, else within ttlMs", async () => {
    const { ids, node, put, clock, pass } = bench();
    const issued = issueApiKey({ clock, ids, random }, { organisationId: ids.next("organisation"), name: "k", environment: "live" });
    const [here, there] = [node(), node()];
    for (const one of [here, there]) assert.equal(reasonOf(await one.authenticate(issued.text)), "unauthenticated/unknown");
    await put(issued.record);
    here.forget(issued.record.id);
    assert.equal(reasonOf(await here.authenticate(issued.text)), "ok");
    assert.equal(reasonOf(there.authenticate(issued.text)), "unauthenticated/unknown");
    pass(5_000);
    assert.equal(reasonOf(await there.authenticate(issued.text)), "ok");
  });

  it("KEY-02 two active keys of one organisation overlap, and revoking one leaves the other", async () => {
    const { issue, node, revoke, ids } = bench();
    const organisationId = ids.next("organisation");
    const [old, next] = [await issue({ organisationId }), await issue({ organisationId })];
    const authenticator = node();
    for (const { text } of [old, next]) {
      const answer = await authenticator.authenticate(text);
      assert.ok(answer.ok && answer.organisationId === organisationId);
    }
    await revoke(old.record);
    authenticator.forget(old.record.id);
    assert.equal(reasonOf(await authenticator.authenticate(old.text)), "unauthenticated/revoked");
    assert.equal(reasonOf(authenticator.authenticate(next.text)), "ok");
  });

  it("KEY-02 a revocation holds at once where it was made and within ttlMs everywhere", async () => {
    const { issue, node, revoke, pass } = bench();
    const { record, text } = await issue();
    const [here, there] = [node(), node()];
    for (const one of [here, there]) assert.equal(reasonOf(await one.authenticate(text)), "ok");
    pass(1_000);
    await revoke(record);
    here.forget(record.id);
    assert.equal(reasonOf(await here.authenticate(text)), "unauthenticated/revoked");
    assert.equal(reasonOf(here.authenticate(text)), "unauthenticated/revoked");
    pass(3_999);
    assert.equal(reasonOf(there.authenticate(text)), "ok");
    pass(1);
    assert.equal(reasonOf(await there.authenticate(text)), "unauthenticated/revoked");
  });

  it("KEY-02 a clock that goes back makes nothing known good for longer", async () => {
    const { issue, node, revoke, pass } = bench();
    const { record, text } = await issue();
    const [here, there] = [node(), node()];
    const principal = await here.authenticate(text);
    assert.ok(principal.ok && reasonOf(await there.authenticate(text)) === "ok");
    await revoke(record);
    pass(-3_600_000);
    assert.equal(here.stands(principal), false);
    for (const one of [here, there]) assert.equal(reasonOf(await one.authenticate(text)), "unauthenticated/revoked");
  });

  it("KEY-02 says that a principal stands for as long as its key would give the very same one, and no longer", async () => {
    const { issue, node, revoke, pass, put, clock, owners, ids } = bench();
    const { record, text } = await issue({ expiresAt: clock.now() + 8_000 });
    const authenticator = node();
    const principal = async (secret: string) => {
      const answer = await authenticator.authenticate(secret);
      assert.ok(answer.ok);
      return answer;
    };
    const first = await principal(text);
    assert.equal(authenticator.stands(first), true);
    assert.equal(authenticator.stands({ ...first }), false);
    assert.equal(authenticator.stands({ ...first, apiKeyId: null }), false);
    pass(5_000);
    assert.equal(authenticator.stands(first), false, "what was read has become too old");
    const second = await principal(text);
    assert.equal(authenticator.stands(first), false);
    assert.equal(authenticator.stands(second), true);
    pass(3_000);
    assert.equal(authenticator.stands(second), false, "the key has expired");
    assert.equal(reasonOf(authenticator.authenticate(text)), "unauthenticated/expired");

    const other = await issue();
    const third = await principal(other.text);
    await revoke(other.record);
    assert.equal(authenticator.stands(third), true, "what another process has revoked is known within ttlMs");
    authenticator.forget(other.record.id);
    assert.equal(authenticator.stands(third), false);
    assert.equal(reasonOf(await authenticator.authenticate(other.text)), "unauthenticated/revoked");
    assert.equal(authenticator.stands(third), false);

    const rotated = await issue();
    const previousSecret = { hash: record.secretHash, expiresAt: clock.now() + 1_000 };
    await put({ ...rotated.record, previousSecret });
    assert.equal(authenticator.stands(await principal(rotated.text)), false, "either of two secrets could be meant");

    const ownerOperatorId = ids.next("operator");
    owners.set(ownerOperatorId, { scopes: new Set(["users:read"]) });
    const owned = await issue();
    await put({ ...owned.record, ownerOperatorId });
    const his = await principal(owned.text);
    assert.equal(authenticator.stands(his), true);
    owners.delete(ownerOperatorId);
    authenticator.forgetOwner(ownerOperatorId);
    assert.equal(authenticator.stands(his), false);
    const whole = await principal((await issue()).text);
    authenticator.forgetOrganisation(whole.organisationId);
    assert.equal(authenticator.stands(whole), false);
  });

  it("KEY-02 does not keep a read that was under way while the key was revoked", async () => {
    const { issue, node, revoke, holdReads } = bench();
    const { record, text } = await issue();
    const authenticator = node();
    const release = holdReads();
    const before = authenticator.authenticate(text);
    await new Promise((resolve) => setImmediate(resolve));
    await revoke(record);
    authenticator.forget(record.id);
    release();
    // It began before the revocation and may pass; what comes after may not.
    assert.equal(reasonOf(await before), "ok");
    assert.equal(reasonOf(await authenticator.authenticate(text)), "unauthenticated/revoked");
  });

  it("KEY-02 counts the age from before the read, however slow the store is", async () => {
    const { issue, node, revoke, holdReads, pass } = bench();
    const { record, text } = await issue();
    const authenticator = node();
    const release = holdReads();
    const slow = authenticator.authenticate(text);
    await new Promise((resolve) => setImmediate(resolve));
    await revoke(record);
    pass(5_000);
    release();
    await slow;
    assert.equal(reasonOf(await authenticator.authenticate(text)), "unauthenticated/revoked");
  });

  it("tells only who holds the secret that a key was revoked", async () => {
    const { issue, node, revoke } = bench();
    const { record } = await issue();
    await revoke(record);
    const forged = mintApiKey({ id: record.id, environment: "live", random }).text;
    assert.equal(reasonOf(await node().authenticate(forged)), "unauthenticated/wrong_secret");
  });

  it("shares one read among requests of one key, and refuses when too many keys are being read", async () => {
    const { issue, node, counts, holdReads } = bench();
    const [one, two, three] = [await issue(), await issue(), await issue()];
    const authenticator = node({ maxReads: 2 });
    const release = holdReads();
    const waiting = Array.from({ length: 50 }, () => authenticator.authenticate(one.text));
    const other = authenticator.authenticate(two.text);
    assert.equal(reasonOf(authenticator.authenticate(three.text)), "overloaded/overloaded");
    release();
    for (const answer of await Promise.all([...waiting, other])) assert.equal(reasonOf(answer), "ok");
    assert.equal(counts.reads, 2);
    assert.equal(reasonOf(await authenticator.authenticate(three.text)), "ok");
  });

  it("refuses as store_unavailable while the store is down, keeps nothing of it, and serves known keys meanwhile", async () => {
    const { issue, node, breakReads, pass } = bench();
    const [known, fresh] = [await issue(), await issue()];
    const authenticator = node();
    await authenticator.authenticate(known.text);
    breakReads(true);
    const refused = await authenticator.authenticate(fresh.text);
    assert.deepEqual(refused, { ok: false, code: "store_unavailable", reason: "store_unavailable", apiKeyId: fresh.record.id });
    assert.equal(reasonOf(authenticator.authenticate(known.text)), "ok");
    pass(5_000);
    // The bound on revocation is worth more than availability: a key too old to trust is not trusted.
    assert.equal(reasonOf(await authenticator.authenticate(known.text)), "store_unavailable/store_unavailable");
    breakReads(false);
    for (const { text } of [known, fresh]) assert.equal(reasonOf(await authenticator.authenticate(text)), "ok");
  });

  it("lets nobody in on a corrupt record, and rejects", async () => {
    const { issue, put, node } = bench();
    const { record, text } = await issue();
    const authenticator = node();
    await put({ ...record, ipAllowlist: ["10.0.0.1/8"] });
    await assert.rejects(Promise.resolve(authenticator.authenticate(text)), /allow-list/);
    await put({ ...record, rateLimitPerMinute: 0 });
    await assert.rejects(Promise.resolve(authenticator.authenticate(text)), /rate_limit/);
    await put(record);
    assert.equal(reasonOf(await authenticator.authenticate(text)), "ok");
  });

  it("keeps at most maxCached keys", async () => {
    const { issue, node, counts } = bench();
    const keys = [await issue(), await issue(), await issue()];
    const authenticator = node({ maxCached: 2 });
    for (const { text } of keys) await authenticator.authenticate(text);
    assert.equal(reasonOf(authenticator.authenticate(keys[2]?.text)), "ok");
    assert.equal(counts.reads, 3);
    await authenticator.authenticate(keys[0]?.text);
    assert.equal(counts.reads, 4);
  });
});
