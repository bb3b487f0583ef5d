import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seededRandom, testClock } from "#test/support/builders.ts";
import type { CommitResult, Item, Store, Write } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { backoff, MAX_SENDS, settle } from "./settle.ts";

const EVENT = { partition: "org#1", event_id: "evt_1", checksum: "abc" };
const REPLY = { id: "claim", kept_id: "req_own", body: "the reply", version: 1 };
const event: Write = { op: "put", table: "smartfinance-audit-logs", item: EVENT, condition: "absent" };
const reply: Write = { op: "put", table: "smartfinance-idempotency", item: REPLY, condition: "absent" };

type Answer = "committed" | "conflict" | "meets itself" | "throttled" | "unavailable" | "unknown";
const results: Record<Answer, CommitResult> = {
  committed: { outcome: "committed" },
  conflict: { outcome: "conflict", writes: [0] },
  "meets itself": { outcome: "conflict", writes: [1], contended: true },
  throttled: { outcome: "conflict", writes: [] },
  unavailable: { outcome: "unavailable", cause: "closed" },
  unknown: { outcome: "unknown", cause: "timeout" },
};

/** A store that answers commits as told (the last answer for ever), and reads of the marker with `stored`. */
async function settled(answers: readonly Answer[], stored: Item | undefined | "unreadable", writes: readonly Write[] = [event, reply]) {
  let sends = 0;
  const tables: string[] = [];
  const store = {
    commit: async () => results[answers[Math.min(sends++, answers.length - 1)] ?? "committed"],
    async get(table: string) {
      tables.push(table);
      if (stored === "unreadable") throw new StoreUnavailableError("no");
      return stored;
    },
  } as unknown as Store;
  const clock = testClock();
  const outcome = await settle(store, clock, seededRandom(1), writes);
  return { outcome, sends, slept: clock.slept.length, tables };
}

void describe("settle", () => {
  const lost = undefined;
  const cases: [string, readonly Answer[], Item | undefined | "unreadable", string, number][] = [
    ["committed", ["committed"], lost, "committed", 1],
    ["a failed condition", ["conflict"], lost, "conflict", 1],
    ["contention inside the engine", ["throttled"], lost, "contention", 1],
    ["an engine that refuses", ["unavailable"], lost, "unavailable", 1],
    ["unknown, then committed", ["unknown", "committed"], lost, "committed", 2],
    ["unknown, then a conflict while the marker is there", ["unknown", "conflict"], EVENT, "committed", 2],
    ["unknown, then a conflict while the marker is not", ["unknown", "conflict"], lost, "conflict", 2],
    ["unknown, then a conflict with another's marker", ["unknown", "conflict"], { ...EVENT, checksum: "other" }, "conflict", 2],
    ["unknown, then throttled, while the marker is not there yet", ["unknown", "throttled", "committed"], lost, "committed", 3],
    ["unknown, then throttled, while the marker is there", ["unknown", "throttled"], EVENT, "committed", 2],
    ["a failed condition beside a transaction under way", ["meets itself"], lost, "conflict", 1],
    ["unknown, then met half-way, then committed", ["unknown", "meets itself", "committed"], lost, "committed", 3],
    ["unknown, then met half-way, while the marker is there", ["unknown", "meets itself"], EVENT, "committed", 2],
    ["unknown, then met half-way by another's", ["unknown", "meets itself", "conflict"], lost, "conflict", 3],
    ["unknown, then refused, then committed", ["unknown", "unavailable", "committed"], lost, "committed", 3],
    ["unknown, then a conflict that cannot be looked into", ["unknown", "conflict"], "unreadable", "unknown", MAX_SENDS],
    ["unknown for ever, but written", ["unknown"], EVENT, "committed", MAX_SENDS],
    ["unknown for ever and not found", ["unknown"], lost, "unknown", MAX_SENDS],
    ["unknown, then refused for ever", ["unknown", "unavailable"], lost, "unknown", MAX_SENDS],
  ];
  for (const [name, answers, stored, outcome, sends] of cases) {
    void it(`${name}: ${outcome}`, async () => {
      const found = await settled(answers, stored);
      assert.deepEqual([found.outcome, found.sends, found.slept], [outcome, sends, sends - 1]);
    });
  }

  void it("looks for the event, whatever stands before it, and for the kept reply where there is no event", async () => {
    assert.deepEqual((await settled(["unknown", "conflict"], EVENT, [reply, event])).tables, ["smartfinance-audit-logs"]);
    const kept = await settled(["unknown", "conflict"], REPLY, [reply]);
    assert.deepEqual([kept.outcome, kept.tables], ["committed", ["smartfinance-idempotency"]]);
    assert.equal((await settled(["unknown", "conflict"], { ...REPLY, kept_id: "another request" }, [reply])).outcome, "conflict");
  });

  void it("never calls a commit without a marker committed or undone", async () => {
    const bare: Write = { op: "put", table: "smartfinance-meta", item: { id: "x" }, condition: "none" };
    assert.equal((await settled(["unknown", "conflict"], EVENT, [bare])).outcome, "unknown");
  });
});

void describe("backoff", () => {
  void it("doubles from 4 ms with jitter and stays below 250 ms", () => {
    const random = seededRandom(3);
    for (let attempt = 1; attempt <= 30; attempt++) {
      const most = Math.min(250, 4 * 2 ** attempt);
      const waits = Array.from({ length: 50 }, () => backoff(attempt, random));
      for (const wait of waits) assert.ok(wait >= most / 2 && wait < most, `${wait} of ${most}`);
      assert.ok(new Set(waits).size > 40, "waits differ");
    }
  });
});
