import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ORG, seededRandom } from "#test/support/builders.ts";
import type { ModelTrainingId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import type { TrainHooks, TrainInput, TrainOutcome } from "#model/index.ts";
import { trainInWorker } from "#model/index.ts";
import { cancelTraining, startTraining } from "./change-training.ts";
import { readModel } from "./model-record.ts";
import { readInWorker } from "./read-in-worker.ts";
import { readRegistry } from "./registry.ts";
import { bench, DAY_MS, readHere, trainHere } from "./test-kit.ts";

/** A training that ends when it is told to, or not before it is aborted. */
function heldTraining() {
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  let aborted = false;
  const train = async (input: TrainInput, hooks: TrainHooks): Promise<TrainOutcome> => {
    begun.resolve();
    const abort = new Promise<void>((resolve) => hooks.signal?.addEventListener("abort", () => resolve(), { once: true }));
    await Promise.race([gate.promise, abort]);
    if (hooks.signal?.aborted === true) {
      aborted = true;
      return { ok: false, code: "cancelled", reason: "the training was cancelled" };
    }
    return trainHere(input, hooks);
  };
  return { train, begun: begun.promise, open: gate.resolve, wasAborted: () => aborted };
}

describe("a training", () => {
  it("learns from the labels of its window and leaves a candidate with its content, in one commit", async () => {
    const { quiet, past, start, read, errors } = bench();
    await past(300);
    const id = await start();
    await quiet.worker.work();
    const { status, reason, rows, frauds, attempts, modelId, phase } = await read(id);
    assert.deepEqual(errors, []);
    assert.deepEqual([status, reason, rows, frauds, attempts, phase], ["completed", null, 300, 60, 1, "done"]);
    const model = await readModel(quiet.store, ORG, String(modelId));
    assert.ok(model);
    assert.deepEqual([model.state, model.number, model.trainingId, model.createdBy], ["candidate", 1, id, "key_test"]);
    assert.equal(model.judgedFrom, (await read(id)).to);
    const scorer = await quiet.deps.cache.load(model);
    assert.equal(scorer.forest.width, 97);
    const { trainingId, lastNumber, championId } = await readRegistry(quiet.store, ORG);
    assert.deepEqual([trainingId, lastNumber, championId], [null, 1, null]);
  });

  it("makes the same model in a thread as here, and the same again", async () => {
    const { node, quiet, past, start, read } = bench();
    await past(200);
    const hashes: (string | undefined)[] = [];
    for (const { worker } of [quiet, node(undefined, { train: trainInWorker, read: readInWorker })]) {
      const id = await start();
      await worker.work();
      hashes.push((await readModel(quiet.store, ORG, String((await read(id)).modelId)))?.hash);
    }
    assert.match(String(hashes[0]), /^[0-9a-f]{64}$/);
    assert.equal(hashes[0], hashes[1]);
  });

  it("is begun anew by another node when its lease has run out, and given up after three times", async () => {
    const { clock, node, quiet, past, start, read } = bench();
    await past(60);
    const id = await start();
    for (let attempt = 1; attempt <= 3; attempt++) {
      const held = heldTraining();
      // Its process dies: it is never heard of again.
      let dead = false;
      const dying = node((operation) => (dead && operation === "commit" ? { kind: "unavailable" } : { kind: "none" }), {
        train: held.train,
      });
      const working = dying.worker.work();
      await held.begun;
      dead = true;
      await working;
      assert.ok(held.wasAborted(), "the thread ends when the worker gives up");
      const { attempts, status } = await read(id);
      assert.deepEqual([attempts, status], [attempt, "running"]);
      if (attempt === 1) {
        // Somebody who says nothing is taken for alive for a while.
        clock.time = (await read(id)).leasedUntil - 1;
        await quiet.worker.work();
        assert.equal((await read(id)).attempts, 1);
      }
      clock.time += 31_000;
    }
    await quiet.worker.work();
    const { status, reason } = await read(id);
    assert.deepEqual([status, reason], ["failed", "It was begun 3 times and never ended."]);
    assert.equal((await readRegistry(quiet.store, ORG)).trainingId, null);
  });

  it("is begun anew when its process died and the clock was set back since", async () => {
    const { clock, node, quiet, past, start, read } = bench();
    await past(60);
    const id = await start();
    const held = heldTraining();
    let dead = false;
    const dying = node((operation) => (dead && operation === "commit" ? { kind: "unavailable" } : { kind: "none" }), { train: held.train });
    const working = dying.worker.work();
    await held.begun;
    dead = true;
    await working;
    clock.time -= 3_600_000;
    await quiet.worker.work();
    assert.equal((await read(id)).status, "completed");
  });

  it("hears a cancel while it learns, and keeps nothing", async () => {
    const { node, quiet, past, start, read, asked, errors } = bench();
    await past(60);
    const id = await start();
    const held = heldTraining();
    const working = node(undefined, { train: held.train }).worker.work();
    await held.begun;
    for (let tries = 0; ; tries++) {
      // Its progress is noted meanwhile, so the command may have to be decided again.
      const canceled = await cancelTraining(quiet.deps, asked, id);
      if (canceled.ok && canceled.reply.status === 200) break;
      assert.ok(tries < 50, JSON.stringify(canceled));
    }
    await working;
    assert.ok(held.wasAborted());
    assert.deepEqual(errors, []);
    assert.equal((await read(id)).status, "canceled");
    const { trainingId, lastNumber } = await readRegistry(quiet.store, ORG);
    assert.deepEqual([trainingId, lastNumber], [null, 0]);
  });

  it("is given back by a node that stops, which counts as no attempt", async () => {
    const { node, quiet, past, start, read } = bench();
    await past(60);
    const id = await start();
    const held = heldTraining();
    const leaving = node(undefined, { train: held.train });
    const working = leaving.worker.work();
    assert.equal(leaving.worker.work(), working, "one run at a time");
    await held.begun;
    await leaving.worker.stop();
    assert.ok(held.wasAborted());
    const { status, attempts, phase } = await read(id);
    assert.deepEqual([status, attempts, phase], ["running", 0, "waiting"]);
    await leaving.worker.work();
    assert.equal((await read(id)).attempts, 0, "a stopped worker stays stopped");
    // Nobody has to wait for its lease.
    await quiet.worker.work();
    assert.equal((await read(id)).status, "completed");
  });

  it("leaves one model, whatever faults come between", async () => {
    const { clock, node, quiet, past, start, read, errors } = bench();
    await past(100);
    const id = await start();
    const dice = seededRandom(4);
    const faulty = node((operation) => {
      const often = operation === "commit" ? 5 : operation === "query" ? 1 : 0;
      return (dice.bytes(1)[0] ?? 0) < (often * 256) / 20
        ? { kind: operation === "commit" ? "timeout_written" : "unavailable" }
        : { kind: "none" };
    });
    for (let round = 0; round < 100 && (await read(id)).status === "running"; round++) {
      await faulty.worker.work();
      clock.time += 31_000;
    }
    const { status, attempts } = await read(id);
    assert.ok(errors.length > 0, "faults came");
    assert.deepEqual([status, attempts], ["completed", 1]);
    assert.equal((await readRegistry(quiet.store, ORG)).lastNumber, 1);
  });

  it("tells why it failed: a thread that died, one kind of label only, nothing to learn from", async () => {
    const { node, quiet, past, start, read, asked, clock } = bench();
    const empty = await start();
    await quiet.worker.work();
    assert.match(String((await read(empty)).reason), /No payment .* labelled as fraud/);
    const first = clock.time;
    await past(60);
    const dead = await start();
    await node(undefined, { train: async () => ({ ok: false, code: "failed", reason: "out of memory" }) }).worker.work();
    assert.deepEqual([(await read(dead)).status, (await read(dead)).reason], ["failed", "out of memory"]);
    // Of the window's first half day one payment only is known to be fraud, and it is the oldest.
    const poor = await startTraining(quiet.deps, asked, { label_delay_days: 0 }, { from: first, to: first + DAY_MS / 2 });
    assert.ok(poor.ok && poor.reply.status === 202);
    await quiet.worker.work();
    const { id } = JSON.parse(poor.reply.body) as { id: ModelTrainingId };
    assert.match(String((await read(id)).reason), /both labels must occur/);
    const broken = await start();
    await node(undefined, { train: async () => ({ ok: true, text: "{}" }) }).worker.work();
    assert.equal((await read(broken)).status, "failed");
  });

  it("has not failed when the machine gives no thread to read its model in: it is tried again", async () => {
    const { node, past, start, read, errors } = bench();
    await past(60);
    const id = await start();
    let isShort = true;
    const { worker } = node(undefined, { read: async (job) => (isShort ? refuse("overloaded") : readHere(job)) });
    await worker.work();
    assert.deepEqual([(await read(id)).status, errors.length], ["running", 1]);
    isShort = false;
    await worker.work();
    const { status, attempts } = await read(id);
    assert.deepEqual([status, attempts], ["completed", 1]);
  });

  it("is bounded, and takes the newest payments", async () => {
    const { node, past, start, read } = bench();
    await past(400);
    const id = await start();
    await node(undefined, { maxRows: 160 }).worker.work();
    const { rows, status } = await read(id);
    assert.equal(status, "completed");
    assert.ok(rows <= 160 && rows >= 100, `${rows} rows`);
  });

  it("is one at a time, of a window that is old enough", async () => {
    const { quiet, asked, clock } = bench();
    const start = async (from: number | undefined, to: number | undefined) => {
      const started = await startTraining(quiet.deps, asked, { label_delay_days: 3 }, { from, to });
      assert.ok(started.ok);
      const { code, param } = JSON.parse(started.reply.body) as { code?: string; param?: string };
      return [started.reply.status, code, param];
    };
    const now = clock.time;
    assert.deepEqual(await start(undefined, now - 3 * DAY_MS + 1), [400, "invalid_request", "to"]);
    assert.deepEqual(await start(now - 3 * DAY_MS, undefined), [400, "invalid_request", "from"]);
    assert.deepEqual(await start(now - 734 * DAY_MS, undefined), [400, "invalid_request", "from"]);
    assert.deepEqual(await start(now - 733 * DAY_MS, undefined), [202, undefined, undefined]);
    assert.deepEqual(await start(undefined, undefined), [409, "training_running", undefined]);
  });
});
