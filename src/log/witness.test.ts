import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { actorOf, newId, T0 } from "#test/support/builders.ts";
import { buildEvent } from "#audit/index.ts";
import { systemRandom } from "#kernel/random.ts";
import type { Outbound } from "#outbound/index.ts";
import type { Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { createWitnessAsker } from "./ask-witnesses.ts";
import { toBase64 } from "./base64.ts";
import { checkpointText, openCheckpoint } from "./checkpoint.ts";
import { leafHash, sha256 } from "./hashing.ts";
import type { Hash } from "./hashing.ts";
import { createLogReader } from "./log-reader.ts";
import { formatNote, parseNote, parseSignatures } from "./note.ts";
import { signerOf, verifyNote } from "./note-keys.ts";
import { createSealer } from "./sealer.ts";
import { createSealingWorker } from "./sealing-worker.ts";
import { append, consistencyPath, EMPTY_EDGE, rootOf } from "./tree.ts";
import { verifyStore } from "./verify-store.ts";
import type { Witness, WitnessMemory } from "./witness.ts";
import { createWitness, formatMemory, parseMemory } from "./witness.ts";

const log = signerOf("example.com/log", "signature", sha256("log"));
const key = signerOf("witness.example/w1", "cosignature", sha256("w1"));
const other = signerOf("witness.example/w2", "cosignature", sha256("w2"));

const leaves = (count: number, kind = "a"): Hash[] => Array.from({ length: count }, (_, n) => leafHash(Buffer.from(`${kind}${n}`)));
const rootOfLeaves = (all: readonly Hash[]): Hash => rootOf(append(EMPTY_EDGE, all));
const noteOf = (all: readonly Hash[], signer = log): string => {
  const text = checkpointText({ origin: signer.verifier.name, size: all.length, root: rootOfLeaves(all) });
  return formatNote({ text, signatures: [signer.sign(text, T0)] });
};
const request = (old: number, all: readonly Hash[], note = noteOf(all)): string => {
  const proof = old > all.length ? [] : consistencyPath(old, all.length).map(({ from, to }) => rootOfLeaves(all.slice(from, to)));
  return `${[`old ${old}`, ...proof.map(toBase64)].join("\n")}\n\n${note}`;
};

function witnessAt(now: () => number, memory: WitnessMemory = new Map()): Witness & { readonly saved: string[] } {
  const saved: string[] = [];
  const witness = createWitness({
    signer: key,
    logs: [log.verifier],
    clock: { now },
    memory,
    save: (m) => void saved.push(formatMemory(m)),
  });
  return { ...witness, saved };
}

void describe("AUD-06 the witness", () => {
  void it("cosigns what grew from what it saw, and keeps it before it answers", async () => {
    const witness = witnessAt(() => T0);
    const all = leaves(40);
    for (const [old, size] of [
      [0, 1],
      [1, 7],
      [7, 7],
      [7, 40],
    ] as const) {
      const answer = await witness.addCheckpoint(request(old, all.slice(0, size)));
      assert.equal(answer.status, 200, answer.body);
      const note = parseNote(noteOf(all.slice(0, size)));
      const signatures = parseSignatures(answer.body);
      assert.ok(note && signatures);
      assert.equal(verifyNote({ text: note.text, signatures }, [key.verifier])?.[0]?.time, Math.floor(T0 / 1000));
      assert.equal(parseMemory(witness.saved.at(-1) ?? "").get("example.com/log")?.size, size);
    }
  });

  void it("refuses another history, an old size that is not its own, and whatever is not signed", async () => {
    const witness = witnessAt(() => T0);
    const all = leaves(20);
    assert.equal((await witness.addCheckpoint(request(0, all.slice(0, 10)))).status, 200);
    const said = async (body: string): Promise<unknown[]> => {
      const { status, body: text, contentType } = await witness.addCheckpoint(body);
      return status === 409 ? [status, text, contentType] : [status];
    };
    const conflict = [409, "10\n", "text/x.tlog.size"];
    assert.deepEqual(await said(request(0, all)), conflict, "an older size than the last");
    assert.deepEqual(await said(request(15, all)), conflict, "a size it never saw");
    assert.deepEqual(await said(request(10, leaves(10, "b"))), conflict, "the same size with another root");
    assert.deepEqual(await said(request(10, leaves(20, "b"))), [422], "a tree with another beginning");
    assert.deepEqual(await said(request(10, all).replace(/\n[^\n]+\n\n/, "\n\n")), [422], "a proof that is cut short");
    assert.deepEqual(await said(request(30, all)), [400], "an old size above the new one");
    assert.deepEqual(await said(request(10, all, noteOf(all, signerOf("other.example", "signature", sha256("log"))))), [404]);
    assert.deepEqual(await said(request(10, all, noteOf(all, signerOf("example.com/log", "signature", sha256("x"))))), [403]);
    for (const body of [
      "",
      "old 1\n",
      request(10, all).replace("old 10", "old 010"),
      request(10, all).replace("old", "size"),
      "x".repeat(200_000),
    ])
      assert.deepEqual(await said(body), [400]);
    assert.equal(witness.saved.length, 1, "what was refused is not remembered");
    assert.deepEqual(await said(request(10, all)), [200]);
  });

  void it("of many requests at once cosigns one past only", async () => {
    const all = leaves(30);
    const witness = witnessAt(() => T0);
    const answers = await Promise.all([5, 9, 30].map((size) => witness.addCheckpoint(request(0, all.slice(0, size)))));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 409, 409],
    );
  });

  void it("cosigns nothing that it could not keep", async () => {
    let broken = true;
    const save = (): void => {
      if (broken) throw new Error("disk full");
    };
    const witness = createWitness({ signer: key, logs: [log.verifier], clock: { now: () => T0 }, memory: new Map(), save });
    await assert.rejects(witness.addCheckpoint(request(0, leaves(3))), /disk full/);
    broken = false;
    assert.equal((await witness.addCheckpoint(request(0, leaves(2)))).status, 200, "it had not seen the one before");
  });

  void it("AUD-12 never tells an earlier time than before, and nothing with a clock far behind", async () => {
    let now = T0;
    const witness = witnessAt(() => now);
    const all = leaves(5);
    const timeOf = async (old: number, size: number): Promise<number | undefined> => {
      const { status, body } = await witness.addCheckpoint(request(old, all.slice(0, size)));
      if (status !== 200) return undefined;
      return Number(parseSignatures(body)?.[0]?.signature.readBigUInt64BE());
    };
    assert.equal(await timeOf(0, 1), Math.floor(T0 / 1000));
    now = T0 - 30_000;
    assert.equal(await timeOf(1, 2), Math.floor(T0 / 1000));
    now = T0 - 61_000;
    assert.equal(await timeOf(2, 3), undefined);
    now = T0 + 5_000;
    assert.equal(await timeOf(2, 3), Math.floor(T0 / 1000) + 5);
  });

  void it("remembers what it wrote down, and does not start with a damaged memory", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.webUrl(), fc.nat(), fc.nat()), { maxLength: 4 }), (logs) => {
        const memory = new Map(logs.map(([origin, size, at]) => [origin, { size, at, root: sha256(origin) }]));
        assert.deepEqual(parseMemory(formatMemory(memory)), memory);
      }),
    );
    for (const text of ["", "{}", '{"logs":[{"origin":"a","size":-1,"root":"","at":0}]}']) assert.throws(() => parseMemory(text));
  });
});

void describe("AUD-06 the log asking its witnesses", () => {
  async function tell(store: Store, count: number): Promise<void> {
    const items = Array.from(
      { length: count },
      () => buildEvent({ id: newId("event"), type: "user.created", objectId: "u" }, actorOf(), T0).item,
    );
    await store.commit(items.map((item) => ({ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" })));
  }

  /** A log, and witnesses behind an outbound client that calls them directly. */
  function scene(now: () => number = () => T0) {
    const store = openMemoryStore(createMemoryDatabase());
    const reader = createLogReader(store);
    const witness = witnessAt(now);
    const errors: string[] = [];
    const calls: string[] = [];
    let down = false;
    const outbound: Outbound = {
      async request({ url, body }) {
        calls.push(url);
        if (down || url.includes("w2")) return { ok: false, reason: "timed_out" };
        const { status, body: text } = await witness.addCheckpoint(String(body));
        return { ok: true, status, headers: {}, body: Buffer.from(text) };
      },
      close: () => undefined,
    };
    const asker = createWitnessAsker({
      store,
      reader,
      outbound,
      clock: { now: () => T0 },
      witnesses: [
        { verifier: key.verifier, url: "https://w1.example/" },
        { verifier: other.verifier, url: "https://w2.example" },
      ],
      onError: ({ message }) => errors.push(message),
    });
    const clock = { now: () => T0, sleep: () => Promise.resolve() };
    const sealer = createSealer({ store, clock, random: systemRandom(), signer: log });
    return { store, reader, witness, errors, calls, asker, sealer, setDown: (is: boolean) => (down = is) };
  }

  void it("keeps the cosigned checkpoint beside the newest, whatever the other witness does", async () => {
    const { store, reader, errors, calls, asker, sealer, setDown } = scene();
    await asker.ask();
    assert.deepEqual(calls, [], "there is nothing to cosign yet");
    for (const count of [3, 30]) {
      await tell(store, count);
      await sealer.step();
      await asker.ask();
      const newest = await reader.checkpoint();
      const cosigned = await reader.checkpoint(true);
      assert.ok(newest && cosigned);
      assert.equal(cosigned.size, newest.size);
      assert.ok(openCheckpoint(cosigned.text, log.verifier, [key.verifier]).ok);
      assert.deepEqual(openCheckpoint(cosigned.text, log.verifier, [key.verifier, other.verifier]), {
        ok: false,
        fault: "witness_missing",
      });
    }
    assert.match(errors.join(), /w2 cannot be reached: timed_out/);
    setDown(true);
    await tell(store, 1);
    await sealer.step();
    await asker.ask();
    assert.equal((await reader.checkpoint(true))?.size, 33, "the last one that was cosigned stays");
    setDown(false);
    await asker.ask();
    assert.equal((await reader.checkpoint(true))?.size, 34);
  });

  void it("learns after a restart what the witness saw last", async () => {
    const { store, reader, witness, sealer, asker } = scene();
    await tell(store, 5);
    await sealer.step();
    const note = (await reader.checkpoint())?.text ?? "";
    assert.equal((await witness.addCheckpoint(`old 0\n\n${note}`)).status, 200);
    await tell(store, 2);
    await sealer.step();
    await asker.ask();
    assert.equal((await reader.checkpoint(true))?.size, 7);
  });

  /** Two witnesses that both answer, with clocks of their own. */
  function twoWitnesses(times: [() => number, () => number], now: () => number = () => T0) {
    const store = openMemoryStore(createMemoryDatabase());
    const reader = createLogReader(store);
    const errors: string[] = [];
    const agreed: number[] = [];
    const down = new Set<string>();
    const signers = [key, other];
    const own = signers.map((signer, n) =>
      createWitness({ signer, logs: [log.verifier], clock: { now: times[n] ?? now }, memory: new Map(), save: () => undefined }),
    );
    const outbound: Outbound = {
      async request({ url, body }) {
        if ([...down].some((name) => url.includes(name))) return { ok: false, reason: "timed_out" };
        const answer = await own[url.includes("w2") ? 1 : 0]?.addCheckpoint(String(body));
        assert.ok(answer);
        return { ok: true, status: answer.status, headers: {}, body: Buffer.from(answer.body) };
      },
      close: () => undefined,
    };
    const witnesses = signers.map(({ verifier }, n) => ({ verifier, url: `https://w${n + 1}.example` }));
    const asker = createWitnessAsker({
      store,
      reader,
      outbound,
      witnesses,
      clock: { now },
      onAgreed: () => agreed.push(now()),
      onError: ({ message }) => errors.push(message),
    });
    const sealer = createSealer({ store, clock: { now, sleep: () => Promise.resolve() }, random: systemRandom(), signer: log });
    return { store, reader, errors, agreed, down, asker, sealer, witnesses };
  }

  void it("AUD-12 stops sealing while its clock is far from that of every witness, and goes on when it is right again", async () => {
    let [ahead, now] = [3_600_000, T0];
    const { store, asker, sealer } = twoWitnesses([() => now + ahead, () => now + ahead], () => now);
    await tell(store, 1);
    await sealer.step();
    await asker.ask();
    const skew = asker.skewed();
    assert.ok(skew !== undefined && Math.abs(skew + 3_600_000) < 2_000);
    const errors: unknown[] = [];
    let steps = 0;
    let asked = Promise.resolve();
    const worker = createSealingWorker({
      signer: () => Promise.resolve(log),
      sealer: () => ({ step: () => Promise.resolve({ events: (steps += 1), more: false }) }),
      blocked: () => (asker.skewed() === undefined ? undefined : new Error("skewed")),
      onBlocked: () => void (asked = asker.ask()),
      onError: (error) => errors.push(error),
    });
    await worker.work();
    await asked;
    assert.deepEqual([steps, errors.length], [0, 1]);
    // Our clock is put right: no event was sealed since, and the witnesses sign the same checkpoint again.
    now += 3_600_000;
    ahead = 0;
    await worker.work();
    await asked;
    assert.equal(asker.skewed(), undefined);
    await worker.work();
    assert.deepEqual([steps, errors.length], [1, 2]);
  });

  void it("AUD-12 asks again for the time where the caller doubts the clock, and tells who agrees", async () => {
    let [now, theirs] = [T0, T0];
    const { store, asker, sealer, agreed, down } = twoWitnesses([() => theirs, () => theirs], () => now);
    await tell(store, 1);
    await sealer.step();
    await asker.ask();
    assert.deepEqual(agreed, [T0]);
    now += 3_600_000;
    await asker.ask();
    assert.equal(agreed.length, 1, "nothing to cosign, nobody asked");
    await asker.ask(true);
    assert.equal(agreed.length, 1, "their clocks say something else");
    down.add("w2");
    theirs = now;
    now += 10_000;
    await asker.ask(true);
    assert.deepEqual(agreed, [T0, now]);
  });

  void it("says so, once a minute, when a step never ends", async () => {
    let now = T0;
    const step = Promise.withResolvers<{ events: number; more: boolean }>();
    const errors: unknown[] = [];
    const worker = createSealingWorker({
      signer: () => Promise.resolve(log),
      sealer: () => ({ step: () => step.promise }),
      clock: { now: () => now },
      onError: (error) => errors.push(error),
    });
    const running = worker.work();
    for (let second = 0; second < 150; second++) {
      now += 1_000;
      void worker.work();
    }
    assert.match(errors.map(String).join(), /^Error: sealing stands still[^,]*,Error: sealing stands still[^,]*$/);
    // And goes on to do so where the clock is set back.
    now -= 86_400_000;
    for (let second = 0; second < 70; second++) {
      now += 1_000;
      void worker.work();
    }
    assert.equal(errors.length, 3);
    step.resolve({ events: 0, more: false });
    await running;
  });

  void it("AUD-12 is not stopped by one witness alone", async () => {
    const { store, asker, sealer, errors, down } = twoWitnesses([() => T0 + 3_600_000, () => T0]);
    down.add("w2");
    await tell(store, 1);
    await sealer.step();
    await asker.ask();
    assert.equal(asker.skewed(), undefined);
    assert.match(errors.join(), /from that of the one witness that answers/);
  });

  void it("keeps the newest checkpoint of each witness, and says how far each has come", async () => {
    const { store, asker, sealer, down, witnesses } = twoWitnesses([() => T0, () => T0]);
    const step = async (count: number): Promise<void> => {
      await tell(store, count);
      await sealer.step();
      await asker.ask();
    };
    const cosigned = async (): Promise<unknown> => {
      const report = await verifyStore({ store, log: log.verifier, witnesses: witnesses.map(({ verifier }) => verifier) });
      assert.ok(report.ok, JSON.stringify(report));
      return report.cosigned.map(({ size }) => size);
    };
    await step(1);
    assert.deepEqual(await cosigned(), [1, 1]);
    down.add("w2");
    await step(1);
    assert.deepEqual(await cosigned(), [2, 1]);
    down.clear();
    await asker.ask();
    assert.deepEqual(await cosigned(), [2, 2]);
    const text = (await createLogReader(store).checkpoint(true))?.text ?? "";
    const all = witnesses.map(({ verifier }) => verifier);
    assert.ok(openCheckpoint(text, log.verifier, all).ok, "the signatures of one size stand together");
  });
});
