import assert from "node:assert/strict";
import { afterEach, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ok, rawConnection, refused } from "../support/http-client.ts";
import type { OpenStream, StreamMessage } from "../support/event-stream.ts";
import { listen } from "../support/event-stream.ts";
import { everyPage, idsOf } from "./stage.ts";
import type { Stage } from "./stage.ts";

const objects = (messages: readonly StreamMessage[]): string[] => messages.map(({ data }) => data.data.object);

/** The list of events and the live stream from end to end; the stage's app must deliver. */
export function eventFlows(stage: Stage): void {
  const open: OpenStream[] = [];
  const stream = async (...asked: Parameters<typeof listen>): Promise<OpenStream> => {
    const made = await listen(...asked);
    open.push(made);
    return made;
  };
  afterEach(() => {
    for (const one of open.splice(0)) one.close();
  });

  it("lists what clients are told, newest first, by type, object and time, and nothing else", async () => {
    const organisation = await stage.app.newOrganisation();
    const { api } = organisation;
    const from = await organisation.account({ balance: 1_000 });
    const to = await organisation.account();
    const paid = [1, 2, 3].map(() => organisation.transfer(from, to, 1));
    const ids = (await Promise.all(paid)).map((answer) => ok(answer, 201).id);
    ok(await api.patch("/v1/organisation", { name: "Renamed" }), 200);
    const all = await everyPage(api, "/v1/events", 3);
    assert.equal(new Set(idsOf(all)).size, all.length);
    assert.deepEqual(idsOf(all), idsOf(all).toSorted().reverse());
    assert.ok(!all.some(({ type }) => String(type).startsWith("organisation.")));
    const audited = (await everyPage(api, "/v1/audit/events", 100)).find((event) => event["event_type"] === "organisation.updated");
    refused(await api.get(`/v1/events/${audited?.id}`), "not_found");
    const transfers = await everyPage(api, "/v1/events?types=transfer.posted,hold.voided", 2);
    assert.deepEqual(transfers.map(({ data }) => (data as unknown as { object: string }).object).sort(), ids.toSorted());
    const [one] = ok(await api.get(`/v1/events?object=${ids[1]}`), 200).data;
    assert.deepEqual(ok(await api.get(`/v1/events/${one?.id}`), 200), one);
    assert.deepEqual(ok(await api.get("/v1/events?created_to=2020-01-01T00:00:00Z"), 200).data, []);
    assert.equal(ok(await api.get("/v1/events?created_from=2020-01-01T00:00:00Z&types=transfer.posted"), 200).data.length, 3);
    for (const nonsense of ["bogus", "transfer.posted,", "%F0%9F%92%B6", "x".repeat(8_000)])
      assert.match(
        String(refused(await api.get(`/v1/events?types=${nonsense}`), "invalid_request", "types")["detail"]),
        /^There is no type /,
      );
    const unknown = refused(await api.get("/v1/events?types=transfer.imagined"), "invalid_request", "types");
    assert.match(String(unknown["detail"]), /^There is no type transfer\.imagined .*`webhooks`/);
    const stranger = await stage.app.newOrganisation();
    refused(await stranger.api.get(`/v1/events/${one?.id}`), "not_found");
    assert.deepEqual(ok(await stranger.api.get(`/v1/events?object=${ids[1]}`), 200).data, []);
  });

  it("streams events as they happen, of the types asked for, to nobody else", async () => {
    const organisation = await stage.app.newOrganisation();
    const stranger = await stage.app.newOrganisation();
    const from = await organisation.account({ balance: 1_000 });
    const to = await organisation.account();
    const { url } = stage.app;
    const some = await stream(url, organisation.apiKey, { query: "?types=transfer.posted" });
    assert.equal(some.status, 200);
    assert.match(some.headers["content-type"] ?? "", /^text\/event-stream/);
    assert.equal(some.headers["cache-control"], "no-store");
    assert.match(String(some.headers["x-request-id"]), /^req_/);
    const everything = await stream(url, organisation.apiKey);
    const foreign = await stream(url, stranger.apiKey);
    const paid = ok(await organisation.transfer(from, to, 1), 201).id;
    ok(await organisation.api.post(`/v1/accounts/${from}/freeze`), 200);
    await everything.until((all) => all.some(({ type }) => type === "account.frozen"));
    await some.until((all) => all.length > 0);
    assert.deepEqual(objects(some.messages), [paid]);
    const [told] = some.messages;
    assert.deepEqual(ok(await organisation.api.get(`/v1/events/${told?.data.id}`), 200), told?.data);
    const seen = everything.messages.filter(({ data }) => [paid, from].includes(data.data.object)).slice(-2);
    assert.deepEqual(
      seen.map(({ type }) => type),
      ["transfer.posted", "account.frozen"],
    );
    assert.ok(!foreign.messages.some(({ data }) => [paid, from, to].includes(data.data.object)));
  });

  it("misses nothing over any number of breaks, wherever they come", async () => {
    const organisation = await stage.app.newOrganisation();
    const from = await organisation.account({ balance: 10_000 });
    const to = await organisation.account();
    const wanted: string[] = [];
    let current = await stream(stage.app.url, organisation.apiKey, { query: "?types=transfer.posted" });
    const got: string[] = [];
    for (let round = 0; round < 8; round++) {
      const paid = await Promise.all(Array.from({ length: 10 }, () => organisation.transfer(from, to, 1)));
      wanted.push(...paid.map((answer) => ok(answer, 201).id));
      if (round % 3 !== 0) await sleep(round * 7);
      const { lastId } = current;
      got.push(...objects(current.messages));
      current.close();
      if (round === 5) wanted.push(ok(await organisation.transfer(from, to, 1), 201).id);
      current = await stream(stage.app.url, organisation.apiKey, { lastId, query: "?types=transfer.posted" });
    }
    await current.until((all) => new Set([...got, ...objects(all)]).size === wanted.length);
    got.push(...objects(current.messages));
    assert.deepEqual([...new Set(got)].sort(), wanted.toSorted());
    // In the order of one account, the first time each came.
    assert.deepEqual(
      [...new Set(got)],
      got.filter((id, place) => got.indexOf(id) === place),
    );
  });

  it("goes on from any id it ever gave, also from long ago", async () => {
    const organisation = await stage.app.newOrganisation();
    const from = await organisation.account({ balance: 10_000 });
    const to = await organisation.account();
    const first = await stream(stage.app.url, organisation.apiKey, { query: "?types=transfer.posted" });
    const wanted: string[] = [];
    for (let n = 0; n < 30; n++) wanted.push(ok(await organisation.transfer(from, to, 1), 201).id);
    await first.until((all) => all.length === 30);
    assert.deepEqual(objects(first.messages), wanted);
    for (const place of [0, 7, 28]) {
      const again = await stream(stage.app.url, organisation.apiKey, {
        lastId: first.messages[place]?.id ?? "",
        query: "?types=transfer.posted",
      });
      await again.until((all) => all.length >= 29 - place);
      assert.deepEqual(objects(again.messages), wanted.slice(place + 1));
    }
  });

  it("refuses ids it did not give, and another organisation's", async () => {
    const organisation = await stage.app.newOrganisation();
    const stranger = await stage.app.newOrganisation();
    const theirs = await stream(stage.app.url, stranger.apiKey);
    await theirs.until(() => theirs.lastId !== "");
    const good = theirs.lastId;
    const forged = `${good.slice(0, -2)}${good.endsWith("AA") ? "BB" : "AA"}`;
    for (const lastId of [good, forged, "0", "5.3", "dek_01J0000000000000000000000B.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"])
      refused(await organisation.api.get("/v1/events/stream", { headers: { "last-event-id": lastId } }), "invalid_cursor", "Last-Event-ID");
  });

  it("cuts the streams of a key that is revoked or loses the scope, within five seconds, and no others", async () => {
    const organisation = await stage.app.newOrganisation();
    const { api } = organisation;
    const one = ok(await api.post("/v1/api-keys", { name: "One" }), 201);
    const two = ok(await api.post("/v1/api-keys", { name: "Two" }), 201);
    const streams = await Promise.all([one.secret, two.secret, organisation.apiKey].map((key) => stream(stage.app.url, key)));
    ok(await api.post(`/v1/api-keys/${one.id}/revoke`), 200);
    ok(await api.patch(`/v1/api-keys/${two.id}`, { scopes: ["accounts:read"] }), 200);
    await Promise.all(streams.slice(0, 2).map((cut) => cut.untilEnded(5_000)));
    assert.equal(streams[2]?.ended, false);
    refused(await api.as(one.secret).get("/v1/events/stream"), "unauthenticated");
  });

  it("has a bound of streams for one key, and frees them when they are closed", async () => {
    const organisation = await stage.app.newOrganisation();
    const streams = await Promise.all(Array.from({ length: 10 }, () => stream(stage.app.url, organisation.apiKey)));
    assert.deepEqual([...new Set(streams.map(({ status }) => status))], [200]);
    refused(await organisation.api.get("/v1/events/stream"), "too_many_streams");
    streams[0]?.close();
    let status = 429;
    for (let poll = 0; poll < 200 && status === 429; poll++) {
      await sleep(10);
      status = (await stream(stage.app.url, organisation.apiKey)).status;
    }
    assert.equal(status, 200);
  });

  it("ends a stream at once when something wrong comes behind its request, in the same packet or later", async () => {
    const organisation = await stage.app.newOrganisation();
    const head = `GET /v1/events/stream HTTP/1.1\r\nhost: localhost\r\nx-api-key: ${organisation.apiKey}\r\n\r\n`;
    // As many as one key may have.
    for (let n = 0; n < 10; n++) {
      const wire = rawConnection(stage.app.url);
      wire.write(n % 2 === 0 ? `${head}garbage\r\n\r\n` : head);
      if (n % 2 !== 0) {
        await wire.until(/retry: /);
        wire.write("garbage\r\n\r\n");
      }
      await wire.ended;
    }
    const next = await stream(stage.app.url, organisation.apiKey);
    assert.equal(next.status, 200);
  });
}
