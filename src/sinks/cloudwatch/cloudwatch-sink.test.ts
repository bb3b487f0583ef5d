import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import { seededRandom, T0 } from "#test/support/builders.ts";
import { checksumOf } from "#audit/index.ts";
import type { Item } from "#storage/index.ts";
import { credentials, REGION } from "../testing/aws-server.ts";
import type { CloudWatchServer } from "../testing/cloudwatch-server.ts";
import { startCloudWatchServer } from "../testing/cloudwatch-server.ts";
import type { Scene } from "../testing/scene.ts";
import { sceneAt } from "../testing/scene.ts";
import { batchesOf, LIMITS, logEventOf } from "./batches.ts";
import { openCloudWatchSink } from "./index.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

void describe("batches of log events", () => {
  void it("stay within every limit of PutLogEvents and leave nothing out", () => {
    const events = fc.array(
      fc.record({ timestamp: fc.integer({ min: T0 - 3 * DAY, max: T0 }), message: fc.nat(600_000).map((size) => "x".repeat(size)) }),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(events, (all) => {
        const batches = batchesOf(all);
        assert.equal(batches.flat().length, all.length);
        for (const batch of batches) {
          const times = batch.map(({ timestamp }) => timestamp);
          assert.deepEqual(
            times,
            times.toSorted((a, b) => a - b),
          );
          assert.ok((times.at(-1) ?? 0) - (times[0] ?? 0) < LIMITS.spanMs);
          assert.ok(batch.length <= LIMITS.events);
          assert.ok(batch.length === 1 || batch.reduce((sum, { message }) => sum + message.length + LIMITS.overhead, 0) <= LIMITS.bytes);
        }
      }),
      { numRuns: 60 },
    );
    const many = Array.from({ length: 10_001 }, () => ({ timestamp: T0, message: "x" }));
    assert.deepEqual(
      batchesOf(many).map((batch) => batch.length),
      [10_000, 1],
    );
  });

  void it("files what is too old or too far ahead under a time that is taken, and names what is too large", () => {
    const line = { eventId: "evt_1", text: "{}" };
    assert.equal(logEventOf({ ...line, at: T0 - DAY }, T0).timestamp, T0 - DAY);
    const old = logEventOf({ ...line, at: T0 - 100 * DAY }, T0).timestamp;
    assert.ok(old > T0 - 14 * DAY && old < T0 - 13 * DAY);
    assert.equal(logEventOf({ ...line, at: T0 + DAY }, T0).timestamp, T0 + HOUR);
    const large = logEventOf({ ...line, at: T0, text: "ü".repeat(200_000) }, T0);
    assert.deepEqual(JSON.parse(large.message), { event_id: "evt_1", omitted: "too_large", bytes: 400_000 });
  });
});

void describe("the CloudWatch sink", () => {
  let server: CloudWatchServer;
  let scene: Scene;
  before(async () => {
    server = await startCloudWatchServer(() => scene.clock.time);
  });
  after(() => server.close());
  let groups = 0;
  let group = "";
  beforeEach(async () => {
    scene = await sceneAt(T0);
    groups += 1;
    group = `bank-${groups}`;
    server.addGroup(group);
  });
  afterEach(() => {
    server.fault = () => undefined;
    server.retentionMs = 14 * DAY;
  });

  const open = () =>
    openCloudWatchSink({
      group,
      stream: "audit",
      region: REGION,
      endpoint: server.endpoint,
      credentials,
      clock: scene.clock,
      random: seededRandom(1),
      attemptMs: 300,
    });
  const kept = (): Item[] => (server.streams.get(`${group}/audit`) ?? []).map(({ message }) => JSON.parse(message) as Item);
  const ids = (items: readonly Item[]): string[] => items.map(({ event_id }) => String(event_id));

  void it("has every event, with its checksum, in a stream that it makes", async () => {
    const told = await scene.tell(1_234);
    const worker = scene.worker([open()]);
    await scene.until(worker, () => kept().length >= told.length);
    assert.deepEqual(ids(kept()), ids(told));
    for (const event of kept()) assert.equal(event.checksum, checksumOf(event));
    await worker.stop();
    assert.deepEqual(scene.errors, []);
  });

  void it("goes on where another process was killed, without a gap", async () => {
    const first = await scene.tell(300);
    const killed = scene.worker([open()], "node-1");
    await scene.until(killed, () => kept().length >= 300);
    // It is never told to stop: its lease has to run out.
    const more = await scene.tell(50);
    const next = scene.worker([open()], "node-2");
    scene.clock.time += 11_000;
    await scene.until(next, () => new Set(ids(kept())).size >= 350);
    assert.deepEqual(new Set(ids(kept())), new Set(ids([...first, ...more])));
    await next.stop();
    await killed.stop();
  });

  void it("misses nothing while the service fails, throttles, loses answers, hangs and cuts", async () => {
    const told = await scene.tell(40);
    const faults = [
      { kind: "error", name: "ThrottlingException", status: 400 },
      { kind: "error", name: "ServiceUnavailableException", status: 503 },
      { kind: "cut" },
      { kind: "written_but_failed" },
      { kind: "hang" },
      { kind: "error", name: "AccessDeniedException", status: 400 },
    ] as const;
    let at = 0;
    server.fault = (operation) => (operation === "PutLogEvents" ? faults[at++] : undefined);
    const worker = scene.worker([open()]);
    await scene.until(worker, () => at > faults.length && ids(kept()).length >= 40);
    assert.deepEqual(new Set(ids(kept())), new Set(ids(told)));
    assert.ok(scene.errors.some((text) => text.includes("AccessDeniedException")));
    await worker.stop();
  });

  void it("keeps what is older than 14 days, and older than the group's retention", async () => {
    const old = await scene.tell(3, { at: T0 - 60 * DAY });
    const some = await scene.tell(3, { at: T0 - 5 * DAY });
    server.retentionMs = DAY;
    const worker = scene.worker([open()]);
    await scene.until(worker, () => kept().length >= 6);
    assert.deepEqual(new Set(ids(kept())), new Set(ids([...old, ...some])));
    assert.deepEqual(new Set(kept().map(({ timestamp }) => timestamp)), new Set([...old, ...some].map(({ timestamp }) => timestamp)));
    await worker.stop();
  });

  void it("says what is wrong where the group is missing, and sends nothing twice for that", async () => {
    group = "nobody-made-it";
    await scene.tell(2);
    const worker = scene.worker([open()]);
    await scene.until(worker, () => scene.errors.length > 0);
    assert.match(scene.errors[0] ?? "", /^cloudwatch: CloudWatch Logs did not make the stream \(ResourceNotFoundException\)$/);
    server.addGroup(group);
    await scene.until(worker, () => kept().length >= 2);
    assert.equal(kept().length, 2);
    await worker.stop();
  });
});
