import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { openStore } from "#open-store.ts";
import { readConfig } from "#config.ts";
import { systemRandom } from "#kernel/random.ts";
import { judged, riskLabels } from "#labels/index.ts";
import { transactions } from "#ledger/index.ts";
import { FEATURES, FEATURES_VERSION } from "#features/index.ts";
import { encodeFeatures } from "#risk/index.ts";
import { anAccount, aTransaction, keep, minor, ORG, testIds } from "../support/builders.ts";
import type { TestApp } from "../support/app.ts";
import { startApp } from "../support/app.ts";
import { ok } from "../support/http-client.ts";

const run = promisify(execFile);
const COMMAND = fileURLToPath(new URL("../../bin/fraud-train.mjs", import.meta.url));
const train = (...args: string[]) => run(process.execPath, [COMMAND, "--quiet", "--rounds", "10", ...args]);
const DAY_MS = 86_400_000;

describe("npm run fraud:train", () => {
  let directory = "";
  let app: TestApp;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "fraud-train-"));
    app = await startApp({ store: "memory" });
  });
  after(async () => {
    await app.close();
    await rm(directory, { recursive: true, force: true });
  });

  it("learns from invented customers, the same again with the same seed, and the product takes the file", async () => {
    const out = join(directory, "invented");
    const asked = ["--simulate", "--customers", "60", "--days", "40", "--out", out];
    const { stdout } = await train(...asked);
    const [file = "", hash = ""] = stdout.trim().split(" ");
    const text = await readFile(file, "utf8");
    assert.equal((JSON.parse(text) as { hash: string }).hash, hash);
    assert.match(await readFile(join(out, "fraud-model.md"), "utf8"), /^# Model [0-9a-f]{12}\n/);
    assert.equal((await train(...asked)).stdout, stdout);
    const { api } = await app.newOrganisation();
    const content = gzipSync(text).toString("base64");
    const imported = ok(await api.post("/v1/risk/models/import", { format: "smartfinance", encoding: "gzip", content }), 201);
    assert.equal(imported["sha256"], hash);
  });

  it("learns from the payments and labels of a folder", async () => {
    const ids = testIds(5);
    const data = join(directory, "data");
    const config = readConfig({ SMARTFINANCE_DATA_DIR: data });
    const store = await openStore(config, app.clock, systemRandom(), (error) => {
      throw error;
    });
    const payer = anAccount();
    const payee = anAccount();
    const now = Date.now();
    const amount = FEATURES.findIndex(({ name }) => name === "amount");
    const past = Array.from({ length: 200 }, (_, n) => {
      const fraud = n % 4 === 0;
      const vector = new Float64Array(FEATURES.length);
      vector[amount] = fraud ? 900 + n : 10 + n;
      const verdict = { v: 2, action: "allow", features_version: FEATURES_VERSION, features: encodeFeatures(vector) };
      const factors = { velocity: 0, amount: 0, location: 0, device: 0, behaviour: 0 };
      const createdAt = now - 20 * DAY_MS + n * 3_600_000;
      const at = { now: () => createdAt, sleep: async () => {} };
      return {
        fraud,
        transaction: aTransaction(payer, payee, [], {
          id: testIds(n + 1, at).next("transaction"),
          amount: minor(vector[amount] ?? 1),
          assessment: { model: "factors-1", score: 0, factors, reasons: [], velocity_count: 1, ...verdict },
          createdAt,
        }),
      };
    });
    await keep(
      store,
      transactions,
      past.map(({ transaction }) => transaction),
    );
    const labels = past
      .filter(({ fraud }) => fraud)
      .map(({ transaction }) =>
        judged(
          undefined,
          { organisationId: ORG, transactionId: transaction.id },
          { label: "fraud", source: "confirmed", decidedAt: now - DAY_MS, decidedBy: null },
        ),
      );
    await keep(store, riskLabels, labels);
    await store.close();
    const { stdout } = await train("--data", data, "--organisation", ORG, "--out", directory);
    const { training } = JSON.parse(await readFile(stdout.split(" ")[0] ?? "", "utf8")) as {
      training: { rows: number; positives: number };
    };
    assert.deepEqual([training.rows, training.positives], [200, 50]);
    const other = ids.next("organisation");
    await assert.rejects(train("--data", data, "--organisation", other, "--out", directory), /labelled as fraud/);
  });

  it("says what it needs", async () => {
    await Promise.all([
      assert.rejects(train(), /npm run fraud:train -- one of/),
      assert.rejects(train("--data", directory), /--organisation/),
      assert.rejects(train("--data", directory, "--simulate"), /one of/),
      assert.rejects(train("--simulate", "--days", "1e3"), /--days must be an integer/),
      assert.rejects(train("--data", directory, "--organisation", ORG, "--from", "yesterday"), /--from must be/),
      // Of younger payments nobody knows yet what they were: frauds among them would be learnt as honest.
      assert.rejects(
        train("--data", directory, "--organisation", ORG, "--to", new Date().toISOString()),
        /--to must be 7 days ago at least/,
      ),
    ]);
  });
});
