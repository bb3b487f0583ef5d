import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { seededRandom, T0 } from "#test/support/builders.ts";
import { sha256 } from "#log/hashing.ts";
import { readSealedTexts } from "#log/sealed-texts.ts";
import { verifyExport } from "#log/verify-export.ts";
import type { Store } from "#storage/index.ts";
import type { Sha256 } from "../digest.ts";
import type { ArchiveSink } from "../port.ts";
import { readProgress, SINKS_TABLE } from "../progress.ts";
import { sinkStatus } from "../status.ts";
import { credentials, REGION } from "../testing/aws-server.ts";
import type { S3Server } from "../testing/s3-server.ts";
import { startS3Server, TEST_BUCKET } from "../testing/s3-server.ts";
import type { Scene } from "../testing/scene.ts";
import { sceneAt } from "../testing/scene.ts";
import { openS3Sink } from "./index.ts";

const DAY = 24 * 3_600_000;

void describe("the S3 sink", () => {
  let server: S3Server;
  let scene: Scene;
  before(async () => {
    server = await startS3Server(() => scene.clock.time);
  });
  after(() => server.close());
  beforeEach(async () => {
    scene = await sceneAt(T0);
    server.objects.clear();
  });
  afterEach(() => {
    server.fault = () => undefined;
  });

  const open = (more: { readonly bucket?: string; readonly prefix?: string } = {}): ArchiveSink =>
    openS3Sink({
      bucket: TEST_BUCKET,
      prefix: "log/",
      mode: "COMPLIANCE",
      retentionDays: 400,
      everyMs: 300_000,
      region: REGION,
      endpoint: server.endpoint,
      credentials,
      clock: scene.clock,
      random: seededRandom(1),
      attemptMs: 300,
      ...more,
    });
  const position = async (store: Store = scene.store): Promise<number> => (await readProgress(store, { name: "s3" })).position;
  const keys = (): string[] => [...server.objects.keys()].toSorted();
  /** Every line of every object, in the order of the keys. */
  const lines = (): string[] =>
    keys()
      .filter((key) => key.startsWith("log/events/"))
      .flatMap((key) => server.objects.get(key)?.body.toString("utf8").trimEnd().split("\n") ?? []);
  const whole = (size: number) => async () =>
    (await position()) === size && server.objects.has(`log/checkpoints/${String(size).padStart(16, "0")}.txt`);

  void it("writes sealed ranges once they are old enough, under a lock, without anybody's address", async () => {
    await scene.tell(5_000);
    await scene.seal();
    const few = await scene.tell(3);
    const worker = scene.worker([open()]);
    await scene.until(worker, whole(5_000));
    await scene.seal();
    assert.equal(await position(), 5_000, "three leaves wait for their time");
    scene.clock.time += 300_000;
    await scene.until(worker, whole(5_003));
    assert.deepEqual(keys(), [
      "log/checkpoints/0000000000005000.txt",
      "log/checkpoints/0000000000005003.txt",
      "log/events/0000000000000000-0000000000004096.ndjson",
      "log/events/0000000000004096-0000000000005000.ndjson",
      "log/events/0000000000005000-0000000000005003.ndjson",
    ]);
    assert.equal(lines().length, 5_003);
    assert.ok(
      lines()
        .at(-1)
        ?.includes(String(few.at(-1)?.["event_id"])),
    );
    assert.ok(!lines().some((line) => line.includes("192.0.2.77")));
    for (const { mode, until } of server.objects.values()) {
      assert.equal(mode, "COMPLIANCE");
      assert.ok(until >= T0 + 400 * DAY);
    }
    await worker.stop();
    assert.deepEqual(scene.errors, []);
  });

  void it("misses and doubles nothing while the service fails, throttles, loses answers, hangs and cuts", async () => {
    const told = await scene.tell(4_200);
    await scene.seal();
    const faults = [
      { kind: "error", name: "SlowDown", status: 503 },
      { kind: "error", name: "InternalError", status: 500 },
      { kind: "error", name: "ConditionalRequestConflict", status: 409 },
      { kind: "cut" },
      { kind: "error", name: "AccessDenied", status: 403 },
      { kind: "hang" },
      { kind: "written_but_failed" },
      { kind: "error", name: "SlowDown", status: 503 },
      { kind: "written_but_failed" },
    ] as const;
    let at = 0;
    server.fault = () => faults[at++];
    const worker = scene.worker([open()]);
    await scene.until(worker, whole(4_200));
    assert.deepEqual(
      lines().map((line) => (JSON.parse(line) as { event_id: string }).event_id),
      told.map(({ event_id }) => event_id),
    );
    assert.ok(scene.errors.some((text) => text.includes("AccessDenied")));
    await worker.stop();
  });

  void it("writes the same objects again after a kill between writing and remembering, also when the log has grown", async () => {
    await scene.tell(4_500);
    await scene.seal();
    let killAt = 2;
    const dying: Store = {
      ...scene.store,
      async commit(writes) {
        const progress = writes.some(
          (write) => write.op === "put" && write.table === SINKS_TABLE && String(write.item["id"]).startsWith("sink#"),
        );
        // The process ends here: what it has put is there, and nothing that it wanted to remember.
        if (progress && killAt-- <= 0) return { outcome: "unavailable", cause: "killed" };
        return scene.store.commit(writes);
      },
    };
    const killed = scene.worker([open()], "node-1", dying);
    await scene.until(killed, () => scene.errors.length > 0);
    const before = new Map(server.objects);
    assert.ok(before.size > 0);
    await scene.tell(10);
    await scene.seal();
    scene.clock.time += 11_000;
    const next = scene.worker([open()], "node-2");
    await scene.until(next, whole(4_500));
    for (const [key, { sha256: digest }] of before) assert.equal(server.objects.get(key)?.sha256, digest);
    assert.equal(lines().length, 4_500);
    await next.stop();
  });

  void it("lets two nodes work without writing anything twice", async () => {
    await scene.tell(600);
    await scene.seal();
    const [one, two] = [scene.worker([open()], "node-1"), scene.worker([open()], "node-2")];
    scene.clock.time += 300_000;
    await scene.until(one, async () => {
      await two.work();
      return whole(600)();
    });
    const puts = server.calls.length;
    await Promise.all([one.work(), two.work()]);
    assert.equal(server.calls.length, puts);
    assert.equal(keys().length, 2);
    await Promise.all([one.stop(), two.stop()]);
  });

  void it("refuses to go on over an object that somebody else has put there", async () => {
    await scene.tell(5);
    await scene.seal();
    const key = "log/events/0000000000000000-0000000000000005.ndjson";
    server.objects.set(key, { body: Buffer.from("x"), sha256: sha256("x").toString("base64"), mode: "COMPLIANCE", until: 0, at: 0 });
    scene.clock.time += 300_000;
    const worker = scene.worker([open()]);
    await scene.until(worker, () => scene.errors.length > 0);
    assert.match(scene.errors[0] ?? "", new RegExp(`another object lies at ${key}`));
    assert.equal(await position(), 0);
    const { error } = await readProgress(scene.store, { name: "s3" });
    assert.match(error?.text ?? "", /another object/);
    await worker.stop();
  });

  void it("takes no copy of its own object for it whose lock is missing or ends too soon", async () => {
    await scene.tell(5);
    await scene.seal();
    scene.clock.time += 300_000;
    await scene.until(scene.worker([open()]), whole(5));
    const key = "log/events/0000000000000000-0000000000000005.ndjson";
    const own = server.objects.get(key);
    assert.ok(own);
    const object = { key: key.slice("log/".length), body: own.body, contentType: "application/x-ndjson", sha256: own.sha256 as Sha256 };
    await open().put(object);
    for (const lock of [
      { mode: "", until: 0 },
      { mode: "GOVERNANCE", until: own.until },
      { mode: "COMPLIANCE", until: own.at + DAY },
    ]) {
      server.objects.set(key, { ...own, ...lock });
      await assert.rejects(open().put(object), { name: "SinkError", message: new RegExp(`the object at ${key} is not locked`) });
    }
  });

  void it("exports no event that is not the sealed one", async () => {
    const [, changed] = await scene.tell(4);
    await scene.seal();
    assert.ok(changed);
    // What somebody who can write to the database has done.
    const edited: Store = {
      ...scene.store,
      getMany: async (refs) =>
        (await scene.store.getMany(refs)).map((item) => (item?.["event_id"] === changed["event_id"] ? { ...item, amount: 1 } : item)),
    };
    scene.clock.time += 300_000;
    const log = { ...scene.log, leaves: (from: number, to: number) => readSealedTexts(edited, from, to) };
    const worker = scene.worker([open()], "node-1", scene.store, log);
    await scene.until(worker, () => scene.errors.length > 0);
    assert.match(scene.errors[0] ?? "", /is not what its leaf 1 says/);
    assert.equal(server.objects.size, 0);
    // The sink's state is shown all the same, also where the changed event is the next one.
    for (const from of [0, 1]) {
      const shown = { ...log, leaves: (first: number, to: number) => log.leaves(first + from, to + from) };
      const [status] = await sinkStatus({ store: scene.store, log: shown, clock: scene.clock, sinks: [open()] });
      assert.equal(status?.["status"], "failing");
      assert.match(String(status?.["last_error"]), /is not what its leaf 1 says/);
      assert.ok(Number(status?.["lag_seconds"]) >= (from === 0 ? 300 : 0));
    }
    await worker.stop();
  });

  void it("begins with the first leaf in a place that is new, and goes on in one that was left", async () => {
    const below = (prefix: string): string[] => keys().filter((key) => key.startsWith(prefix));
    const run = async (prefix: string): Promise<void> => {
      await scene.tell(5);
      await scene.seal();
      scene.clock.time += 300_000;
      const size = (await scene.log.head())?.size ?? 0;
      const worker = scene.worker([open({ prefix })]);
      await scene.until(worker, () => server.objects.has(`${prefix}checkpoints/${String(size).padStart(16, "0")}.txt`));
      await worker.stop();
      const names = below(prefix).map((key) => key.slice(prefix.length));
      const files = { names, read: (name: string) => server.objects.get(`${prefix}${name}`)?.body ?? Buffer.alloc(0) };
      const report = verifyExport({ files, log: scene.signer.verifier });
      assert.ok(report.ok && report.size === size && report.uncovered === 0, `${prefix}: ${JSON.stringify(report)}`);
      const [status] = await sinkStatus({ ...scene, sinks: [open({ prefix })] });
      assert.deepEqual([status?.["position"], status?.["lag_seconds"]], [size, 0]);
    };
    await run("log/");
    // A row of before places were told is of the place that comes first.
    const row = await scene.store.get(SINKS_TABLE, { hash: "sink#s3" });
    assert.ok(row);
    const { place, ...before } = row;
    assert.equal(place, `s3://${TEST_BUCKET}/log/`);
    await scene.store.commit([{ op: "put", table: SINKS_TABLE, item: before, condition: "none" }]);
    // But not of one that has taken nothing, as by a slip in the settings.
    await scene.tell(1);
    await scene.seal();
    scene.clock.time += 300_000;
    const slipped = scene.worker([open({ bucket: "nobody-made-it" })]);
    await scene.until(slipped, async () => (await readProgress(scene.store, { name: "s3" })).error !== null);
    await slipped.stop();
    assert.match(scene.errors.splice(0).join(), /NoSuchBucket/);
    for (const prefix of ["log/", "moved/", "moved/", "log/", ""]) {
      if (prefix === "") server.objects.clear();
      await run(prefix);
    }
    assert.deepEqual(scene.errors, []);
  });

  void it("says what is wrong where the bucket is missing", async () => {
    await scene.tell(1);
    await scene.seal();
    scene.clock.time += 300_000;
    const worker = scene.worker([open({ bucket: "nobody-made-it" })]);
    await scene.until(worker, () => scene.errors.length > 0);
    assert.match(scene.errors[0] ?? "", /^s3: S3 did not take an object \(NoSuchBucket\)$/);
    await worker.stop();
  });
});
