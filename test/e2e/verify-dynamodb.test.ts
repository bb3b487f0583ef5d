import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { DeleteItemCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { parseVkey, verifyStore } from "#log/index.ts";
import type { Verifier } from "#log/index.ts";
import { systemRandom } from "#kernel/random.ts";
import type { Item } from "#storage/index.ts";
import { openDynamoReadOnly } from "#storage/dynamodb/index.ts";
import { toldCollections } from "#told-collections.ts";
import type { Organisation, TestApp } from "../support/app.ts";
import { startApp } from "../support/app.ts";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { ok } from "../support/http-client.ts";
import { sealedUp } from "./log-flows.ts";

const program = fileURLToPath(new URL("../../bin/audit-verify.mjs", import.meta.url));
const server = await dynamoServerForTests({ durable: false });

if (server !== undefined)
  describe("AUD-02 the verifier over DynamoDB tables", () => {
    let app: TestApp;
    let own: Organisation;
    let vkey = "";
    let log: Verifier;
    let account = "";
    before(async () => {
      app = await startApp({ store: "dynamodb", server });
      own = await app.newOrganisation();
      account = await own.account({ balance: 1_000, overdraft: 50 });
      const other = await own.account();
      ok(await own.transfer(account, other, 100), 201);
      await sealedUp(app, own.api);
      // The order of the feed has not come to this one yet, nor has the log.
      ok(await own.transfer(account, other, 10), 201);
      vkey = String(ok(await own.api.get("/v1/audit/key"), 200)["verifier_key"]);
      const key = parseVkey(vkey);
      assert.ok(key);
      log = key;
    });
    after(() => app.close());

    const open = () =>
      openDynamoReadOnly({
        endpoint: server.endpoint,
        region: "eu-central-1",
        tablePrefix: app.shared.tablePrefix,
        clock: app.clock,
        random: systemRandom(),
      });
    const verdict = async (): Promise<string> => {
      const store = open();
      const report = await verifyStore({ store, log, told: toldCollections });
      await store.close();
      return report.ok ? `OK ${report.unsealed} ${report.untold}` : report.what;
    };

    it("reads everything, what is not in the feed's order included, and writes nothing", async () => {
      assert.match(await verdict(), /^OK [1-9]\d* 0$/);
      const store = open();
      const item = (await store.get("smartfinance-accounts", { hash: account })) as Item;
      const written = await store.commit([{ op: "put", table: "smartfinance-accounts", item, condition: "none" }]);
      assert.equal(written.outcome, "unavailable");
      await store.ping();
      await store.close();
    });

    it("is what the program runs, with the servers' settings", async () => {
      const run = async (prefix: string): Promise<readonly [unknown, string]> => {
        const child = spawn(process.execPath, [program, "--key", vkey, "--dynamodb", "--quiet"], {
          stdio: ["ignore", "pipe", "pipe"],
          timeout: 20_000,
          env: {
            ...process.env,
            SMARTFINANCE_STORE: "dynamodb",
            SMARTFINANCE_DYNAMODB_ENDPOINT: server.endpoint,
            SMARTFINANCE_TABLE_PREFIX: prefix,
          },
        });
        let said = "";
        for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")));
        const [code] = (await once(child, "close")) as [unknown];
        return [code, said];
      };
      const [code, said] = await run(app.shared.tablePrefix);
      assert.equal(code, 0, said);
      assert.match(said, /^OK: \d+ events sealed/);
      const [other, fault] = await run("no-such-");
      assert.equal(other, 2, fault);
    });

    it("names what was changed, added or taken away in the tables", async () => {
      const table = "smartfinance-accounts";
      const item = (await app.store.get(table, { hash: account })) as Item;
      const put = async (changed: Item): Promise<void> => {
        assert.equal((await app.store.commit([{ op: "put", table, item: changed, condition: "none" }])).outcome, "committed");
      };
      await put({ ...item, overdraft_limit: 1_000_000 });
      assert.match(await verdict(), /overdraft_limit 1000000, its events say 50/);
      await put(item);
      const stranger = { ...item, id: `${account.slice(0, -1)}${account.endsWith("0") ? "1" : "0"}`, balance: 0, entry_count: 0 };
      await put(stranger);
      assert.match(await verdict(), /no event speaks of it/);
      await app.store.commit([{ op: "delete", table, key: { hash: stranger.id }, condition: "none" }]);
      assert.match(await verdict(), /^OK/);
      // The store itself deletes no events, so somebody else does.
      const { items } = await app.store.feed(undefined, 1_000);
      const event = items.find(({ event_type }) => event_type === "deposit.posted");
      assert.ok(event);
      const client = new DynamoDBClient({ endpoint: server.endpoint, region: "eu-central-1" });
      const Key = { partition: { S: String(event.partition) }, event_id: { S: String(event.event_id) } };
      await client.send(new DeleteItemCommand({ TableName: `${app.shared.tablePrefix}smartfinance-audit-logs`, Key }));
      client.destroy();
      assert.match(await verdict(), /was deleted/);
    });
  });
