import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ApiObject, Client } from "../support/http-client.ts";
import { createClient, ok, refused } from "../support/http-client.ts";
import { kmsEnvironment, startKmsServer } from "../support/kms-server.ts";
import type { RunningProcess } from "../support/process.ts";
import { startProcess } from "../support/process.ts";

const directory = mkdtempSync(join(tmpdir(), "smartfinance-vault-process-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const POLLS_MAX = 50;

interface Demo {
  readonly client: Client;
  readonly alice: string;
  readonly bob: string;
}

/** What the first start of a process printed, and a client with its key. */
async function demoOf(process: RunningProcess): Promise<Demo> {
  const url = await process.url;
  const value = (name: string): string => new RegExp(`export ${name}=(\\S+)`).exec(process.stdout())?.[1] ?? "";
  return { client: createClient(url, value("KEY")), alice: value("ALICE"), bob: value("BOB") };
}

const transfer = ({ alice, bob }: Demo, note: string) => ({
  from_account_id: alice,
  to_account_id: bob,
  amount: 100,
  currency: "EUR",
  metadata: { note },
});

describe("the process with AWS KMS", () => {
  it("makes transfers with metadata, serves on through an outage from memory, and never writes plaintext", async () => {
    const kms = await startKmsServer();
    const keyId = kms.addKey({ alias: "alias/smartfinance" });
    const settings = {
      SMARTFINANCE_DATA_DIR: join(directory, "aws"),
      SMARTFINANCE_KMS: "aws",
      SMARTFINANCE_KMS_KEY_ID: "alias/smartfinance",
      SMARTFINANCE_KMS_ENDPOINT: kms.endpoint,
      ...kmsEnvironment(kms),
    };
    const first = startProcess(settings);
    const demo = await demoOf(first);
    const made = ok(await demo.client.post("/v1/transfers", transfer(demo, "through-aws-kms")), 201);
    assert.deepEqual(made["metadata"], { note: "through-aws-kms" });
    assert.ok(kms.calls.some(({ operation }) => operation === "GenerateDataKey"));
    for (const { operation, context } of kms.calls) {
      if (operation !== "GenerateDataKey" && operation !== "Decrypt") continue;
      assert.equal(context["environment"], "test");
      assert.ok(Object.values(context).every((value) => /^[a-z-]+$|^[a-z]{3}_[0-9A-Z]{26}$/.test(value)));
    }
    const inventory = ok(await demo.client.get("/v1/crypto-inventory"), 200)["kms"] as { engine: string; keys: { id: string }[] };
    assert.deepEqual([inventory.engine, inventory.keys[0]?.id], ["aws", keyId]);

    // The service is gone. What is in memory goes on; what needs it is refused as unavailable, with a hint when to try again.
    kms.fault = () => ({ kind: "cut" });
    const again = ok(await demo.client.post("/v1/transfers", transfer(demo, "from-memory")), 201);
    assert.deepEqual(ok(await demo.client.get(`/v1/transactions/${again.id}`), 200)["metadata"], { note: "from-memory" });
    const newcomer = await demo.client.post("/v1/users", { name: "Never Written" });
    refused(newcomer, "kms_unavailable");
    assert.equal(newcomer.status, 503);
    assert.match(newcomer.headers["retry-after"] ?? "", /^\d+$/);
    refused(await demo.client.get("/v1/crypto-inventory"), "kms_unavailable");
    assert.equal(ok(await demo.client.get("/readyz"), 200)["keys"], "kms_unavailable");
    kms.fault = () => undefined;
    ok(await demo.client.post("/v1/users", { name: "Written Now" }), 201);
    assert.equal(await first.stop(), 0);

    // Another process has nothing in memory: it needs the service from its start on.
    const second = startProcess(settings);
    const later = createClient(await second.url, demo.client.key);
    assert.deepEqual(ok(await later.get(`/v1/transactions/${made.id}`), 200)["metadata"], { note: "through-aws-kms" });
    later.close();
    assert.equal(await second.stop(), 0);
    kms.setState(keyId, "Disabled");
    const third = startProcess(settings);
    assert.equal(await third.ended, 1);
    assert.match(third.stderr(), /^smartfinance: KMS key alias\/smartfinance is in state Disabled\n$/);
    demo.client.close();
    await kms.close();
    const data = settings.SMARTFINANCE_DATA_DIR;
    const stored = readdirSync(data).reduce((text, name) => text + readFileSync(join(data, name), "latin1"), "");
    assert.ok(stored.length > 10_000);
    for (const text of ["through-aws-kms", "from-memory", "Never Written", "Written Now"]) assert.ok(!stored.includes(text), text);
  });
});

describe("the process with the local key file", () => {
  it("ENC-07 takes up a rotation and a block of the wrapping key while it runs", async () => {
    const settings = { SMARTFINANCE_DATA_DIR: join(directory, "local") };
    const server = startProcess(settings);
    const demo = await demoOf(server);
    const command = async (...args: string[]): Promise<string> => {
      const run = startProcess(settings, ...args);
      assert.equal(await run.ended, 0, run.stderr());
      return run.stdout();
    };
    const user = async () => demo.client.post("/v1/users", { name: "Grace Hopper" });
    const kmsKeys = async () => {
      const inventory = ok(await demo.client.get("/v1/crypto-inventory?limit=100"), 200);
      return (inventory["keys"] as { data: { kms_key_id: string }[] }).data.map(({ kms_key_id }) => kms_key_id);
    };
    ok(await user(), 201);
    assert.deepEqual([...new Set(await kmsKeys())], ["local/1"]);
    assert.match(await command("rotate-kms-key"), /local\/2/);
    ok(await user(), 201);
    assert.deepEqual([...new Set(await kmsKeys())].sort(), ["local/1", "local/2"]);
    const { id } = ok(await demo.client.post("/v1/key-rotations", { target: "wrapping_keys" }), 202);
    const done = async () => ok(await demo.client.get(`/v1/key-rotations/${id}`), 200)["progress"] as { steps_done: number; pass: number };
    // The first pass is done within one round of the background; the last one comes when every node has noticed.
    for (let poll = 0; poll < POLLS_MAX && (await done()).pass < 2; poll++) await sleep(400);
    assert.deepEqual([...new Set(await kmsKeys())], ["local/2"]);
    assert.match(await command("kms-key-state", "1", "compromised"), /local\/1 is compromised; the current key is local\/2/);
    ok(await user(), 201);
    assert.match(await command("kms-key-state", "2", "compromised"), /the current key is local\/3/);
    const newest = ok(await user(), 201).id;
    for (const wrong of [
      ["kms-key-state", "9", "retired"],
      ["kms-key-state", "1", "gone"],
      ["rotate-kms-key", "now"],
    ]) {
      const run = startProcess(settings, ...wrong);
      assert.equal(await run.ended, 1);
      assert.match(run.stderr(), /^smartfinance: .*(no key 9|usage)/);
    }
    demo.client.close();
    assert.equal(await server.stop(), 0);
    // Everything in memory is gone, and what the blocked key wrapped opens nothing any more, until the operator takes it back.
    const blocked = startProcess(settings);
    const later = createClient(await blocked.url, demo.client.key);
    ok(await later.get(`/v1/users/${newest}`), 200);
    refused(await later.get("/v1/users?limit=100"), "key_blocked");
    await command("kms-key-state", "2", "retired");
    assert.equal(ok(await later.get("/v1/users?limit=100"), 200).data.length, 6);
    later.close();
    assert.equal(await blocked.stop(), 0);
  });

  it("ENC-07 a blocked wrapping key takes hold of a running server, fails rotations, stops the next start with its remedy, and can be got rid of", async () => {
    const settings = { SMARTFINANCE_DATA_DIR: join(directory, "leaked") };
    const run = async (...args: string[]): Promise<string> => {
      const command = startProcess(settings, ...args);
      assert.equal(await command.ended, 0, command.stderr());
      return command.stdout();
    };
    const server = startProcess(settings);
    const demo = await demoOf(server);
    const pay = () => demo.client.post("/v1/transfers", transfer(demo, "sealed"));
    const { id } = ok(await pay(), 201);
    assert.equal(ok(await demo.client.get("/readyz"), 200)["keys"], "ok");
    assert.match(await run("kms-key-state", "1", "compromised"), /local\/2 has been made[^]*WARNING[^]*kms-key-state 1 retired/);
    const began = Date.now();
    while ((await demo.client.get(`/v1/transactions/${id}`)).status === 200 && Date.now() - began < 15_000) await sleep(500);
    refused(await demo.client.get(`/v1/transactions/${id}`), "key_blocked");
    refused(await pay(), "key_blocked");
    assert.equal(ok(await demo.client.get("/readyz"), 200)["keys"], "key_blocked");
    const rotation = async (key: string): Promise<ApiObject> => ok(await demo.client.get(`/v1/key-rotations/${key}`), 200);
    const doomed = await demo.client.post("/v1/key-rotations", { target: "wrapping_keys" });
    // Its own reply needs no key, so it starts; the worker then meets the blocked one.
    const failing = ok(doomed, 202).id;
    for (let poll = 0; poll < POLLS_MAX && (await rotation(failing)).status === "running"; poll++) await sleep(500);
    const failed = await rotation(failing);
    assert.deepEqual([failed.status, (failed["error"] as { code: string }).code], ["failed", "key_blocked"]);
    assert.equal(await server.stop(), 0);
    assert.equal(server.stdout().split("key rotation interrupted").length, 2, "told once");

    const stopped = startProcess(settings);
    assert.equal(await stopped.ended, 1);
    assert.match(stopped.stderr(), /^smartfinance: the wrapping key local\/1 is blocked .*"npm start -- kms-key-state 1 retired".*\n$/);
    await run("kms-key-state", "1", "retired");
    const again = startProcess(settings);
    const client = createClient(await again.url, demo.client.key);
    ok(await client.post("/v1/key-rotations", { target: "wrapping_keys" }), 202);
    const wrappedBy = async () => {
      const { data } = ok(await client.get("/v1/crypto-inventory?limit=100"), 200)["keys"] as { data: { kms_key_id: string }[] };
      return [...new Set(data.map(({ kms_key_id }) => kms_key_id))];
    };
    for (let poll = 0; poll < POLLS_MAX && (await wrappedBy()).includes("local/1"); poll++) await sleep(1_500);
    assert.deepEqual(await wrappedBy(), ["local/2"]);
    await run("kms-key-state", "1", "compromised");
    client.close();
    assert.equal(await again.stop(), 0);
    // The old key is dead, and nothing needs it: not even a process that has nothing in memory.
    const last = startProcess(settings);
    const reader = createClient(await last.url, demo.client.key);
    assert.deepEqual(ok(await reader.get(`/v1/transactions/${id}`), 200)["metadata"], { note: "sealed" });
    assert.equal(ok(await reader.get("/readyz"), 200)["keys"], "ok");
    demo.client.close();
    reader.close();
    assert.equal(await last.stop(), 0);
    assert.doesNotMatch(last.stdout(), /"level":50/);
  });

  it("ENC-08 starts with no key file of the other environment", async () => {
    const settings = { SMARTFINANCE_DATA_DIR: join(directory, "mixed") };
    const test = startProcess(settings);
    await test.url;
    assert.equal(await test.stop(), 0);
    const live = startProcess({ ...settings, SMARTFINANCE_ENVIRONMENT: "live" });
    assert.equal(await live.ended, 1);
    assert.match(live.stderr(), /belongs to the environment test; this installation is live/);
  });
});
