import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { actorOf, newId, T0, testIds } from "#test/support/builders.ts";
import { buildEvent } from "#audit/index.ts";
import { systemRandom } from "#kernel/random.ts";
import type { Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Kms } from "#vault/index.ts";
import { openLocalKms } from "#vault/index.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { INSTALLATION } from "./installation.ts";
import type { LogKeyDeps } from "./log-key.ts";
import { forgetFormerKeys, openLogKey } from "./log-key.ts";
import { parseNote } from "./note.ts";
import type { Signer } from "./note-keys.ts";
import { anyOf, parseVkey } from "./note-keys.ts";
import { rotateLogKey } from "./rotate-key.ts";
import { LOG_TABLE, stateFromItem, stateKey } from "./rows.ts";
import { createSealer, LogKeyChangedError, LogTamperedError } from "./sealer.ts";
import { verifyStore } from "./verify-store.ts";

const random = systemRandom();
const DAY = 24 * 60 * 60 * 1000;

void describe("rotation of the log's key", () => {
  let folder = "";
  let kms: Kms;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "smartfinance-rotate-"));
    kms = await openLocalKms({ file: join(folder, "kms.json"), random });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const scene = (store: Store = openMemoryStore(createMemoryDatabase())) => {
    const clock = { time: T0, now: () => clock.time, sleep: () => Promise.resolve() };
    const deps: LogKeyDeps & { ids: ReturnType<typeof testIds> } = { store, kms, clock, random, environment: "test", ids: testIds(5) };
    const sealerOf = (signer: Signer) => createSealer({ store, clock, random, signer });
    const checkpoint = async (): Promise<string> => {
      const item = await store.get(LOG_TABLE, stateKey);
      assert.ok(item);
      return stateFromItem(item).checkpoint;
    };
    const tell = async (): Promise<void> => {
      const { item } = buildEvent({ id: newId("event"), type: "deposit.posted", objectId: "txn" }, actorOf(), clock.time);
      await store.commit([{ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" }]);
    };
    return { store, clock, deps, sealerOf, checkpoint, tell };
  };

  void it("signs with both keys while they overlap, and with the new one alone afterwards", async () => {
    const { deps, clock, sealerOf, checkpoint, tell, store } = scene();
    const old = await openLogKey(deps);
    await tell();
    await sealerOf(old).step();
    const rotated = await rotateLogKey(deps, 30 * DAY);
    assert.notEqual(rotated.verifier.vkey, old.verifier.vkey);
    assert.equal(rotated.verifier.name, old.verifier.name);
    assert.equal(rotated.before.until, T0 + 30 * DAY);

    const current = await openLogKey(deps);
    assert.equal(current.verifier.vkey, rotated.verifier.vkey);
    await tell();
    const sealed = await sealerOf(current).step();
    assert.equal(sealed.events, 2, "the rotation is an event itself");
    const both = await checkpoint();
    assert.equal(parseNote(both)?.signatures.length, 2);
    for (const verifier of [old.verifier, current.verifier]) assert.ok(openCheckpoint(both, verifier).ok);
    const ring = anyOf([old.verifier, current.verifier]);
    assert.ok(ring);
    const report = await verifyStore({ store, log: ring });
    assert.ok(report.ok, JSON.stringify(report));

    clock.time += 30 * DAY;
    const later = await openLogKey(deps);
    await tell();
    await sealerOf(later).step();
    const alone = await checkpoint();
    assert.equal(parseNote(alone)?.signatures.length, 1);
    assert.deepEqual(openCheckpoint(alone, old.verifier), { ok: false, fault: "unsigned" });
    assert.ok(openCheckpoint(alone, current.verifier).ok);
    assert.ok(openCheckpoint(alone, ring).ok);
    assert.equal(await forgetFormerKeys(deps), 0);
    const row = await store.get(LOG_TABLE, { hash: "key" });
    assert.deepEqual(row?.["former"], [], "the seed is forgotten when its time is over");
    assert.deepEqual(row["retired"], [old.verifier.vkey]);
  });

  void it("ends every key before at once where there is no overlap", async () => {
    const { deps, checkpoint } = scene();
    const first = await openLogKey(deps);
    const second = await rotateLogKey(deps, DAY);
    const third = await rotateLogKey(deps, 0);
    assert.equal(third.before.verifier.vkey, second.verifier.vkey);
    assert.equal(third.before.until, undefined);
    const text = await checkpoint();
    assert.ok(openCheckpoint(text, third.verifier).ok);
    for (const verifier of [first.verifier, second.verifier]) assert.ok(!openCheckpoint(text, verifier).ok);
    assert.deepEqual(
      (await openLogKey(deps)).retired?.map(({ vkey }) => vkey),
      [second.verifier.vkey, first.verifier.vkey],
    );
  });

  void it("leaves an event of the installation that names both keys", async () => {
    const { deps, store } = scene();
    const old = await openLogKey(deps);
    const { verifier } = await rotateLogKey(deps, DAY);
    const [event] = (await store.feed(undefined, 10)).items;
    assert.equal(event?.["organisation_id"], INSTALLATION);
    assert.equal(event["event_type"], "audit_log.key_rotated");
    assert.deepEqual(event["details"], { from: old.verifier.vkey, to: verifier.vkey, overlap_seconds: 86_400 });
  });

  void it("makes a running sealer open the key anew instead of crying for help", async () => {
    const { deps, sealerOf, tell } = scene();
    const running = sealerOf(await openLogKey(deps));
    await tell();
    await running.step();
    await rotateLogKey(deps, DAY);
    await tell();
    const lost = await running.step();
    assert.deepEqual(lost, { events: 0, more: true }, "its state is not the newest any more");
    await assert.rejects(running.step(), LogKeyChangedError);
    assert.equal((await sealerOf(await openLogKey(deps)).step()).events, 2);
  });

  void it("does not go on from a state of the key before: who has stolen that one signs nothing any more", async () => {
    const { deps, store, sealerOf } = scene();
    const stolen = await openLogKey(deps);
    const before = await store.get(LOG_TABLE, stateKey);
    assert.ok(before);
    await rotateLogKey(deps, 0);
    const state = await store.get(LOG_TABLE, stateKey);
    await store.commit([{ op: "put", table: LOG_TABLE, item: { ...before, version: Number(state?.["version"]) }, condition: "none" }]);
    await assert.rejects(sealerOf(await openLogKey(deps)).step(), LogTamperedError);
    await assert.rejects(rotateLogKey(deps, DAY), LogTamperedError);
    assert.ok(parseVkey(stolen.verifier.vkey));
  });

  void it("follows another one that came between the key and the state that it reads", async () => {
    const inner = openMemoryStore(createMemoryDatabase());
    let other: (() => Promise<unknown>) | undefined;
    const { deps } = scene({
      ...inner,
      async get(table, key) {
        if (table === LOG_TABLE && key.hash === stateKey.hash) {
          const come = other;
          other = undefined;
          await come?.();
        }
        return inner.get(table, key);
      },
    });
    const first = await openLogKey(deps);
    other = () => rotateLogKey({ ...deps, store: inner }, DAY);
    const last = await rotateLogKey(deps, DAY);
    const now = await openLogKey(deps);
    assert.equal(now.verifier.vkey, last.verifier.vkey);
    assert.deepEqual(
      now.retired?.map(({ vkey }) => vkey),
      [last.before.verifier.vkey, first.verifier.vkey],
    );
  });

  void it("settles among sealers that write at the same time, and over a store whose answers get lost", async () => {
    const database = createMemoryDatabase();
    let lost = 0;
    const inner = openMemoryStore(database);
    const store: Store = {
      ...inner,
      async commit(writes) {
        const result = await inner.commit(writes);
        const isRotation = writes.some((write) => write.op === "put" && write.item["id"] === "key");
        if (!isRotation || result.outcome !== "committed" || lost++ > 0) return result;
        return { outcome: "unknown", cause: "the answer got lost" };
      },
    };
    const { deps, tell, sealerOf } = scene(store);
    const plain = { ...deps, store: inner };
    const sealing = sealerOf(await openLogKey(plain));
    await tell();
    const [rotated] = await Promise.all([rotateLogKey(deps, DAY), sealing.step().catch(() => undefined)]);
    assert.equal((await openLogKey(plain)).verifier.vkey, rotated.verifier.vkey);
    assert.equal(lost > 0, true);
    const rotations = (await inner.feed(undefined, 100)).items.filter(({ event_type }) => event_type === "audit_log.key_rotated");
    assert.equal(rotations.length, 1);
  });
});
