import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, newId, T0 } from "#test/support/builders.ts";
import { buildEvent } from "#audit/index.ts";
import { systemRandom } from "#kernel/random.ts";
import type { Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { createAgeAlarm } from "./age-alarm.ts";
import { sha256 } from "./hashing.ts";
import { createLogReader } from "./log-reader.ts";
import { signerOf } from "./note-keys.ts";
import { createSealer } from "./sealer.ts";
import { createSealingWorker } from "./sealing-worker.ts";

const LIMIT = 60_000;

function scene(change: (store: Store) => Store = (store) => store) {
  const clock = { time: T0, now: () => clock.time, sleep: () => Promise.resolve() };
  const inner = openMemoryStore(createMemoryDatabase());
  const store = change(inner);
  const said: string[] = [];
  const alarm = createAgeAlarm({
    store,
    reader: createLogReader(store),
    clock,
    limitMs: LIMIT,
    onLate: (ageMs, first) => said.push(`${first ? "late" : "still late"} ${ageMs}`),
    onOver: () => said.push("over"),
  });
  const signer = signerOf("bank.example/audit", "signature", sha256("key"));
  const sealer = createSealer({ store: inner, clock, random: systemRandom(), signer });
  const tell = async (): Promise<void> => {
    const { item } = buildEvent({ id: newId("event"), type: "deposit.posted", objectId: "txn" }, actorOf(), clock.time);
    await inner.commit([{ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" }]);
  };
  return { clock, alarm, sealer, signer, tell, said, inner };
}

void describe("the age alarm", () => {
  void it("tells when the oldest unsealed event is too old, again every minute, and when that is over", async () => {
    const { clock, alarm, sealer, tell, said } = scene();
    await alarm.look();
    await tell();
    clock.time += LIMIT;
    await alarm.look();
    assert.deepEqual(said, [], "not before its time");
    clock.time += 1;
    await alarm.look();
    assert.equal(alarm.late, true);
    clock.time += 59_999;
    await alarm.look();
    clock.time += 1;
    await alarm.look();
    assert.deepEqual(said, ["late 60001", "still late 120001"]);
    await sealer.step();
    await alarm.look();
    assert.equal(alarm.late, false);
    assert.deepEqual(said, ["late 60001", "still late 120001", "over"]);
    await tell();
    clock.time += LIMIT + 1;
    await alarm.look();
    assert.equal(said.at(-1), "late 60001", "an alarm after an alarm");
  });

  void it("is silent where a feed only tells again what was sealed long ago", async () => {
    let again = false;
    const { clock, alarm, sealer, tell, said } = scene((inner) => ({
      ...inner,
      feed: (cursor, limit) => inner.feed(again ? undefined : cursor, limit),
    }));
    await tell();
    await sealer.step();
    again = true;
    clock.time += 10 * LIMIT;
    await alarm.look();
    assert.deepEqual(said, []);
  });

  void it("neither fails nor changes its mind while the store cannot be read", async () => {
    let down = false;
    const { clock, alarm, tell, said } = scene((inner) => ({
      ...inner,
      feed: (cursor, limit) => (down ? Promise.reject(new StoreUnavailableError("down")) : inner.feed(cursor, limit)),
    }));
    await tell();
    clock.time += LIMIT + 1;
    await alarm.look();
    down = true;
    await alarm.look();
    assert.equal(alarm.late, true);
    assert.equal(said.length, 1);
  });
});

void describe("why nothing is sealed", () => {
  const workerOf = (
    step: () => Promise<{ events: number; more: boolean }>,
    onKeyChanged: () => void = () => assert.fail("no key has changed"),
  ) => {
    const errors: unknown[] = [];
    const { signer } = scene();
    const worker = createSealingWorker({
      signer: () => Promise.resolve(signer),
      sealer: () => ({ step }),
      onKeyChanged,
      onError: (error) => errors.push(error),
    });
    return { worker, errors };
  };

  void it("is told for a clock and for a changed log, from this thread and from another, until a step ends well", async () => {
    const causes = [
      Object.assign(new Error("behind"), { name: "ClockSkewError" }),
      new Error("LogTamperedError: there is another event"),
      new StoreUnavailableError("down"),
    ];
    const { worker, errors } = workerOf(() => {
      const cause = causes.shift();
      return cause === undefined ? Promise.resolve({ events: 0, more: false }) : Promise.reject(cause);
    });
    const seen: (string | undefined)[] = [worker.trouble];
    for (let run = 0; run < 4; run++) {
      await worker.work();
      seen.push(worker.trouble);
    }
    assert.deepEqual(seen, [undefined, "clock_skew", "tampered", undefined, undefined]);
    assert.equal(errors.length, 3);
  });

  void it("is no error where only the key has changed", async () => {
    let changed = 0;
    const { worker, errors } = workerOf(
      () => Promise.reject(new Error("LogKeyChangedError: the log has a new key")),
      () => {
        changed += 1;
      },
    );
    await worker.work();
    assert.deepEqual([changed, errors.length, worker.trouble], [1, 0, undefined]);
  });
});
