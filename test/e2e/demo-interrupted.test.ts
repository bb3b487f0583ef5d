import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Demo } from "#bootstrap.ts";
import { createDemo, createOrganisation, demoShown } from "#bootstrap.ts";
import { startApp } from "../support/app.ts";
import type { Client } from "../support/http-client.ts";
import { createClient, ok, refused } from "../support/http-client.ts";
import { startProcess } from "../support/process.ts";

const directory = mkdtempSync(join(tmpdir(), "smartfinance-demo-"));
after(() => rmSync(directory, { recursive: true, force: true }));

const ALONE = true;
/** Some half a minute, far longer than a start takes. */
const PROBES_MAX = 15_000;

/** A client of the server that is being started on this port, once its port is open. */
async function untilOpen(port: string): Promise<Client> {
  const probe = createClient(`http://127.0.0.1:${port}`);
  const isOpen = (): Promise<boolean> =>
    probe.get("/healthz").then(
      () => true,
      () => false,
    );
  for (let n = 0; n < PROBES_MAX; n++) {
    if (await isOpen()) return probe;
    await sleep(2);
  }
  return assert.fail("its port was not opened");
}

const SHOWN = /^export KEY=(\S+) .*\nexport ALICE=(\S+) .*\nexport BOB=(\S+) /m;

describe("a demo that was made and not shown", () => {
  it("is shown by the next start with another key, and the one that is lost is worth nothing", async (t) => {
    const node = await startApp({ store: "memory" });
    t.after(() => node.close());
    const { deps, anonymous } = node;
    const pay = ({ apiKey, accounts: [from, to] }: Demo) =>
      anonymous.as(apiKey).post("/v1/transfers", { from_account_id: from, to_account_id: to, amount: 1250, currency: "EUR" });
    const lost = await createDemo(deps, "test", ALONE);
    assert.ok(lost);
    // The process ends here.
    const again = await createDemo(deps, "test", ALONE);
    assert.ok(again);
    assert.deepEqual([again.organisationId, again.accounts], [lost.organisationId, lost.accounts]);
    refused(await pay(lost), "unauthenticated");
    ok(await pay(again), 201);
    const keys = ok(await anonymous.as(again.apiKey).get("/v1/api-keys"), 200).data;
    const expected = { [lost.apiKeyId]: "revoked", [again.apiKeyId]: "active" };
    assert.deepEqual(Object.fromEntries(keys.map(({ id, status }) => [id, status])), expected);
    const told = ok(await anonymous.as(again.apiKey).get(`/v1/audit/events?object_id=${lost.apiKeyId}`), 200).data;
    assert.deepEqual(new Set(told.map(({ event_type }) => event_type)), new Set(["api_key.created", "api_key.revoked"]));

    await demoShown(deps, again);
    assert.equal(await createDemo(deps, "test", ALONE), undefined);
    ok(await pay(again), 201);
  });

  it("is left alone by other nodes for as long as it may still be shown", async (t) => {
    const node = await startApp({ store: "memory" });
    t.after(() => node.close());
    const { deps, clock } = node;
    const made = await createDemo(deps, "test", !ALONE);
    assert.ok(made);
    assert.equal(await createDemo(deps, "test", !ALONE), undefined);
    clock.advance(-1_000);
    assert.equal(await createDemo(deps, "test", !ALONE), undefined, "the clock of another node may be behind a little");
    clock.advance(61_000);
    const again = await createDemo(deps, "test", !ALONE);
    assert.ok(again);
    assert.equal(await createDemo(deps, "test", !ALONE), undefined, "it is about to be shown by the second one");
    // The node that was slow does not take away what the other one has shown.
    await demoShown(deps, made);
    await demoShown(deps, again);
    assert.equal(await createDemo(deps, "test", ALONE), undefined);
    assert.equal((await node.anonymous.as(again.apiKey).get("/v1/accounts")).status, 200);
  });

  it("is nothing that a store with another organisation has", async (t) => {
    const node = await startApp({ store: "memory" });
    t.after(() => node.close());
    await createOrganisation(node.deps, { name: "Mine", environment: "test" });
    assert.equal(await createDemo(node.deps, "test", ALONE), undefined);
  });
});

describe("a first start that is ended while it makes the demo", () => {
  for (const [signal, delay] of [
    ["SIGKILL", 0],
    ["SIGKILL", 15],
    ["SIGTERM", 0],
    ["SIGTERM", 15],
  ] as const) {
    it(`by ${signal}, ${delay} ms after its port is open: it or the next one shows a curl that works`, async () => {
      const settings = {
        SMARTFINANCE_DATA_DIR: join(directory, `${signal}-${delay}`),
        SMARTFINANCE_PORT: String(20_000 + (process.pid % 20_000)),
      };
      const ended = startProcess(settings);
      const probe = await untilOpen(settings.SMARTFINANCE_PORT);
      await sleep(delay);
      ended.signal(signal);
      assert.equal(await ended.ended, signal === "SIGTERM" ? 0 : signal, ended.stderr());
      probe.close();
      const next = startProcess({ ...settings, SMARTFINANCE_PORT: "0" });
      const client = createClient(await next.url);
      const shown = SHOWN.exec(next.stdout()) ?? SHOWN.exec(ended.stdout());
      assert.ok(shown, `${ended.stdout()}${next.stdout()}`);
      const [, key = "", from_account_id, to_account_id] = shown;
      const api = client.as(key);
      ok(await api.post("/v1/transfers", { from_account_id, to_account_id, amount: 1250, currency: "EUR" }), 201);
      const active = ok(await api.get("/v1/api-keys"), 200).data.filter(({ status }) => status === "active");
      assert.equal(active.length, 1, "no other key has rights");
      client.close();
      assert.equal(await next.stop(), 0);
    });
  }
});

describe("a first start whose standard output nobody reads", () => {
  it("shows its demo at the next start", async () => {
    const settings = {
      SMARTFINANCE_DATA_DIR: join(directory, "unread"),
      SMARTFINANCE_PORT: String(20_000 + (process.pid % 20_000)),
    };
    const start = fileURLToPath(new URL("../../bin/start.mjs", import.meta.url));
    const unread = spawn(process.execPath, [start], { env: { PATH: process.env.PATH, ...settings }, stdio: ["ignore", "pipe", "ignore"] });
    const ended = once(unread, "exit");
    unread.stdout.destroy();
    (await untilOpen(settings.SMARTFINANCE_PORT)).close();
    await sleep(50);
    unread.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null]);
    const next = startProcess({ ...settings, SMARTFINANCE_PORT: "0" });
    await next.url;
    assert.match(next.stdout(), SHOWN);
    assert.equal(await next.stop(), 0);
  });
});
