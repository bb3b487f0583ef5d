import assert from "node:assert/strict";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ApiObject } from "../support/http-client.ts";
import { ok } from "../support/http-client.ts";
import { isSignedWith } from "../support/webhook-receiver.ts";
import type { Stage } from "./stage.ts";
import { deliveries, endpoint, eventually, objects, pair, SECOND, receiversOfSuite } from "./webhooks-kit.ts";

/** Deliveries of webhooks from end to end; the stage's app must deliver. */
export function webhookFlows(stage: Stage): void {
  const receiver = receiversOfSuite();

  it("delivers what happens, thin and signed, and lists it", async () => {
    const organisation = await stage.app.newOrganisation();
    const target = await receiver();
    const [from, to] = await pair(organisation);
    const made = await endpoint(organisation, `${target.url}/hooks?token=1`, { event_types: ["transfer.posted"], description: "Shop" });
    assert.match(made.secret, /^whsec_[A-Za-z0-9+/]{43}=$/);
    const paid = ok(await organisation.transfer(from, to, 100), 201);
    await target.until((all) => all.length >= 1);
    const [first] = target.received;
    assert.ok(first);
    assert.equal(first.path, "/hooks?token=1");
    assert.ok(isSignedWith(first, made.secret));
    assert.ok(!isSignedWith({ ...first, text: `${first.text} ` }, made.secret));
    assert.ok(Math.abs(first.timestamp - Date.now() / 1000) < 3600);
    assert.deepEqual(first.event, {
      id: first.id,
      object: "event",
      type: "transfer.posted",
      created_at: first.event.created_at,
      data: { object: paid.id, object_type: "transaction", version: 1 },
    });
    assert.deepEqual(ok(await organisation.api.get(`/v1/events/${first.id}`), 200), first.event);
    const [listed] = await eventually(
      () => deliveries(organisation, made.id),
      ([one]) => one?.status === "delivered",
    );
    assert.ok(listed);
    assert.deepEqual(
      [listed["event_id"], listed["attempts"], listed["response_status"], listed["failure"], listed["next_attempt_at"]],
      [first.id, 1, 204, null, null],
    );
    assert.equal(typeof listed["latency_ms"], "number");
    assert.deepEqual(ok(await organisation.api.get(`/v1/webhook-endpoints/${made.id}/deliveries/${listed.id}`), 200), listed);
    const shown = ok(await organisation.api.get(`/v1/webhook-endpoints/${made.id}`), 200);
    assert.deepEqual({ ...shown, secret: made.secret }, { ...made });
    assert.deepEqual(ok(await organisation.api.get("/v1/webhook-endpoints"), 200).data, [shown]);
  });

  it("tries again on the schedule of Standard Webhooks, keeps the order of an account meanwhile, and holds up no other", async () => {
    const organisation = await stage.app.newOrganisation();
    const target = await receiver();
    const [a, b] = await pair(organisation);
    const [c, d] = await pair(organisation);
    let failing = true;
    const made = await endpoint(organisation, target.url, { event_types: ["transfer.posted"] });
    const first = ok(await organisation.transfer(a, b, 1), 201).id;
    target.behave = ({ event }) => (failing && event.data.object === first ? 500 : 200);
    await target.until((all) => objects(all).includes(first));
    const second = ok(await organisation.transfer(a, b, 2), 201).id;
    const other = ok(await organisation.transfer(c, d, 3), 201).id;
    await target.until((all) => objects(all).includes(other));
    const waiting = await eventually(
      () => deliveries(organisation, made.id, "&status=pending"),
      (found) => found.length === 2 && found.some(({ attempts }) => Number(attempts) >= 1),
    );
    assert.deepEqual(new Set(waiting.map((one) => one["object_id"])), new Set([first, second]));
    const [failed] = waiting.filter((one) => one["object_id"] === first);
    assert.equal(failed?.["response_status"], 500);
    assert.ok(!objects(target.received).includes(second), "the account's later event has overtaken the earlier one");
    failing = false;
    stage.app.clock.advance(6 * SECOND);
    await target.until((all) => objects(all).includes(second));
    const seen = objects(target.received);
    assert.ok(seen.lastIndexOf(first) < seen.indexOf(second));
    const ended = await eventually(
      () => deliveries(organisation, made.id),
      (found) => found.length === 3 && found.every(({ status }) => status === "delivered"),
    );
    assert.deepEqual(
      ended.map((one) => [one["object_id"], one["attempts"]]),
      [
        [other, 1],
        [second, 1],
        [first, 2],
      ],
    );
  });

  it("leaves a receiver alone for as long as its Retry-After asks, within the schedule", async () => {
    const organisation = await stage.app.newOrganisation();
    const target = await receiver();
    const [from, to] = await pair(organisation);
    const made = await endpoint(organisation, target.url, { event_types: ["transfer.posted"] });
    const waits: number[] = [];
    for (const [status, asked] of [
      [429, "120"],
      [503, "86400"],
      [500, "120"],
    ] as const) {
      target.behave = (_received, response) => {
        response.writeHead(status, { "retry-after": asked }).end();
        return undefined;
      };
      const paid = ok(await organisation.transfer(from, to, 100), 201);
      const failed = await eventually(
        async () => (await deliveries(organisation, made.id)).find((one) => one["object_id"] === paid.id && one["attempts"] === 1),
        (one) => one !== undefined,
      );
      waits.push((Date.parse(String(failed?.["next_attempt_at"])) - Date.parse(String(failed?.["last_attempt_at"]))) / SECOND);
      target.behave = () => 204;
      ok(await organisation.api.post(`/v1/webhook-endpoints/${made.id}/deliveries/${failed?.id}/resend`), 202);
      await target.until((all) => all.filter(({ event }) => event.data.object === paid.id).length >= 2);
    }
    const [toldSoon = 0, toldLate = 0, notTold = 0] = waits;
    assert.equal(toldSoon, 120);
    assert.ok(toldLate >= 300 && toldLate <= 330, `the next step of the schedule bounds it, not ${toldLate}`);
    assert.ok(notTold >= 5 && notTold <= 6, `${notTold}`);
  });

  it("gives up after ten attempts, lists the dead letter, and resends it by request", async () => {
    const organisation = await stage.app.newOrganisation();
    const target = await receiver();
    const [from, to] = await pair(organisation);
    const made = await endpoint(organisation, target.url, { event_types: ["transfer.posted"] });
    target.behave = () => 503;
    const id = ok(await organisation.transfer(from, to, 1), 201).id;
    const next = ok(await organisation.transfer(from, to, 2), 201).id;
    // A little more than what the schedule says at most.
    const waits = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400, 0].map((seconds) => seconds * SECOND * 1.11);
    for (const [n, wait] of waits.entries()) {
      const attempt = n + 1;
      await target.until((all) => objects(all).filter((one) => one === id).length >= attempt);
      if (attempt === 9) target.behave = ({ event }) => (event.data.object === id ? 503 : 200);
      await eventually(
        () => deliveries(organisation, made.id),
        (found) => found.some((one) => one["object_id"] === id && Number(one["attempts"]) >= attempt),
      );
      stage.app.clock.advance(wait);
    }
    // The dead one holds up nothing any more.
    await target.until((all) => objects(all).includes(next));
    const dead = await eventually(
      () => deliveries(organisation, made.id, "&status=dead"),
      (found) => found.length > 0,
    );
    assert.deepEqual(
      dead.map((one) => [one["object_id"], one["attempts"], one["response_status"]]),
      [[id, 10, 503]],
    );
    // Clocks that jump by days make a feed repeat itself, so that there may be more deliveries of the event than this one.
    const before = objects(target.received).filter((one) => one === id).length;
    assert.ok(before >= 10);
    target.behave = () => 200;
    const path = `/v1/webhook-endpoints/${made.id}/deliveries/${dead[0]?.id}`;
    assert.deepEqual(ok(await organisation.api.post(`${path}/resend`), 202), dead[0]);
    await target.until((all) => objects(all).filter((one) => one === id).length > before);
    const found = await eventually(
      () => deliveries(organisation, made.id, "&status=delivered"),
      (all) => all.some((one) => one["resend_of"] === dead[0]?.id),
    );
    assert.equal(found.find((one) => one["resend_of"] === dead[0]?.id)?.["attempts"], 1);
    // Every attempt of one event has the same id, by which a receiver knows it.
    assert.equal(new Set(target.received.filter(({ event }) => event.data.object === id).map(({ id: webhookId }) => webhookId)).size, 1);
  });

  it("hastens one that waits when it is resent", async () => {
    const organisation = await stage.app.newOrganisation();
    const target = await receiver();
    const [from, to] = await pair(organisation);
    const made = await endpoint(organisation, target.url, { event_types: ["transfer.posted"] });
    target.behave = () => 500;
    const id = ok(await organisation.transfer(from, to, 1), 201).id;
    const [waiting] = await eventually(
      () => deliveries(organisation, made.id),
      ([one]) => Number(one?.["attempts"]) === 1,
    );
    target.behave = () => 200;
    ok(await organisation.api.post(`/v1/webhook-endpoints/${made.id}/deliveries/${waiting?.id}/resend`), 202);
    await target.until((all) => all.length === 2);
    const [ended] = await eventually(
      () => deliveries(organisation, made.id),
      ([one]) => one?.status === "delivered",
    );
    assert.deepEqual([ended?.id, ended?.["attempts"], ended?.["object_id"]], [waiting?.id, 2, id]);
  });

  it("takes redirects, hanging and closed connections for failures, each told as what it is", async () => {
    const organisation = await stage.app.newOrganisation();
    const [from, to] = await pair(organisation);
    const elsewhere = await receiver();
    const redirecting = await receiver();
    redirecting.behave = (_received, response) => void response.writeHead(307, { location: elsewhere.url }).end();
    const closing = await receiver();
    closing.behave = (_received, response) => void response.destroy();
    const gone = await receiver();
    await gone.close();
    const hanging = await receiver();
    hanging.behave = () => undefined;
    const made = new Map<string, ApiObject>();
    for (const [name, { url }] of Object.entries({ redirecting, closing, gone, hanging }))
      made.set(name, await endpoint(organisation, url, { event_types: ["transfer.posted"] }));
    const fast = await receiver();
    await endpoint(organisation, fast.url, { event_types: ["transfer.posted"] });
    for (let n = 0; n < 5; n++) ok(await organisation.transfer(from, to, 1), 201);
    // One that hangs holds up nobody else.
    await fast.until((all) => all.length === 5);
    assert.equal(hanging.received.length, 1);
    const failure = async (name: string): Promise<unknown> => {
      const found = await eventually(
        () => deliveries(organisation, made.get(name)?.id ?? ""),
        (all) => all.some(({ attempts }) => Number(attempts) === 1),
      );
      const one = found.find(({ attempts }) => Number(attempts) === 1);
      return [one?.["failure"], one?.["response_status"]];
    };
    assert.deepEqual(await failure("redirecting"), ["redirected", 307]);
    assert.deepEqual(await failure("closing"), ["connection_failed", null]);
    assert.deepEqual(await failure("gone"), ["connection_failed", null]);
    assert.equal(elsewhere.received.length, 0, "a redirect was followed");
  });

  it("keeps the order of every account, whatever fails in between", async () => {
    const organisation = await stage.app.newOrganisation();
    const target = await receiver();
    const pairs = await Promise.all(Array.from({ length: 6 }, () => pair(organisation)));
    let calls = 0;
    target.behave = async () => {
      calls += 1;
      await sleep(calls % 5);
      return calls % 7 === 0 ? 500 : 200;
    };
    const made = await endpoint(organisation, target.url, { event_types: ["transfer.posted"] });
    const sent = await Promise.all(
      pairs.map(async ([from, to]) => {
        const ids: string[] = [];
        for (let n = 0; n < 12; n++) ids.push(ok(await organisation.transfer(from, to, 1), 201).id);
        return ids;
      }),
    );
    const all = sent.flat();
    for (let round = 0; round < 40; round++) {
      stage.app.clock.advance(15 * 60 * SECOND);
      await sleep(100);
      if (
        new Set(objects(target.received)).size === all.length &&
        (await deliveries(organisation, made.id, "&status=pending")).length === 0
      )
        break;
    }
    for (const ids of sent) {
      // The last time each came is the time it was taken.
      const places = ids.map((id) => objects(target.received).lastIndexOf(id));
      assert.ok(!places.includes(-1), "an event got lost");
      assert.deepEqual(
        places,
        places.toSorted((x, y) => x - y),
      );
    }
  });
}
