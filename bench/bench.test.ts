import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createHistogram } from "./histogram.ts";
import { readOptions } from "./options.ts";
import { createUniform, pickUniform, pickZipf } from "./pick.ts";
import { drawResults } from "./picture.ts";
import { summarise } from "./profile.ts";
import { createRequests, type Kind } from "./requests.ts";
import { loadRows, type Result } from "./rows.ts";

const id = (prefix: string, n: number): string => `${prefix}_${String(n).padStart(26, "0")}`;
const seed = {
  organisationId: id("org", 0) as never,
  apiKey: "sfk_test",
  users: 2,
  accounts: [0, 1, 2, 3].map((n) => id("acc", n)),
  transactions: [0, 1].map((n) => id("txn", n)),
};

describe("histogram", () => {
  it("gives the percentiles of a sorted list, to a step", () => {
    const uniform = createUniform(7);
    const histogram = createHistogram();
    const all = Array.from({ length: 5_000 }, () => uniform() ** 4 * 3_000);
    for (const ms of all) histogram.add(ms);
    all.sort((a, b) => a - b);
    for (const share of [0.01, 0.5, 0.95, 0.99, 1]) {
      const exact = all[Math.ceil(share * all.length) - 1] ?? 0;
      const found = histogram.percentile(share);
      assert.ok(found >= exact && found <= exact + (exact < 1_000 ? 0.011 : 1), `${share}: ${found} for ${exact}`);
    }
    assert.equal(histogram.count, all.length);
    assert.equal(histogram.max, all.at(-1));
    assert.ok(Math.abs(histogram.mean - all.reduce((sum, ms) => sum + ms, 0) / all.length) < 1e-6);
  });

  it("is zero when empty, and keeps what lies beyond its range", () => {
    const histogram = createHistogram();
    assert.equal(histogram.percentile(0.5), 0);
    histogram.add(1e9);
    assert.equal(histogram.max, 1e9);
    assert.ok(histogram.percentile(1) >= 60_000);
  });
});

describe("picking accounts", () => {
  it("is uniform, or follows Zipf's law, and repeats itself", () => {
    const size = 100;
    const counts = (pick: () => number): number[] => {
      const found = Array.from({ length: size }, () => 0);
      for (let n = 0; n < 100_000; n++) {
        const index = pick();
        found[index] = (found[index] ?? 0) + 1;
      }
      return found.sort((a, b) => b - a);
    };
    const even = counts(pickUniform(size, createUniform(1)));
    assert.ok((even.at(-1) ?? 0) > 800 && (even[0] ?? 0) < 1_200, `${even[0]} to ${even.at(-1)}`);
    const skewed = counts(pickZipf(size, 1.1, createUniform(1)));
    const [first = 0, second = 1] = skewed;
    assert.ok(Math.abs(first / second - 2 ** 1.1) < 0.2, `${first} to ${second}`);
    assert.deepEqual(skewed, counts(pickZipf(size, 1.1, createUniform(1))));
  });
});

describe("requests", () => {
  const bodies = (kind: Kind, count: number): { readonly head: string; readonly body: string }[] => {
    const next = createRequests(seed, { kind, zipf: 0, batch: 3, run: "r" })();
    return Array.from({ length: count }, () => {
      const [head = "", body = ""] = next().toString("latin1").split("\r\n\r\n");
      return { head, body };
    });
  };

  it("are well-formed, and none is like another", () => {
    const all = bodies("transfer_single", 50);
    const keys = new Set(all.map(({ head }) => /Idempotency-Key: (\S+)/.exec(head)?.[1]));
    assert.equal(keys.size, all.length);
    for (const { head, body } of all) {
      assert.equal(Number(/Content-Length: (\d+)/.exec(head)?.[1]), body.length);
      const transfer = JSON.parse(body) as Record<string, never>;
      assert.ok(seed.accounts.includes(transfer["from_account_id"] ?? "") && seed.accounts.includes(transfer["to_account_id"] ?? ""));
      assert.notEqual(transfer["from_account_id"], transfer["to_account_id"]);
      assert.ok(Number(transfer["amount"]) >= 1_000 && Number(transfer["amount"]) <= 9_999);
      assert.match(JSON.stringify(transfer["context"]), /"device_id":"device-00000[01]","country":"DE"/);
      assert.match(JSON.stringify(transfer["metadata"]), /"invoice_number":"M\d{10}"/);
    }
  });

  it("of a batch hold its transfers; the hot account is in all of its own", () => {
    const [batch] = bodies("transfer_batch", 1);
    const { transfers } = JSON.parse(batch?.body ?? "") as { transfers: unknown[] };
    assert.equal(transfers.length, 3);
    for (const { body } of bodies("transfer_hot_account", 20)) {
      const { from_account_id, to_account_id } = JSON.parse(body) as Record<string, string>;
      assert.equal(to_account_id, seed.accounts[0]);
      assert.notEqual(from_account_id, to_account_id);
    }
  });

  it("to read name what exists", () => {
    for (const { head } of bodies("read_transaction", 10)) assert.match(head, /^GET \/v1\/transactions\/txn_0{25}[01] HTTP\/1\.1\r\n/);
  });
});

describe("options", () => {
  it("choose rows", () => {
    const rows = loadRows(readOptions(["--only", "transfer_single,start_up", "--connections", "8,16"]));
    assert.deepEqual(
      rows.map(({ name, variant, connections }) => `${name}/${variant}/${connections}`),
      ["transfer_single//8", "transfer_single/16_connections/16", "transfer_single/zipf/8", "transfer_single/zipf_16_connections/16"],
    );
    assert.deepEqual(readOptions(["--store", "dynamodb"]).connections, [64]);
    const all = readOptions([]);
    assert.ok(all.only.includes("audit_sealing") && all.only.includes("webhook_deliveries") && all.only.includes("open_streams"));
    assert.ok(loadRows(all).every(({ name }) => !["start_up", "audit_sealing", "webhook_deliveries", "open_streams"].includes(name)));
  });

  for (const args of [
    ["--only", "transfers"],
    ["--store", "disk"],
    ["--seconds", "0"],
    ["--accounts", "many"],
    ["--sekonds", "1"],
  ]) {
    it(`refuse ${args.join(" ")}`, () => assert.throws(() => readOptions(args)));
  }
});

describe("profile", () => {
  it("books time to functions and modules, itself and with what they call", () => {
    const frame = (functionName: string, url: string) => ({ functionName, url, lineNumber: 9 });
    const summary = summarise({
      nodes: [
        { id: 1, callFrame: frame("(root)", ""), children: [2, 5] },
        { id: 2, callFrame: frame("outer", "file:///x/src/a/b.ts"), children: [3, 4] },
        { id: 3, callFrame: frame("inner", "file:///x/node_modules/@s/dep/i.js"), children: [] },
        { id: 4, callFrame: frame("outer", "file:///x/src/a/b.ts"), children: [] },
        { id: 5, callFrame: frame("(idle)", "") },
      ],
      samples: [2, 3, 4, 5],
      timeDeltas: [1_000, 2_000, 4_000, 8_000],
    });
    assert.equal(summary.totalMs, 15);
    assert.equal(summary.idleMs, 8);
    assert.deepEqual(
      summary.byModule.slice(0, 2).map(({ name, selfMs, totalMs }) => [name, selfMs, totalMs]),
      [
        ["src/a/b.ts", 5, 7],
        ["@s/dep", 2, 2],
      ],
    );
    assert.deepEqual(summary.byFunction[0], { name: "outer src/a/b.ts:10", selfMs: 5, totalMs: 7 });
  });
});

describe("picture", () => {
  it("draws a bar a row and marks a busy machine", () => {
    const row = (name: string, value: number, busy: boolean): Result => ({
      name,
      value,
      unit: "transfers/s",
      p50_ms: 1,
      p95_ms: 2,
      p99_ms: 3,
      mean_ms: 1,
      max_ms: 4,
      errors: 0,
      conditions: { store: "sqlite", busy_machine: busy },
      violations: [],
    });
    const picture = drawResults([row("a<b", 1_000, true), row("c", 500, false)]);
    assert.equal(picture.match(/<rect /g)?.length, 2);
    assert.match(picture, />a&lt;b</);
    assert.match(picture, />1,000, p99 3 ms \*</);
    assert.match(picture, /\* other programs used the machine/);
  });
});
