import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { readConfig } from "#config.ts";
import { systemClock } from "#kernel/clock.ts";
import { systemRandom } from "#kernel/random.ts";
import { openStore } from "#open-store.ts";
import { DATA_KEYS_TABLE, dataKeyContext, dataKeys, ORGANISATION_KEYS_INDEX } from "#vault/data-key-record.ts";
import { openLocalKms } from "#vault/index.ts";
import { organisationOf } from "../support/app.ts";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { createClient, ok } from "../support/http-client.ts";
import { startProcess } from "../support/process.ts";
import { readDocument } from "./document.ts";
import type { Haystack, Needle } from "./scan-needles.ts";
import { leaksIn, needle } from "./scan-needles.ts";
import type { Run } from "./scan-run.ts";
import { canaries, clock, IN_THE_OPEN, runEverything } from "./scan-run.ts";
import type { StaffRun } from "./scan-staff.ts";
import { runStaff } from "./scan-staff.ts";

const server = await dynamoServerForTests();
const directory = mkdtempSync(join(tmpdir(), "smartfinance-scan-"));
after(() => rmSync(directory, { recursive: true, force: true }));
/** More than one organisation of this test ever has. */
const KEYS_MAX = 1_000;

/** The files of a folder as they lie on the disk at this moment. */
const filesIn = (folder: string, but: readonly string[]): Haystack[] =>
  readdirSync(folder)
    .filter((name) => !but.includes(name))
    .map((name) => ({ where: name, bytes: readFileSync(join(folder, name)) }));

/** Runs the whole API as a process of its own and searches what it leaves behind. @param folder where the store keeps its files */
async function scan(settings: Readonly<Record<string, string>>, folder: string): Promise<void> {
  const dataDir = settings["SMARTFINANCE_DATA_DIR"] ?? "";
  const organisation = startProcess(settings, "create-organisation", "Scanned Bank", "--rate-limit", "10000000");
  assert.equal(await organisation.ended, 0, organisation.stderr());
  const apiKey = /sfk_test_\S+/.exec(organisation.stdout())?.[0];
  const id = /org_\w{26}/.exec(organisation.stdout())?.[0];
  assert.ok(apiKey !== undefined && id !== undefined);

  const running = startProcess({
    ...settings,
    SMARTFINANCE_LOG_LEVEL: "trace",
    SMARTFINANCE_AUTH_FAILURES_PER_MINUTE: "100000",
    // The port is any that is free, which no origin of passkeys can name.
    SMARTFINANCE_RP_ORIGINS: "http://localhost:8080",
  });
  const api = createClient(await running.url, apiKey);
  const apiKeyId = ok(await api.post("/v1/api-keys", { name: IN_THE_OPEN }), 201).id;
  const wrongKey = apiKey.slice(0, -12) + apiKey.slice(-12).split("").toReversed().join("");
  const own = organisationOf({ id, apiKeyId, apiKey }, api);
  let run: Run;
  let staff: StaffRun;
  let alive: Haystack[];
  try {
    staff = await runStaff(own, createClient(await running.url), clock);
    run = await runEverything(await readDocument(), own, wrongKey);
    alive = filesIn(folder, ["kms.json"]);
  } finally {
    api.close();
    assert.equal(await running.stop(), 0, running.stderr());
  }

  const haystacks = [
    ...alive.map(({ where, bytes }) => ({ where: `${where} while running`, bytes })),
    ...filesIn(folder, ["kms.json"]),
    { where: "the log", bytes: Buffer.from(running.stdout()) },
    { where: "the errors", bytes: Buffer.from(running.stderr()) },
    run.refusals,
    staff.refusals,
  ];
  const keys = await keyMaterial(settings, id, join(dataDir, "kms.json"));
  assert.ok(run.operations >= 40 && run.apiKeys.length >= 2 && keys.length >= 10, `${run.operations} ${run.apiKeys.length} ${keys.length}`);
  const apiKeys = [apiKey, ...run.apiKeys].flatMap((key) =>
    key.startsWith("sfk_")
      ? [needle("an API key", key), needle("an API key's secret", secretPart(key))]
      : [needle("a webhook's secret", key), needle("a webhook's key", key.slice(key.indexOf("_") + 1))],
  );
  const needles = [...canaries, ...staff.needles, ...apiKeys, ...keys];
  assert.deepEqual(leaksIn(haystacks, needles), []);

  // The search looks where things are: what is stored in the open is found in the store, and what is logged in the log.
  const seen = leaksIn(haystacks, [needle("control", IN_THE_OPEN)]);
  assert.ok(
    seen.some((line) => line.includes(" while running")),
    `nothing was found in ${haystacks.map(({ where }) => where).join(", ")}`,
  );
  assert.ok(seen.includes("control as it is in the log"), seen.join("\n"));
  assert.ok(run.refusals.bytes.includes("unknown_field") && run.refusals.bytes.includes("surprise"));
}

/** What an API key is recognised by, without the parts that are no secret. */
const secretPart = (key: string): string => key.split("_")[3] ?? "";

/** The wrapping keys of the key file, and every data key of the organisation that is not destroyed. */
async function keyMaterial(settings: Readonly<Record<string, string>>, organisationId: string, keyFile: string): Promise<Needle[]> {
  const file = JSON.parse(readFileSync(keyFile, "utf8")) as { readonly keys: readonly { readonly key: string }[] };
  const found = file.keys.map(({ key }) => needle("a wrapping key", Buffer.from(key, "base64")));
  assert.ok(found.length > 0);
  const kms = await openLocalKms({ file: keyFile, random: systemRandom() });
  const store = await openStore(readConfig(settings), systemClock, systemRandom(), (error) => {
    throw error;
  });
  const query = {
    table: DATA_KEYS_TABLE,
    index: ORGANISATION_KEYS_INDEX,
    hash: organisationId,
    order: "ascending",
    limit: KEYS_MAX,
  } as const;
  const { items } = await store.query(query);
  for (const item of items) {
    if (typeof item["wrapped_key"] !== "string") continue;
    const record = dataKeys.fromItem(item);
    const bytes = await kms.decrypt(item["wrapped_key"], dataKeyContext(record, record.id, "test"), record.kmsKeyId);
    found.push(needle(`the data key ${record.id}`, bytes));
  }
  await store.close();
  return found;
}

describe("secrets and personal data are nowhere in the clear", () => {
  it("in the files, logs and refusals of a server on SQLite", async () => {
    const folder = join(directory, "sqlite");
    await scan({ SMARTFINANCE_DATA_DIR: folder }, folder);
  });

  // A server that is not ours shows no files.
  if (server?.directory !== undefined) {
    const { directory: folder, endpoint } = server;
    it("in the files, logs and refusals of a server on DynamoDB", async () => {
      const credentials = { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" };
      Object.assign(process.env, { ...credentials, ...process.env });
      await scan(
        {
          ...credentials,
          SMARTFINANCE_DATA_DIR: join(directory, "dynamodb"),
          SMARTFINANCE_STORE: "dynamodb",
          SMARTFINANCE_DYNAMODB_ENDPOINT: endpoint,
        },
        folder,
      );
    });
  }

  it("the search finds what is planted, in every encoding and at every position", () => {
    const value = "Planted.Leak+1@example.com";
    const raw = Buffer.from(Array.from({ length: 32 }, (_, n) => (n * 37 + 251) & 0xff));
    const needles = [needle("text", value), needle("key", raw)];
    const at = (text: Buffer | string): Haystack => ({
      where: "file",
      bytes: Buffer.concat([Buffer.alloc(5_000, "x"), Buffer.from(text), Buffer.alloc(99, "y")]),
    });
    const around = (n: number, bytes: Buffer): Buffer => Buffer.concat([Buffer.alloc(n, "a"), bytes, Buffer.alloc(n, "b")]);
    for (const [what, bytes] of [
      ["text", Buffer.from(value)],
      ["key", raw],
    ] as const) {
      const plants: (Buffer | string)[] = [bytes, bytes.toString("hex"), bytes.toString("hex").toUpperCase()];
      for (let n = 0; n < 6; n++) plants.push(around(n, bytes).toString("base64"), around(n, bytes).toString("base64url"));
      if (what === "text") plants.push(Buffer.from(value, "utf16le"), encodeURIComponent(value), JSON.stringify({ value }));
      for (const plant of plants) {
        const found = leaksIn([at("nothing"), at(plant)], needles);
        assert.ok(found.length > 0 && found.every((line) => line.startsWith(`${what} as `)), `${String(plant)}: ${found.join()}`);
      }
    }
    assert.deepEqual(leaksIn([at("Planted.Leak+1@example.co")], needles), []);
  });
});
