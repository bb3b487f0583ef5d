import assert from "node:assert/strict";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ok, refused } from "../support/http-client.ts";
import { isSignedWith } from "../support/webhook-receiver.ts";
import type { Stage } from "./stage.ts";
import { deliveries, endpoint, eventually, HOUR, objects, pair, SECOND, receiversOfSuite } from "./webhooks-kit.ts";

/** The life of webhook endpoints: disabled, given new secrets, deleted, refused. The stage's app must deliver. */
export function webhookEndpointFlows(stage: Stage): void {
  const receiver = receiversOfSuite();

  it("disables an endpoint that answers 410, with an event, and goes on when it is enabled", async () => {
    const organisation = await stage.app.newOrganisation();
    const { api } = organisation;
    const target = await receiver();
    const watcher = await receiver();
    const [from, to] = await pair(organisation);
    const made = await endpoint(organisation, target.url, { event_types: ["transfer.posted"] });
    await endpoint(organisation, watcher.url, { event_types: ["webhook_endpoint.disabled"] });
    target.behave = () => 410;
    ok(await organisation.transfer(from, to, 1), 201);
    await watcher.until((all) => all.length === 1);
    assert.deepEqual(watcher.received[0]?.event.data, { object: made.id, object_type: "webhook_endpoint", version: 2 });
    const shown = ok(await api.get(`/v1/webhook-endpoints/${made.id}`), 200);
    assert.deepEqual([shown.status, shown["disabled_reason"], shown.version], ["disabled", "gone", 2]);
    const dead = await eventually(
      () => deliveries(organisation, made.id, "&status=dead"),
      (all) => all.length === 1,
    );
    refused(await api.post(`/v1/webhook-endpoints/${made.id}/deliveries/${dead[0]?.id}/resend`), "webhook_endpoint_disabled");
    ok(await organisation.transfer(from, to, 2), 201);
    target.behave = () => 200;
    // What happened while it was disabled is not sent.
    await sleep(200);
    ok(await api.patch(`/v1/webhook-endpoints/${made.id}`, { status: "enabled" }), 200);
    const third = ok(await organisation.transfer(from, to, 3), 201).id;
    await target.until((all) => all.length >= 2);
    assert.deepEqual(objects(target.received).slice(1), [third]);
  });

  it("disables an endpoint that takes nothing for days", async () => {
    const organisation = await stage.app.newOrganisation();
    const target = await receiver();
    const [from, to] = await pair(organisation);
    target.behave = () => 500;
    const made = await endpoint(organisation, target.url, { event_types: ["transfer.posted"] });
    ok(await organisation.transfer(from, to, 1), 201);
    await target.until((all) => all.length === 1);
    await eventually(
      () => deliveries(organisation, made.id),
      ([one]) => one?.["attempts"] === 1,
    );
    stage.app.clock.advance(5 * 24 * HOUR);
    const shown = await eventually(
      async () => ok(await organisation.api.get(`/v1/webhook-endpoints/${made.id}`), 200),
      ({ status }) => status === "disabled",
    );
    assert.equal(shown["disabled_reason"], "failing");
    // Enabled again, it tries at once what waits.
    target.behave = () => 200;
    ok(await organisation.api.patch(`/v1/webhook-endpoints/${made.id}`, { status: "enabled" }), 200);
    await eventually(
      () => deliveries(organisation, made.id),
      ([one]) => one?.status === "delivered",
    );
  });

  it("signs with both secrets while they overlap, and with the new one alone afterwards", async () => {
    const organisation = await stage.app.newOrganisation();
    const { api } = organisation;
    const target = await receiver();
    const [from, to] = await pair(organisation);
    const made = await endpoint(organisation, target.url, { event_types: ["transfer.posted"] });
    const path = `/v1/webhook-endpoints/${made.id}/rotate-secret`;
    const rotated = ok(await api.post(path, { overlap_seconds: 60 }), 200);
    assert.notEqual(rotated.secret, made.secret);
    refused(await api.post(path, { overlap_seconds: 60 }), "rotation_overlapping");
    const signed = async (count: number): Promise<readonly boolean[]> => {
      stage.app.clock.advance(1_100);
      ok(await organisation.transfer(from, to, 1), 201);
      await target.until((all) => all.length === count);
      const last = target.received.at(-1);
      assert.ok(last);
      return [isSignedWith(last, made.secret), isSignedWith(last, rotated.secret)];
    };
    assert.deepEqual(await signed(1), [true, true]);
    assert.equal(target.received[0]?.signatures.length, 2);
    stage.app.clock.advance(61 * SECOND);
    assert.deepEqual(await signed(2), [false, true]);
    const last = ok(await api.post(path, { overlap_seconds: 0 }), 200);
    assert.deepEqual(await signed(3), [false, false]);
    assert.ok(target.received[2] !== undefined && isSignedWith(target.received[2], last.secret));
  });

  it("forgets a deleted endpoint with its deliveries", async () => {
    const organisation = await stage.app.newOrganisation();
    const { api } = organisation;
    const target = await receiver();
    const [from, to] = await pair(organisation);
    const made = await endpoint(organisation, target.url, { event_types: ["transfer.posted"] });
    ok(await organisation.transfer(from, to, 1), 201);
    await eventually(
      () => deliveries(organisation, made.id),
      ([one]) => one?.status === "delivered",
    );
    const path = `/v1/webhook-endpoints/${made.id}`;
    assert.deepEqual(ok(await api.send("DELETE", path, undefined), 200), { id: made.id, object: "webhook_endpoint", deleted: true });
    refused(await api.get(path), "not_found");
    refused(await api.get(`${path}/deliveries`), "not_found");
    refused(await api.send("DELETE", path, undefined), "not_found");
    assert.deepEqual(ok(await api.get("/v1/webhook-endpoints"), 200).data, []);
    stage.app.clock.advance(11 * SECOND);
    await eventually(
      () => stage.app.store.get("smartfinance-webhook-endpoints", { hash: made.id }),
      (item) => item === undefined,
    );
    const left = await stage.app.store.query({ table: "smartfinance-webhook-deliveries", hash: made.id, order: "ascending", limit: 10 });
    assert.deepEqual(left.items, []);
  });

  it("refuses URLs nobody may name, more endpoints than twenty, and changes of what has changed", async () => {
    const organisation = await stage.app.newOrganisation();
    const { api } = organisation;
    for (const url of [
      "ftp://example.com/",
      "http://10.0.0.1/",
      "https://169.254.169.254/latest",
      "https://user:pass@example.com/",
      "nonsense",
    ])
      assert.match(
        String(refused(await api.post("/v1/webhook-endpoints", { url }), "url_not_allowed", "url")["detail"]),
        /^It must be http.* The reason is [a-z_]+\.$/,
      );
    refused(
      await api.post("/v1/webhook-endpoints", { url: "https://example.com/", event_types: ["transfer.imagined"] }),
      "invalid_request",
    );
    const made = await endpoint(organisation, "https://example.com/hooks");
    refused(await api.patch(`/v1/webhook-endpoints/${made.id}`, { url: "http://192.168.0.1/" }), "url_not_allowed", "url");
    const changed = ok(
      await api.patch(`/v1/webhook-endpoints/${made.id}`, { status: "disabled" }, { headers: { "if-match": '"1"' } }),
      200,
    );
    assert.deepEqual([changed.status, changed["disabled_reason"], changed.version], ["disabled", "by_request", 2]);
    refused(
      await api.patch(`/v1/webhook-endpoints/${made.id}`, { status: "enabled" }, { headers: { "if-match": '"1"' } }),
      "version_conflict",
    );
    await Promise.all(Array.from({ length: 19 }, () => endpoint(organisation, "https://example.com/hooks")));
    refused(await api.post("/v1/webhook-endpoints", { url: "https://example.com/" }), "too_many_webhook_endpoints");
    const stranger = await stage.app.newOrganisation();
    refused(await stranger.api.get(`/v1/webhook-endpoints/${made.id}`), "not_found");
    refused(await stranger.api.patch(`/v1/webhook-endpoints/${made.id}`, { status: "enabled" }), "not_found");
    refused(await stranger.api.post(`/v1/webhook-endpoints/${made.id}/rotate-secret`, { overlap_seconds: 0 }), "not_found");
  });
}
