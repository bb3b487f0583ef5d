import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, ok, refused } from "../support/http-client.ts";
import { listen } from "../support/event-stream.ts";
import { startProcess } from "../support/process.ts";
import { startReceiver } from "../support/webhook-receiver.ts";

const directory = mkdtempSync(join(tmpdir(), "smartfinance-webhooks-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const KILLS = 3;
const PER_LIFE = 40;

describe("webhooks of a process", () => {
  it("arrive all, however often the process is killed in between; a stream goes on from its last id", async () => {
    const target = await startReceiver();
    target.behave = async () => {
      await sleep(3);
      return 200;
    };
    const settings = { SMARTFINANCE_DATA_DIR: join(directory, "killed"), SMARTFINANCE_WEBHOOK_DEVELOPMENT: "true" };
    let key = "";
    let [alice, bob] = ["", ""];
    let lastId: string | undefined;
    const wanted: string[] = [];
    const streamed: string[] = [];
    for (let life = 0; life <= KILLS; life++) {
      const server = startProcess(settings);
      const url = await server.url;
      const value = (name: string): string => new RegExp(`export ${name}=(\\S+)`).exec(server.stdout())?.[1] ?? "";
      if (life === 0) [key, alice, bob] = [value("KEY"), value("ALICE"), value("BOB")];
      const client = createClient(url, key);
      if (life === 0) ok(await client.post("/v1/webhook-endpoints", { url: target.url, event_types: ["transfer.posted"] }), 201);
      const stream = await listen(url, key, { query: "?types=transfer.posted", ...(lastId === undefined ? {} : { lastId }) });
      assert.equal(stream.status, 200);
      const last = life === KILLS;
      for (let n = 0; n < (last ? 1 : PER_LIFE); n++) {
        const body = { from_account_id: alice, to_account_id: bob, amount: 1, currency: "EUR" };
        wanted.push(ok(await client.post("/v1/transfers", body), 201).id);
      }
      if (!last) {
        // In the middle of it: some are delivered, others are on their way or wait.
        server.signal("SIGKILL");
        assert.equal(await server.ended, "SIGKILL");
        await stream.untilEnded();
      } else {
        await target.until((all) => wanted.every((id) => all.some(({ event }) => event.data.object === id)), 15_000);
        const all = (): Set<string> => new Set([...streamed, ...stream.messages.map(({ data }) => data.data.object)]);
        await stream.until(() => wanted.every((id) => all().has(id)));
        assert.equal(await server.stop(), 0);
        assert.ok(stream.ended, "a graceful stop ends streams");
      }
      lastId = stream.lastId;
      streamed.push(...stream.messages.map(({ data }) => data.data.object));
      client.close();
    }
    const firsts = wanted.map((id) => target.received.findIndex(({ event }) => event.data.object === id));
    assert.deepEqual(
      firsts,
      firsts.toSorted((a, b) => a - b),
      "the account's events came out of order",
    );
    await target.close();
  });

  it("refuses http and private addresses unless told otherwise", async () => {
    const server = startProcess({ SMARTFINANCE_DATA_DIR: join(directory, "strict") });
    const url = await server.url;
    const key = /export KEY=(\S+)/.exec(server.stdout())?.[1] ?? "";
    const client = createClient(url, key);
    for (const bad of ["http://example.com/", "https://127.0.0.1/", "https://localhost/", "https://example.com:22/"])
      refused(await client.post("/v1/webhook-endpoints", { url: bad }), "url_not_allowed", "url");
    client.close();
    assert.equal(await server.stop(), 0);
    const live = startProcess({
      SMARTFINANCE_DATA_DIR: join(directory, "live"),
      SMARTFINANCE_ENVIRONMENT: "live",
      SMARTFINANCE_WEBHOOK_DEVELOPMENT: "true",
    });
    assert.equal(await live.ended, 1);
    assert.match(live.stderr(), /^smartfinance: SMARTFINANCE_WEBHOOK_DEVELOPMENT must be false where/);
  });
});
