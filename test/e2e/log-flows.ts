import assert from "node:assert/strict";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parseVkey, verifyReceipt, verifyRemote, verifyStore } from "#log/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import { toldCollections } from "#told-collections.ts";
import type { TestApp } from "../support/app.ts";
import type { Client } from "../support/http-client.ts";
import { ok, refused } from "../support/http-client.ts";
import { everyPage } from "./stage.ts";
import type { Stage } from "./stage.ts";

/** As much patience as a feed over streams needs. */
const POLLS_MAX = 200;

/** Has the log sealed until it has the newest event of an organisation. */
export async function sealedUp({ app }: Pick<TestApp, "app">, api: Client): Promise<void> {
  const newest = ok(await api.get("/v1/audit/events?limit=1"), 200).data[0]?.id ?? "";
  for (let poll = 0; poll < POLLS_MAX; poll++) {
    await app.log.worker.work();
    if (ok(await api.get(`/v1/audit/events/${newest}`), 200)["proof"] !== null) return;
    await sleep(10);
  }
  assert.fail("the newest event is not sealed in time");
}

/** The Merkle log over HTTP, on any store. */
export function logFlows(stage: Stage): void {
  const sealAll = (api: Client): Promise<void> => sealedUp(stage.app, api);
  const keyOf = async (api: Client) => {
    const key = parseVkey(String(ok(await api.get("/v1/audit/key"), 200)["verifier_key"]));
    assert.ok(key);
    return key;
  };
  const getter = (api: Client) => async (path: string) => {
    const answer = await fetch(new URL(path, stage.app.url), { headers: { "x-api-key": String(api.key) } });
    return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) };
  };

  it("AUD-02 AUD-05 proves every event of an organisation, over HTTP, offline and in the store", async () => {
    const own = await stage.app.newOrganisation();
    const other = await stage.app.newOrganisation();
    const [from, to] = [await own.account({ balance: 5_000 }), await own.account()];
    await other.account({ balance: 70 });
    ok(await own.transfer(from, to, 1_250), 201);
    await sealAll(own.api);
    const log = await keyOf(own.api);
    const first = await verifyRemote({ get: getter(own.api), log, clock: stage.app.clock });
    assert.ok(first.ok, JSON.stringify(first));
    assert.equal(first.unsealed, 0);
    const events = await everyPage(own.api, "/v1/audit/events", 50);
    assert.equal(first.events, events.length);

    for (const { id } of events) {
      const event = ok(await own.api.get(`/v1/audit/events/${id}`), 200) as unknown as JsonObject;
      assert.ok(verifyReceipt(event, undefined, log).ok);
      const text = (await own.api.get(`/v1/audit/events/${id}/proof`)).text;
      const { proof: _proof, ...bare } = event;
      assert.ok(verifyReceipt(bare, text, log).ok);
      for (const changed of [
        { ...bare, amount: 1 },
        { ...bare, ip_address: "198.51.100.1" },
        { ...bare, surprise: true },
      ])
        assert.ok(!verifyReceipt(changed, text, log).ok);
      refused(await other.api.get(`/v1/audit/events/${id}/proof`), "not_found");
    }

    ok(await own.transfer(from, to, 1), 201);
    await sealAll(own.api);
    const second = await verifyRemote({ get: getter(own.api), log, clock: stage.app.clock, since: first.checkpoint });
    assert.ok(second.ok, JSON.stringify(second));
    assert.ok(second.size > first.size);
    const store = await verifyStore({ store: stage.app.store, log, told: toldCollections, since: first.checkpoint });
    assert.ok(store.ok, JSON.stringify(store));
    const back = await verifyRemote({
      get: (path) =>
        path.startsWith("/v1/audit/checkpoint")
          ? Promise.resolve({ status: 200, body: Buffer.from(first.checkpoint) })
          : getter(own.api)(path),
      log,
      clock: stage.app.clock,
      since: second.checkpoint,
    });
    assert.ok(!back.ok && /cut back/.test(back.what));
  });

  it("serves tiles by their paths, and nothing beyond the tree", async () => {
    const own = await stage.app.newOrganisation();
    await sealAll(own.api);
    const size = Number((await own.api.get("/v1/audit/checkpoint")).text.split("\n")[1]);
    const width = Math.min(size, 200);
    const get = getter(own.api);
    const plain = await get(`/v1/audit/tile/0/000.p/${width}`);
    assert.deepEqual([plain.status, plain.body.length], [200, width * 32]);
    assert.deepEqual((await get(`/v1/audit/tile/0%2F000.p%2F${width}`)).body, plain.body);
    assert.equal((await get(`/v1/audit/tile/entries/000.p/${width}`)).body.length, width * 34);
    for (const path of ["0/999", "entries/999.p/1", "5/000.p/1", "0/0", "x", "0/000.p/0", "0/x000/000", "%2e%2e%2fcheckpoint"])
      assert.ok([400, 404].includes((await get(`/v1/audit/tile/${path}`)).status), path);
    refused(await own.api.get(`/v1/audit/consistency?from=0&to=${size + 1_000_000}`), "invalid_request", "to");
    refused(await own.api.get("/v1/audit/consistency?from=2&to=1"), "invalid_request", "from");
    refused(await own.api.get("/v1/audit/checkpoint?witnessed=true"), "not_sealed");
  });

  it("AUD-08 tells who read the log, once a minute", async () => {
    const own = await stage.app.newOrganisation();
    const { app, clock } = stage.app;
    const reads = () => everyPage(own.api, "/v1/audit/events?event_type=audit_log.read", 50);
    assert.equal((await reads()).length, 0);
    await app.maintain();
    assert.equal((await reads()).length, 0, "not before the minute is over");
    clock.advance(60_001);
    await app.maintain();
    const [event, ...more] = await reads();
    assert.ok(event);
    assert.deepEqual(more, []);
    assert.equal(event["api_key_id"], own.apiKeyId);
    assert.equal(event["ip_address"], "127.0.0.1");
    assert.deepEqual((event["details"] as { reads: unknown }).reads, { listAuditEvents: 2 });
  });

  it("AUD-09 lists by type, object, user and time, and answers to a key that may read only", async () => {
    const own = await stage.app.newOrganisation();
    const userId = await own.user();
    const account = await own.account({ userId, balance: 10 });
    const reader = own.api.as(ok(await own.api.post("/v1/api-keys", { name: "Auditor", scopes: ["audit:read"] }), 201).secret);
    const typesOf = async (query: string) => (await everyPage(reader, `/v1/audit/events?${query}`, 50)).map((event) => event["event_type"]);
    assert.deepEqual(await typesOf(`object_id=${userId}`), ["user.created"]);
    assert.deepEqual((await typesOf(`user_id=${userId}`)).includes("account.created"), true);
    assert.deepEqual(await typesOf(`object_id=${account}`), ["account.created"]);
    refused(await reader.get(`/v1/accounts/${account}`), "insufficient_scope");
    for (const method of ["DELETE", "PUT", "PATCH", "POST"])
      refused(await reader.send(method, "/v1/audit/events", "{}"), "method_not_allowed");
  });
}
