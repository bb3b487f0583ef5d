import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Organisation, TestApp } from "../support/app.ts";
import type { ApiObject } from "../support/http-client.ts";
import { freshKey, ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import type { Stage } from "./stage.ts";
import { auditBooks, everyPage } from "./stage.ts";

const ROUNDS_MAX = 20;
/** Longer than a rotation waits before a pass may be its last. */
const SETTLE_MS = 11_000;

interface Key extends ApiObject {
  readonly purpose: string;
  readonly user_id: string | null;
  readonly state: string;
  readonly current: boolean;
  readonly wrapped_at: string;
}

export async function keysOf({ api }: Organisation): Promise<readonly Key[]> {
  const found: Key[] = [];
  let cursor = "";
  for (let page = 0; page < ROUNDS_MAX; page++) {
    const keys = ok(await api.get(`/v1/crypto-inventory?limit=3${cursor}`), 200)["keys"] as { data: Key[]; next_cursor: string | null };
    found.push(...keys.data);
    if (keys.next_cursor === null) return found;
    cursor = `&cursor=${encodeURIComponent(keys.next_cursor)}`;
  }
  assert.fail("the inventory has no end");
}

/** Lets the background work until the rotation is done. */
export async function finish(app: TestApp, { api }: Organisation, id: string): Promise<ApiObject> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    await app.app.jobs.work();
    const rotation = ok(await api.get(`/v1/key-rotations/${id}`), 200);
    if (rotation.status === "completed") return rotation;
    app.clock.advance(SETTLE_MS);
  }
  assert.fail(`the rotation does not end: ${app.log.filter((line) => line.includes("rotation")).join("")}`);
}

/** Everything of an organisation that is stored sealed, as the API shows it. */
export async function privateThings(organisation: Organisation): Promise<unknown> {
  const { api } = organisation;
  const users = await everyPage(api, "/v1/users", 10);
  const accounts = await everyPage(api, "/v1/accounts", 10);
  const transactions = await everyPage(api, `/v1/transactions`, 10);
  const holds = (await Promise.all(accounts.map(({ id }) => everyPage(api, `/v1/accounts/${id}/holds`, 10)))).flat();
  // The version counts changes of what is stored, and sealing anew is one.
  return {
    users: users.map((user) => ({ ...user, version: 0 })),
    accounts: accounts.map(({ id, metadata }) => ({ id, metadata })),
    transactions,
    holds,
  };
}

/** A little of everything that is sealed. */
export async function sealedThings(organisation: Organisation, count: number): Promise<{ readonly user: string; readonly from: string }> {
  const { api } = organisation;
  const user = ok(await api.post("/v1/users", { type: "personal", name: "Ada Lovelace", email: "ada@example.com" }), 201).id;
  const metadata = { note: "top secret" };
  const body = { type: "checking", currency: "EUR", metadata };
  const from = ok(await api.post("/v1/accounts", { ...body, user_id: user }), 201).id;
  const to = await organisation.account();
  ok(await api.post("/v1/deposits", { account_id: from, amount: 100_000, currency: "EUR", metadata }), 201);
  for (let n = 0; n < count; n++) ok(await organisation.transfer(from, to, 1, { metadata: { n: String(n) } }), 201);
  ok(await api.post("/v1/holds", { from_account_id: from, to_account_id: to, amount: 5, currency: "EUR", metadata }), 201);
  return { user, from };
}

/** Rotation and inventory of keys, on any store. */
export function vaultFlows(stage: Stage): void {
  describe("encryption keys", () => {
    it("ENC-07 a rotation moves everything to new keys, shows its progress, and retires the old ones", async () => {
      const { app } = stage;
      const organisation = await app.newOrganisation();
      const { api } = organisation;
      await sealedThings(organisation, 60);
      const before = await privateThings(organisation);
      const old = await keysOf(organisation);
      const seen = await newestEvent(api);
      const body = { target: "data_keys", reason: "scheduled" };
      const idempotencyKey = freshKey();
      const started = await api.post("/v1/key-rotations", body, { idempotencyKey });
      const { id } = ok(started, 202);
      assert.equal((await api.post("/v1/key-rotations", body, { idempotencyKey })).text, started.text);
      refused(await api.post("/v1/key-rotations", {}), "rotation_running");
      assert.equal(ok(await api.get(`/v1/key-rotations/${id}`), 200).status, "running");
      assert.deepEqual(await privateThings(organisation), before);
      const done = await finish(app, organisation, id);
      const progress = done["progress"] as Record<string, number>;
      // Two users, one account and one hold with metadata, a deposit and sixty transfers with.
      assert.equal(progress["rewritten"], 65);
      assert.equal(progress["unreadable"], 0);
      assert.equal(progress["steps_done"], progress["steps_total"]);
      assert.deepEqual(await privateThings(organisation), before);
      await auditBooks(organisation);
      const now = await keysOf(organisation);
      for (const key of now) {
        const wasOld = old.find((each) => each.id === key.id);
        if (key.purpose === "search_index") assert.deepEqual([key.state, key.current], ["enabled", true]);
        else assert.deepEqual([key.state, key.current], wasOld === undefined ? ["enabled", true] : ["retired", false], key.id);
      }
      assert.equal(now.filter(({ current }) => current).length, old.length);
      const types = (await eventsAfter(api, seen)).map((event) => event["event_type"]);
      assert.equal(types[0], "key_rotation.started");
      assert.equal(types.at(-1), "key_rotation.completed");
      assert.deepEqual(
        ok(await api.get("/v1/key-rotations"), 200).data.map((each) => each.id),
        [id],
      );
      ok(await api.post("/v1/key-rotations", {}), 202);
    });

    it("ENC-07 a compromised key is blocked at once, both ways, until what it sealed is sealed anew", async () => {
      const { app } = stage;
      const organisation = await app.newOrganisation();
      const { api } = organisation;
      const { from } = await sealedThings(organisation, 3);
      const before = await privateThings(organisation);
      const key = (await keysOf(organisation)).find(({ user_id, purpose }) => user_id === null && purpose === "sealing");
      assert.ok(key);
      const { id } = ok(await api.post("/v1/key-rotations", { reason: "compromise", key_id: key.id }), 202);
      assert.equal((await api.get(`/v1/accounts/${from}`)).headers["retry-after"], "60");
      refused(await api.get(`/v1/accounts/${from}`), "key_blocked");
      await assert.rejects(app.app.vault.dataKeyById(organisation.id as never, key.id), /compromised/);
      const next = await app.app.vault.dataKey(organisation.id as never);
      assert.notEqual(next.id, key.id);
      const done = await finish(app, organisation, id);
      assert.equal((done["progress"] as Record<string, number>)["unreadable"], 0);
      assert.deepEqual(await privateThings(organisation), before);
      assert.equal((await keysOf(organisation)).find((each) => each.id === key.id)?.state, "compromised");
      refused(
        await api.post("/v1/key-rotations", { reason: "compromise", key_id: "dek_01J0000000000000000000000B" }),
        "not_found",
        "key_id",
      );
      refused(await api.post("/v1/key-rotations", { reason: "compromise" }), "missing_field", "key_id");
      refused(await api.post("/v1/key-rotations", { target: "wrapping_keys", reason: "compromise" }), "invalid_request", "reason");
    });

    it("IDEM-01 a transfer is answered again with the same bytes after its key was replaced, because of a leak too", async () => {
      const { app } = stage;
      const organisation = await app.newOrganisation();
      const { api } = organisation;
      const from_account_id = await organisation.account({ balance: 100 });
      const to_account_id = await organisation.account();
      const body = { from_account_id, to_account_id, amount: 10, currency: "EUR", metadata: { zebra: "1", note: "secret" } };
      const idempotencyKey = freshKey();
      const first = await api.post("/v1/transfers", body, { idempotencyKey });
      const { id } = ok(first, 201);
      for (const reason of ["scheduled", "compromise"]) {
        const key = (await keysOf(organisation)).find(
          ({ user_id, purpose, current }) => user_id === null && purpose === "sealing" && current,
        );
        assert.ok(key);
        const rotation = ok(await api.post("/v1/key-rotations", { reason, key_id: key.id }), 202);
        // It was done, and cannot be shown before its metadata is sealed anew: never that nothing was done.
        if (reason === "compromise") refused(await api.post("/v1/transfers", body, { idempotencyKey }), "outcome_unknown");
        await finish(app, organisation, rotation.id);
        const again = await api.post("/v1/transfers", body, { idempotencyKey });
        assert.deepEqual([again.status, again.text, again.headers["idempotent-replayed"]], [201, first.text, "true"]);
      }
      ok(await api.post(`/v1/transactions/${id}/reversals`, { amount: 3 }), 201);
      assert.equal((await api.post("/v1/transfers", body, { idempotencyKey })).text, first.text);
    });

    it("replaces one key alone, and wraps one alone, while nothing else is touched", async () => {
      const { app } = stage;
      const organisation = await app.newOrganisation();
      const { api } = organisation;
      const { user } = await sealedThings(organisation, 1);
      const before = await privateThings(organisation);
      const old = await keysOf(organisation);
      const key = old.find(({ user_id }) => user_id === user);
      assert.ok(key);
      app.clock.advance(1_000);
      const { id } = ok(await api.post("/v1/key-rotations", { key_id: key.id }), 202);
      assert.equal(((await finish(app, organisation, id))["progress"] as Record<string, number>)["rewritten"], 1);
      const wrapping = ok(await api.post("/v1/key-rotations", { target: "wrapping_keys", key_id: key.id }), 202);
      assert.equal(((await finish(app, organisation, wrapping.id))["progress"] as Record<string, number>)["rewritten"], 1);
      assert.deepEqual(await privateThings(organisation), before);
      const now = await keysOf(organisation);
      assert.equal(now.length, old.length + 1);
      for (const each of old) {
        const after = now.find((one) => one.id === each.id);
        const named: boolean = each.id === key.id;
        assert.ok(after);
        assert.deepEqual([after.state, after.current], named ? ["retired", false] : [each.state, each.current]);
        assert.equal(after.wrapped_at > each.wrapped_at, named);
      }
    });

    it("ENC-07 a user's compromised key is replaced alone", async () => {
      const { app } = stage;
      const organisation = await app.newOrganisation();
      const { user } = await sealedThings(organisation, 1);
      const before = await privateThings(organisation);
      const key = (await keysOf(organisation)).find(({ user_id }) => user_id === user);
      assert.ok(key);
      const { id } = ok(await organisation.api.post("/v1/key-rotations", { reason: "compromise", key_id: key.id }), 202);
      refused(await organisation.api.get(`/v1/users/${user}`), "key_blocked");
      const done = await finish(app, organisation, id);
      assert.equal((done["progress"] as Record<string, number>)["rewritten"], 1);
      assert.deepEqual(await privateThings(organisation), before);
    });

    it("ENC-07 a user's keys are all destroyed by one erasure, when there are as many as there may be", async () => {
      const { app } = stage;
      const organisation = await app.newOrganisation();
      const { api } = organisation;
      const user = ok(await api.post("/v1/users", { type: "personal", name: "Ada Lovelace" }), 201).id;
      const table = "smartfinance-data-keys";
      const ring = await app.store.get(table, { hash: user });
      const current = String(ring?.["current_key_id"]);
      const own = await app.store.get(table, { hash: current });
      assert.ok(ring !== undefined && own !== undefined);
      const older = Array.from({ length: 88 }, () => ({ ...own, id: app.deps.ids.next("dataKey"), state: "compromised" }));
      const keyIds = [...older.map(({ id }) => id), current];
      for (const item of [...older, { ...ring, key_ids: keyIds, version: Number(ring["version"]) + 1 }])
        assert.equal((await app.store.commit([{ op: "put", table, item, condition: "none" }])).outcome, "committed");
      const block = { reason: "compromise", key_id: current };
      await finish(app, organisation, ok(await api.post("/v1/key-rotations", block), 202).id);
      const next = (await app.store.get(table, { hash: user }))?.["current_key_id"];
      refused(await api.post("/v1/key-rotations", { ...block, key_id: next }), "too_many_keys");
      assert.equal(ok(await api.get(`/v1/users/${user}`), 200)["name"], "Ada Lovelace");
      ok(await api.post(`/v1/users/${user}/close`), 200);
      ok(await api.post(`/v1/users/${user}/erase`), 200);
      const kept = await Promise.all([...keyIds, String(next)].map((hash) => app.store.get(table, { hash })));
      assert.ok(kept.every((item) => item?.["state"] === "destroyed" && item["wrapped_key"] === null));
    });

    it("ENC-07 wraps every data key anew, and everything opens as before", async () => {
      const { app } = stage;
      const organisation = await app.newOrganisation();
      await sealedThings(organisation, 1);
      const before = await privateThings(organisation);
      const old = await keysOf(organisation);
      app.clock.advance(1_000);
      const { id } = ok(await organisation.api.post("/v1/key-rotations", { target: "wrapping_keys" }), 202);
      refused(await organisation.api.post("/v1/key-rotations", { target: "wrapping_keys" }), "rotation_running");
      const done = await finish(app, organisation, id);
      assert.equal(done["error"], null);
      assert.equal((done["progress"] as Record<string, number>)["rewritten"], old.length);
      const again = ok(await organisation.api.post("/v1/key-rotations", { target: "wrapping_keys" }), 202);
      await finish(app, organisation, again.id);
      for (const key of await keysOf(organisation)) {
        const was = old.find((each) => each.id === key.id);
        assert.ok(was && key.wrapped_at > was.wrapped_at);
        assert.deepEqual({ ...key, wrapped_at: "", uses_in_process: 0 }, { ...was, wrapped_at: "", uses_in_process: 0 });
      }
      // Past the time a key stays unwrapped in memory.
      app.clock.advance(6 * 60_000);
      assert.deepEqual(await privateThings(organisation), before);
    });

    it("ENC-08 the inventory lists algorithms, keys, ages, strength and custodians, and no key material", async () => {
      const { app } = stage;
      const organisation = await app.newOrganisation();
      await sealedThings(organisation, 1);
      const answer = await organisation.api.get("/v1/crypto-inventory?limit=100");
      const inventory = ok(answer, 200);
      assert.equal(inventory["environment"], "test");
      const algorithms = inventory["algorithms"] as Record<string, unknown>[];
      assert.ok(algorithms.length >= 5 && algorithms.every(({ strength_bits, use }) => Number(strength_bits) >= 112 && use !== ""));
      const kms = inventory["kms"] as { engine: string; custodian: string; keys: Record<string, unknown>[] };
      assert.equal(kms.engine, "local");
      assert.ok(kms.custodian.length > 10);
      assert.deepEqual(
        kms.keys.map(({ id, state, current }) => [id, state, current]),
        [["local/1", "enabled", true]],
      );
      const { data } = inventory["keys"] as { data: Record<string, unknown>[] };
      assert.deepEqual(data.map(({ purpose, user_id }) => `${String(purpose)} ${user_id === null ? "organisation" : "user"}`).sort(), [
        "sealing organisation",
        "sealing user",
        "sealing user",
        "search_index organisation",
      ]);
      for (const key of data) {
        assert.equal(key["strength_bits"], 256);
        assert.equal(key["age_days"], 0);
        assert.equal(key["rotation_due_at"] === null, key["purpose"] === "search_index");
      }
      const index = data.find(({ purpose }) => purpose === "search_index")?.["id"];
      refused(await organisation.api.post("/v1/key-rotations", { reason: "compromise", key_id: index }), "invalid_request", "key_id");
      for await (const { item } of storedKeys(app)) {
        const wrapped = item["wrapped_key"];
        if (typeof wrapped === "string") assert.ok(!answer.text.includes(wrapped), "a wrapped key is shown");
      }
      refused(await organisation.api.get("/v1/crypto-inventory?cursor=nonsense"), "invalid_cursor", "cursor");
    });
  });
}

async function* storedKeys(app: TestApp): AsyncGenerator<{ readonly item: Readonly<Record<string, unknown>> }> {
  const { store } = app as unknown as { store: { dump(): AsyncIterable<{ table: string; item: Readonly<Record<string, unknown>> }> } };
  for await (const each of store.dump()) if (each.table === "smartfinance-data-keys") yield each;
}
