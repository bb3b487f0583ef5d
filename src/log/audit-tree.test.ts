import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seededRandom, T0 } from "#test/support/builders.ts";
import type { BuiltEvent } from "#audit/index.ts";
import { createIds } from "#kernel/ids.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { KmsUnavailableError } from "#vault/index.ts";
import type { AuditTree } from "./audit-tree.ts";
import { createAuditTree } from "./audit-tree.ts";
import { checkpointText } from "./checkpoint.ts";
import { EMPTY_ROOT } from "./hashing.ts";
import { keyRowOf } from "./log-key.ts";
import { formatNote } from "./note.ts";
import { signerOf } from "./note-keys.ts";
import { logKeyKey, stateKey } from "./rows.ts";
import { LogTamperedError } from "./trusted-state.ts";

const DAY = 24 * 3_600_000;

function scene(monotonic?: () => number) {
  const clock = { time: T0, now: () => clock.time, sleep: () => Promise.resolve() };
  const store = openMemoryStore(createMemoryDatabase());
  const random = seededRandom(3);
  const told: BuiltEvent[] = [];
  const seeds: Buffer[] = [];
  const service = { away: false };
  const errors: string[] = [];
  const start = (ran?: () => number): AuditTree =>
    createAuditTree({
      store,
      clock,
      random,
      ids: createIds(clock, random),
      queue: { execute: () => assert.fail("nothing to commit") } as never,
      kms: {
        generateDataKey() {
          const plaintext = Buffer.alloc(32, seeds.length + 1);
          seeds.push(Buffer.from(plaintext));
          return Promise.resolve({ plaintext, wrapped: `${seeds.length - 1}`, kmsKeyId: "k" });
        },
        decrypt: (wrapped) =>
          service.away ? Promise.reject(new KmsUnavailableError("away")) : Promise.resolve(Buffer.from(seeds[Number(wrapped)] ?? "")),
      },
      environment: "test",
      monotonic: ran,
      witnesses: [],
      onEvent: (event) => told.push(event),
      onError: (error, what) => (service.away ? void errors.push(what) : assert.fail(String(error))),
    });
  const former = async (): Promise<number> => keyRowOf((await store.get("smartfinance-log", logKeyKey)) ?? {}).former.length;
  return { clock, store, tree: start(monotonic), start, former, told, random, service, errors };
}

void describe("a rotation of a running log", () => {
  void it("tells its event, and the seed before is gone from the store when its time is over, without a new start", async () => {
    const { clock, store, tree, told, former } = scene();
    await tree.rotateKey(DAY);
    const { partition, event_id } = told[0]?.item ?? {};
    const kept = await store.get("smartfinance-audit-logs", { hash: String(partition), range: String(event_id) });
    assert.equal(kept?.["event_type"], "audit_log.key_rotated");
    assert.equal((await tree.signer()).former?.length, 1);
    await tree.watch();
    assert.equal(await former(), 1);
    clock.time += DAY;
    await tree.watch();
    assert.deepEqual([await former(), (await tree.signer()).former?.length], [0, 0]);
  });
});

void describe("a key whose former one is to be forgotten by a clock that was set ahead", () => {
  void it("stays until that clock is believed: its seed would not come back", async () => {
    let ran = 0;
    const { clock, tree, former } = scene(() => ran);
    await tree.rotateKey(DAY);
    await tree.worker.work();
    clock.time += 400 * DAY;
    await tree.watch();
    clock.time -= 400 * DAY;
    await tree.watch();
    assert.deepEqual([await former(), (await tree.signer()).former?.length], [1, 1]);
    // A machine that was suspended: doubted for a while, then believed.
    clock.time += DAY;
    await tree.watch();
    assert.equal(await former(), 1);
    clock.time += 15 * 60_000;
    ran += 15 * 60_000;
    await tree.watch();
    assert.equal(await former(), 0);
  });
});

void describe("a key whose former one is to be forgotten by a process that began with a clock far ahead", () => {
  void it("stays for a quarter of an hour, and is opened again once the clock was set back", async () => {
    const { clock, tree, start, former } = scene();
    await tree.rotateKey(DAY);
    clock.time += 400 * DAY;
    let ran = 0;
    const begun = start(() => ran);
    const pass = async (ms: number): Promise<void> => {
      clock.time += ms;
      ran += ms;
      await begun.watch();
    };
    await begun.signer();
    await pass(5_000);
    await pass(14 * 60_000);
    assert.equal(await former(), 1);
    clock.time -= 400 * DAY;
    await pass(60_000);
    assert.deepEqual([await former(), (await begun.signer()).former?.length], [1, 1]);
    await pass(DAY);
    assert.deepEqual([await former(), (await begun.signer()).former?.length], [0, 0]);
    // One that is right about it forgets what nobody forgot while it was over.
    await tree.rotateKey(DAY);
    clock.time += DAY;
    const later = start(() => ran);
    await later.signer();
    ran += 15 * 60_000;
    clock.time += 15 * 60_000;
    await later.watch();
    assert.equal(await former(), 0);
  });
});

void describe("a key whose former one is to be forgotten while the KMS is away", () => {
  void it("stays at hand: what is in memory needs nobody", async () => {
    const { clock, store, tree, service, errors } = scene();
    await tree.rotateKey(DAY);
    await tree.worker.work();
    await tree.signer();
    clock.time += DAY;
    service.away = true;
    await tree.watch();
    assert.deepEqual(errors, ["the former key of the audit log not forgotten"]);
    assert.equal((await tree.signer()).former?.length, 1);
    assert.equal((await tree.signedHead())?.size, 1);
    service.away = false;
    await tree.watch();
    assert.deepEqual([keyRowOf((await store.get("smartfinance-log", logKeyKey)) ?? {}).former, (await tree.signer()).former], [[], []]);
  });

  void it("and where there is none to forget, nobody is asked and nothing is told", async () => {
    const { start, service, errors } = scene();
    let ran = 0;
    const tree = start(() => ran);
    await tree.signer();
    service.away = true;
    for (; ran < 20 * 60_000; ran += 60_000) await tree.watch();
    assert.deepEqual(errors, []);
  });
});

void describe("the head that is archived", () => {
  void it("is one that the log has signed, also with a key that another node gave it", async () => {
    const { clock, store, tree, random } = scene();
    assert.equal((await tree.signedHead())?.size, undefined);
    await tree.rotateKey(0);
    await tree.worker.work();
    assert.equal((await tree.signedHead())?.size, 1);
    const before = await store.get("smartfinance-log", stateKey);
    assert.ok(before);
    const thief = signerOf((await tree.signer()).verifier.name, "signature", random.bytes(32));
    const text = checkpointText({ origin: thief.verifier.name, size: 1_000, root: EMPTY_ROOT });
    const checkpoint = formatNote({ text, signatures: [thief.sign(text, clock.now())] });
    for (const forged of [{ size: 1_000 }, { size: 1_000, checkpoint }]) {
      await store.commit([{ op: "put", table: "smartfinance-log", item: { ...before, ...forged }, condition: "none" }]);
      await assert.rejects(tree.signedHead(), LogTamperedError);
    }
    await store.commit([{ op: "put", table: "smartfinance-log", item: before, condition: "none" }]);
    assert.equal((await tree.signedHead())?.size, 1);
  });
});
