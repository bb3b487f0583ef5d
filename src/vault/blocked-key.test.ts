import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { createCommitQueue } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import { createIds } from "#kernel/ids.ts";
import { systemRandom } from "#kernel/random.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { createKeyHealth } from "./key-health.ts";
import { readRotation } from "./key-rotation.ts";
import { runKmsCommand } from "./kms-command.ts";
import { KmsKeyUnusableError, KmsUnavailableError } from "./kms.ts";
import type { Kms } from "./kms.ts";
import { openLocalKms } from "./local-kms.ts";
import { createRotationWorker } from "./rotation-worker.ts";
import { startRotation } from "./start-rotation.ts";
import type { RotationBody } from "./start-rotation.ts";
import { createVault } from "./vault.ts";

const random = systemRandom();
let directory = "";
let files = 0;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "smartfinance-blocked-"));
});
after(() => rm(directory, { recursive: true }));

/** An organisation on a key file of its own, and the operator's commands on that file. */
async function bench(wrap: (kms: Kms) => Kms = (kms) => kms) {
  const clock: { time: number } & Clock = { time: 1_700_000_000_000, now: () => clock.time, sleep: async () => {} };
  const file = join(directory, `${++files}.json`);
  const kms = wrap(await openLocalKms({ file, random, clock }));
  const ids = createIds(clock, random);
  const organisation = ids.next("organisation");
  const actor = { organisationId: organisation, apiKeyId: null, ip: null, userAgent: null, requestId: null };
  const store = openMemoryStore(createMemoryDatabase(), { clock });
  const vault = createVault({ store, kms, clock, ids, random });
  const queue = createCommitQueue({ store, clock, random });
  const deps = { store, vault, queue, kms, clock, ids, environment: "test" as const, places: [] };
  const errors: unknown[] = [];
  const worker = createRotationWorker({ ...deps, onError: (error) => errors.push(error) });
  const start = async (body: RotationBody) => {
    const executed = await startRotation(deps, { actor, idempotency: undefined }, body);
    assert.ok(executed.ok);
    return { http: executed.reply.status, ...(JSON.parse(executed.reply.body) as { id: string; code?: string }) };
  };
  const command = (...args: string[]) =>
    runKmsCommand(args, { file, local: true, random, facts: { environment: "test", now: clock.now() } });
  const rotation = async (id: string) => {
    const found = await readRotation(store, organisation, id);
    assert.ok(found);
    return found;
  };
  return { clock, kms, vault, organisation, worker, errors, start, command, rotation, health: createKeyHealth({ kms, vault, clock }) };
}

const blocked = (error: unknown): boolean => error instanceof KmsKeyUnusableError && error.outage === "key_blocked";

void describe("ENC-07 a wrapping key that is blocked", () => {
  void it("takes effect within five seconds on data keys in memory, handles in use included, and is taken back as fast", async () => {
    const { clock, vault, organisation, command, health } = await bench();
    const key = await vault.dataKey(organisation);
    assert.equal(await health(), "ok");
    await command("kms-key-state", "1", "compromised");
    clock.time += 5_000;
    await assert.rejects(vault.dataKey(organisation), blocked);
    assert.equal(key.blocked, "all");
    await assert.rejects(vault.dataKeyById(organisation, key.id), blocked);
    assert.equal(await health(), "key_blocked");
    await command("kms-key-state", "1", "retired");
    assert.equal((await vault.dataKey(organisation)).id, key.id);
    clock.time += 61_000;
    assert.equal(await health(), "ok");
  });

  void it("is told as no longer than it is where the clock is set back meanwhile", async () => {
    let down = false;
    const { clock, vault, organisation, command, health } = await bench((kms) => ({
      ...kms,
      describe: () => (down || kms.describe === undefined ? Promise.reject(new KmsUnavailableError("down")) : kms.describe()),
    }));
    await vault.dataKey(organisation);
    await command("kms-key-state", "1", "compromised");
    clock.time += 5_000;
    await assert.rejects(vault.dataKey(organisation), blocked);
    await command("kms-key-state", "1", "retired");
    await vault.dataKey(organisation);
    clock.time -= 86_400_000;
    assert.equal(await health(), "ok");
    down = true;
    clock.time -= 86_400_000;
    assert.equal(await health(), "kms_unavailable");
  });

  void it("is bridged from memory while the service only does not answer", async () => {
    let down = false;
    const { clock, vault, organisation, health } = await bench((kms) => ({
      ...kms,
      blocked: (id) => (down ? Promise.reject(new KmsUnavailableError("down")) : (kms.blocked?.(id) ?? Promise.resolve(false))),
      describe: () => (down || kms.describe === undefined ? Promise.reject(new KmsUnavailableError("down")) : kms.describe()),
    }));
    const { id } = await vault.dataKey(organisation);
    down = true;
    clock.time += 60_000;
    assert.equal((await vault.dataKey(organisation)).id, id);
    assert.equal(await health(), "kms_unavailable");
  });

  void it("fails a rotation that would need it, told once; after it is retired everything moves and it can go", async () => {
    const { clock, vault, organisation, worker, errors, start, command, rotation } = await bench();
    const { id: dataKey } = await vault.dataKey(organisation);
    assert.match(
      String(await command("kms-key-state", "1", "compromised")),
      /local\/2 has been made[^]*WARNING[^]*kms-key-state 1 retired/,
    );
    clock.time += 5_000;
    const first = await start({ target: "wrapping_keys" });
    assert.equal(first.http, 202);
    assert.deepEqual((await start({ target: "wrapping_keys" })).code, "rotation_running");
    for (let round = 0; round < 3; round++) await worker.work();
    const failed = await rotation(first.id);
    assert.deepEqual([failed.status, failed.fault?.code, failed.completedAt], ["failed", "key_blocked", null]);
    assert.match(String(failed.fault?.detail), /kms-key-state 1 retired/);
    assert.equal(errors.length, 1);

    await command("kms-key-state", "1", "retired");
    const second = await start({ target: "wrapping_keys" });
    assert.equal(second.http, 202);
    for (let round = 0; round < 5; round++) {
      await worker.work();
      clock.time += 11_000;
    }
    const done = await rotation(second.id);
    assert.deepEqual([done.status, done.fault, done.progress.rewritten], ["completed", null, 1]);
    await command("kms-key-state", "1", "compromised");
    clock.time += 301_000;
    assert.equal((await vault.dataKeyById(organisation, dataKey)).id, dataKey);
    assert.equal((await start({ target: "wrapping_keys" })).http, 202);
  });

  void it("shows what holds up a rotation while the service does not answer, and goes on by itself", async () => {
    let down = true;
    const { clock, vault, organisation, worker, errors, start, rotation } = await bench((kms) => ({
      ...kms,
      reEncrypt: (...args) =>
        down || kms.reEncrypt === undefined ? Promise.reject(new KmsUnavailableError("the KMS did not answer")) : kms.reEncrypt(...args),
    }));
    await vault.dataKey(organisation);
    clock.time += 1_000;
    const { id } = await start({ target: "wrapping_keys" });
    for (let round = 0; round < 4; round++) await worker.work();
    assert.deepEqual((await rotation(id)).fault, { code: "kms_unavailable", detail: "the KMS did not answer" });
    assert.equal(errors.length, 1);
    down = false;
    for (let round = 0; round < 5; round++) {
      await worker.work();
      clock.time += 11_000;
    }
    const done = await rotation(id);
    assert.deepEqual([done.status, done.fault], ["completed", null]);
  });

  void it("of a number that was not current is told without a new one", async () => {
    const { command } = await bench();
    assert.match(String(await command("rotate-kms-key")), /local\/2 from now on/);
    const told = String(await command("kms-key-state", "1", "retired"));
    assert.match(told, /^local\/1 is retired; the current key is local\/2\. What local\/1 wraps still opens/);
    assert.equal(await command("kms-key-state", "1", "enabled"), "local/1 is enabled; the current key is local/2");
    assert.doesNotMatch(String(await command("kms-key-state", "1", "compromised")), /has been made/);
  });
});
