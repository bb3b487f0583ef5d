import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import type { Answer } from "../support/http-client.ts";
import { createClient, ok, refused } from "../support/http-client.ts";
import type { RunningProcess } from "../support/process.ts";
import { startProcess } from "../support/process.ts";

const server = await dynamoServerForTests({ durable: false });
const directory = mkdtempSync(join(tmpdir(), "smartfinance-process-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const dataDir = (name: string) => ({ SMARTFINANCE_DATA_DIR: join(directory, name) });

interface Curl {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The pieces of the curl command that a first start prints. */
function curlOf(output: string): Curl {
  const command = /^curl (?:.*\\\n)*.*$/m.exec(output)?.[0];
  assert.ok(command, `no curl command in: ${output}`);
  const headers = [...command.matchAll(/-H '([^:]+): ([^']*)'/g)].map(([, name, value]) => [name ?? "", value ?? ""] as const);
  const url = /http:\/\/\S+/.exec(command)?.[0];
  const body = /-d '([^']*)'/.exec(command)?.[1];
  assert.ok(url !== undefined && body !== undefined);
  return { url, headers: Object.fromEntries(headers), body };
}

async function run({ url, headers, body }: Curl): Promise<Answer> {
  const { origin, pathname } = new URL(url);
  const client = createClient(origin);
  const answer = await client.send("POST", pathname, body, { idempotencyKey: null, headers });
  client.close();
  return answer;
}

const keyOf = (curl: Curl): string => curl.headers["X-API-Key"] ?? "";
const bodyOf = (curl: Curl) => JSON.parse(curl.body) as { from_account_id: string; to_account_id: string };

/** A process that could not start: it ended with 1 and said why in one line. */
async function saysWhy(process: RunningProcess): Promise<string> {
  assert.equal(await process.ended, 1, process.stdout());
  const lines = process.stderr().trimEnd().split("\n");
  assert.equal(lines.length, 1, `more than one line: ${process.stderr()}`);
  assert.match(lines[0] ?? "", /^smartfinance: /);
  return lines[0] ?? "";
}

describe("the process", () => {
  const settings = dataDir("first");
  let curl: Curl | undefined;

  it("makes its files and a demo on the first start, and prints a request that works", async () => {
    const first = startProcess(settings);
    const url = await first.url;
    const said = first.stdout();
    curl = curlOf(said);
    assert.ok(curl.url.startsWith(url));
    const [audited, shown] = [said.lastIndexOf('"event_type":"operator.invited"'), said.indexOf("export KEY=")];
    assert.ok(audited > 0 && shown > audited, "the key stands behind the audit events of the start");
    assert.ok(readdirSync(settings.SMARTFINANCE_DATA_DIR).some((name) => name.endsWith(".db")));
    assert.equal(statSync(join(settings.SMARTFINANCE_DATA_DIR, "kms.json")).mode & 0o777, 0o600);
    assert.equal(statSync(settings.SMARTFINANCE_DATA_DIR).mode & 0o077, 0, "others may look into the data directory");
    const answer = await run(curl);
    assert.equal(ok(answer, 201).amount, 1250);
    const again = await run(curl);
    assert.equal(again.text, answer.text);
    const client = createClient(url, keyOf(curl));
    assert.equal(ok(await client.get(`/v1/accounts/${bodyOf(curl).from_account_id}`), 200).balance, 100_000 - 1_250);
    ok(await client.get("/readyz"), 200);
    assert.equal((await client.get("/openapi.json")).body["openapi"], "3.1.1");
    assert.match((await client.get("/docs/")).text, /<html/i);
    client.close();
    assert.equal(await first.stop(), 0);
    assert.equal(first.stderr(), "");
  });

  it("starts again on its data without another demo, alone, and says so to a second process", async () => {
    assert.ok(curl);
    const again = startProcess(settings);
    const url = await again.url;
    assert.ok(!again.stdout().includes("curl"));
    const client = createClient(url, keyOf(curl));
    assert.equal(ok(await client.get(`/v1/accounts/${bodyOf(curl).to_account_id}`), 200).balance, 25_000 + 1_250);
    const { origin } = new URL(url);
    const replay = await run({ ...curl, url: curl.url.replace(new URL(curl.url).origin, origin) });
    assert.equal(replay.headers["idempotent-replayed"], "true");
    const why = await saysWhy(startProcess(settings));
    assert.match(why, /process|lock|use/i);
    ok(await client.get(`/v1/accounts/${bodyOf(curl).to_account_id}`), 200);
    client.close();
    assert.equal(await again.stop(), 0);
  });

  it("names the setting that it cannot use, in one line", async () => {
    const port = startProcess(dataDir("wrong"));
    const taken = new URL(await port.url).port;
    const open = dataDir("open");
    const opened = startProcess(open);
    await opened.url;
    assert.equal(await opened.stop(), 0);
    chmodSync(join(open.SMARTFINANCE_DATA_DIR, "kms.json"), 0o644);
    const wrong: readonly (readonly [Record<string, string>, RegExp])[] = [
      [{ SMARTFINANCE_PORT: "eighty" }, /SMARTFINANCE_PORT/],
      [{ SMARTFINANCE_STORE: "mysql" }, /SMARTFINANCE_STORE.*sqlite, dynamodb/],
      [{ SMARTFINANCE_TRUSTED_PROXY_HOPS: "-1" }, /SMARTFINANCE_TRUSTED_PROXY_HOPS/],
      [{ SMARTFINANCE_PROT: "80" }, /SMARTFINANCE_PROT is not a setting/],
      [{ ...dataDir("other"), SMARTFINANCE_PORT: taken }, /EADDRINUSE/],
      [{ ...open }, /chmod 600/],
      [{ SMARTFINANCE_DATA_DIR: join(open.SMARTFINANCE_DATA_DIR, "kms.json") }, /kms\.json/],
    ];
    const started = wrong.map(([more, pattern]) => [startProcess({ ...dataDir("never"), ...more }), pattern] as const);
    for (const [process, pattern] of started) assert.match(await saysWhy(process), pattern);
    assert.equal(await port.stop(), 0);
  });

  it("finishes what it accepted when it is told to stop under load, and ends with 0", async () => {
    const load = dataDir("load");
    const loaded = startProcess(load);
    const url = await loaded.url;
    const demo = curlOf(loaded.stdout());
    const { from_account_id, to_account_id } = bodyOf(demo);
    const setUp = createClient(url, keyOf(demo));
    // A key gives no more than it has, or than the organisation gives its keys.
    ok(await setUp.patch("/v1/organisation", { key_rate_limit_per_minute: 1_000_000 }), 200);
    const { secret } = ok(await setUp.post("/v1/api-keys", { name: "Load", rate_limit_per_minute: 1_000_000 }), 201);
    const client = setUp.as(secret);
    const body = { from_account_id, to_account_id, amount: 1, currency: "EUR" };
    let posted = 0;
    let turnedAway = 0;
    let isOver = false;
    const worker = async (): Promise<void> => {
      while (!isOver) {
        let answer: Answer;
        try {
          answer = await client.post("/v1/transfers", body);
        } catch {
          // Not connected any more. A request whose connection broke midway would be counted as posted below and fail the sum.
          return;
        }
        if (answer.status === 201) posted += 1;
        else {
          refused(answer, "shutting_down");
          turnedAway += 1;
        }
      }
    };
    const workers = Array.from({ length: 32 }, worker);
    while (posted < 200) await sleep(5);
    assert.equal(await loaded.stop(), 0);
    isOver = true;
    await Promise.all(workers);
    assert.ok(posted >= 200 && turnedAway >= 0);
    setUp.close();

    const after = startProcess(load);
    const reader = createClient(await after.url, secret);
    const { balance } = ok(await reader.get(`/v1/accounts/${to_account_id}`), 200);
    assert.equal(balance, 25_000 + posted, "what was answered and what was done differ");
    reader.close();
    assert.equal(await after.stop(), 0);
  });

  it("writes no key, name, reference or metadata into its logs, and every audit event once", async () => {
    const logged = startProcess({ ...dataDir("logged"), SMARTFINANCE_LOG_LEVEL: "trace" });
    const url = await logged.url;
    const demo = curlOf(logged.stdout());
    const { from_account_id, to_account_id } = bodyOf(demo);
    const client = createClient(url, keyOf(demo));
    const secrets = ["Zaphod Beeblebrox", "whispered", "do-not-log", "device-under-test", "agent-under-test"];
    ok(await client.post("/v1/users", { name: secrets[0] }), 201);
    const transfer = ok(
      await client.post("/v1/transfers", {
        from_account_id,
        to_account_id,
        amount: 5,
        currency: "EUR",
        reference: secrets[1],
        metadata: { note: secrets[2] },
        context: { device_id: secrets[3], user_agent: secrets[4] },
      }),
      201,
    );
    const { secret } = ok(await client.post("/v1/api-keys", { name: "Till" }), 201);
    refused(await client.get(`/v1/users?api_key=${secret}`), "key_in_query");
    refused(await client.send("POST", "/v1/users", `{"name":"${secrets[2]}"`), "invalid_json");
    client.close();
    assert.equal(await logged.stop(), 0);
    // The welcome is for the operator's eyes; everything after it is log.
    const lines = logged
      .stdout()
      .split("\n")
      .filter((line) => line.startsWith("{"));
    const text = lines.join("\n");
    for (const word of [...secrets, keyOf(demo), secret, "sfk_"]) assert.ok(!text.includes(word), `the log has ${word}`);
    const events = lines
      .map((line) => JSON.parse(line) as { channel?: string; event?: { event_type: string; object_id: string; event_id: string } })
      .filter(({ channel }) => channel === "audit");
    assert.equal(new Set(events.map(({ event }) => event?.event_id)).size, events.length);
    assert.equal(events.filter(({ event }) => event?.object_id === transfer.id).length, 1);
    assert.ok(events.some(({ event }) => event?.event_type === "organisation.created"));
    assert.equal(logged.stderr(), "");
  });

  it("makes an organisation and its key from the command line", async () => {
    const made = startProcess(dataDir("organisation"), "create-organisation", "Bank of Test");
    assert.equal(await made.ended, 0, made.stderr());
    const key = /sfk_test_\S+/.exec(made.stdout())?.[0];
    assert.ok(key);
    // The store is somebody's now, so no demo is put into it although none was refused.
    const served = startProcess(dataDir("organisation"));
    const client = createClient(await served.url, key);
    assert.deepEqual(ok(await client.get("/v1/users"), 200).data, []);
    assert.ok(!served.stdout().includes("curl"));
    client.close();
    assert.equal(await served.stop(), 0);
    assert.match(await saysWhy(startProcess(dataDir("organisation"), "create-organisation")), /usage/);
  });

  it("does not start beside sealed data without its own key file", async () => {
    const bank = dataDir("keys");
    const first = startProcess(bank);
    await first.url;
    assert.equal(await first.stop(), 0);
    const keyFile = join(bank.SMARTFINANCE_DATA_DIR, "kms.json");
    const own = readFileSync(keyFile);
    rmSync(keyFile);
    assert.match(await saysWhy(startProcess(bank)), /kms\.json is missing/);
    assert.ok(!existsSync(keyFile), "no other key file was made");
    const other = startProcess(dataDir("other-keys"));
    await other.url;
    assert.equal(await other.stop(), 0);
    copyFileSync(join(dataDir("other-keys").SMARTFINANCE_DATA_DIR, "kms.json"), keyFile);
    assert.match(await saysWhy(startProcess(bank)), /does not open this store's data keys/);
    writeFileSync(keyFile, own, { mode: 0o600 });
    const again = startProcess(bank);
    await again.url;
    assert.equal(await again.stop(), 0);
  });

  it("makes no demo when it cannot listen, so that the key is not lost", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    const { port } = holder.address() as AddressInfo;
    const bank = dataDir("busy-port");
    assert.match(await saysWhy(startProcess({ ...bank, SMARTFINANCE_PORT: String(port) })), /EADDRINUSE/);
    holder.close();
    const free = startProcess(bank);
    await free.url;
    assert.ok(curlOf(free.stdout()).url.startsWith("http"));
    assert.equal(await free.stop(), 0);
  });

  if (server !== undefined)
    it("runs on DynamoDB with nothing but settings", async () => {
      const dynamodb = {
        ...dataDir("dynamodb"),
        SMARTFINANCE_STORE: "dynamodb",
        SMARTFINANCE_DYNAMODB_ENDPOINT: server.endpoint,
        SMARTFINANCE_TABLE_PREFIX: "process-",
        AWS_ACCESS_KEY_ID: "test",
        AWS_SECRET_ACCESS_KEY: "test",
      };
      const first = startProcess(dynamodb);
      await first.url;
      const demo = curlOf(first.stdout());
      ok(await run(demo), 201);
      const second = startProcess(dynamodb);
      const client = createClient(await second.url, keyOf(demo));
      assert.ok(!second.stdout().includes("curl"));
      assert.equal(ok(await client.get(`/v1/accounts/${bodyOf(demo).to_account_id}`), 200).balance, 26_250);
      client.close();
      assert.deepEqual(await Promise.all([first.stop(), second.stop()]), [0, 0]);
      assert.ok(!readdirSync(dynamodb.SMARTFINANCE_DATA_DIR).some((name) => name.endsWith(".db")));
      const missing = startProcess({ ...dynamodb, SMARTFINANCE_TABLE_PREFIX: "none-", SMARTFINANCE_CREATE_TABLES: "false" });
      assert.match(await saysWhy(missing), /none-smartfinance-/);
    });
});
