import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { actorOf, anAccount, keep, seededRandom, testClock } from "#test/support/builders.ts";
import { createSimulatedKms } from "#test/simulation/kms.ts";
import { createCommitQueue, workOn } from "#commit/index.ts";
import { createIds } from "#kernel/ids.ts";
import type { AccountId, OrganisationId } from "#kernel/ids.ts";
import { accounts } from "#ledger/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import type { Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Fault } from "#storage/memory/memory-store.ts";
import { dataKeys, keyrings } from "./data-key-record.ts";
import type { DataKeyId } from "./data-key-record.ts";
import { readRotation } from "./key-rotation.ts";
import { openMetadata, sealMetadata } from "./metadata.ts";
import { createRotationWorker } from "./rotation-worker.ts";
import type { DataKey } from "./seal.ts";
import type { RotationWorker } from "./rotation-worker.ts";
import { sealedPlace } from "./sealed-places.ts";
import { startRotation } from "./start-rotation.ts";
import type { RotationBody } from "./start-rotation.ts";
import { createVault } from "./vault.ts";

const TABLE = "smartfinance-accounts";
const RUNS_MAX = 60;
const places = [sealedPlace({ collection: accounts, fields: ["metadata"], index: "OrganisationAccountsIndex", hashes: (id) => [id] })];

/** One database, and any number of nodes on it, each with its own vault, queue and worker. */
function bench() {
  const clock = testClock();
  const random = seededRandom(5);
  const kms = createSimulatedKms(random);
  const database = createMemoryDatabase();
  const ids = createIds(clock, random);
  const org = ids.next("organisation");
  const errors: unknown[] = [];
  const node = (fault: () => Fault = () => ({ kind: "none" })) => {
    const store = openMemoryStore(database, { clock, faults: fault });
    const vault = createVault({ store, kms, clock, ids, random });
    const queue = createCommitQueue({ store, clock, random });
    const deps = { store, vault, queue, kms, clock, ids, environment: "test" as const, places };
    const worker = createRotationWorker({ ...deps, onError: (error) => errors.push(error) });
    const start = (body: RotationBody = {}) => startRotation(deps, { actor: actorOf(org), idempotency: undefined }, body);
    return { store, vault, queue, worker, start };
  };
  const quiet = node();
  /** Stores accounts with metadata that tells which they are. */
  const fill = async (count: number): Promise<AccountId[]> => {
    const dataKey = await quiet.vault.dataKey(org);
    const made = Array.from({ length: count }, () => {
      const id = ids.next("account");
      return anAccount({ id, organisationId: org, metadata: sealMetadata(quiet.vault, dataKey, TABLE, id, { id }) });
    });
    await keep(quiet.store, accounts, made);
    return made.map(({ id }) => id);
  };
  const metadataOf = async (id: AccountId) => {
    const item = await quiet.store.get(TABLE, { hash: id });
    assert.ok(item);
    const { metadata } = accounts.fromItem(item);
    return { keyId: (metadata as { key_id?: string } | null)?.key_id, pairs: await openMetadata(quiet.vault, org, TABLE, id, metadata) };
  };
  const currentKey = async () => keyrings.fromItem((await quiet.store.get("smartfinance-data-keys", { hash: org })) ?? {}).currentKeyId;
  const rotation = async (id: string) => {
    const found = await readRotation(quiet.store, org as OrganisationId, id);
    assert.ok(found);
    return found;
  };
  return { clock, ids, kms, vault: quiet.vault, org, errors, node, quiet, fill, metadataOf, currentKey, rotation };
}

async function started(start: () => ReturnType<typeof startRotation>): Promise<string> {
  const executed = await start();
  assert.ok(executed.ok && executed.reply.status === 202, JSON.stringify(executed));
  return (JSON.parse(executed.reply.body) as { id: string }).id;
}

/** Lets workers run, in turns, until the rotation is complete. */
async function complete(made: ReturnType<typeof bench>, id: string, workers: readonly RotationWorker[]): Promise<void> {
  for (let run = 0; run < RUNS_MAX; run++) {
    await Promise.all(workers.map((worker) => worker.work()));
    if ((await made.rotation(id)).status === "completed") return;
    made.clock.time += 31_000;
  }
  assert.fail(`not completed: ${JSON.stringify((await made.rotation(id)).progress)} ${String(made.errors.at(-1))}`);
}

void describe("a rotation of data keys", () => {
  void it("ENC-07 goes on where a killed process left it: nothing twice, nothing left out", async () => {
    const made = bench();
    const all = await made.fill(300);
    const id = await started(made.quiet.start);
    const old = (await made.metadataOf(all[0] as AccountId)).keyId;
    let commits = 0;
    // The process is gone after its third commit: nothing of it reaches the store any more.
    const dying = made.node(() => ({ kind: commits > 3 ? "unavailable" : "none" }));
    const { store } = dying;
    const counted: Store = {
      ...store,
      commit(writes) {
        commits += 1;
        return store.commit(writes);
      },
    };
    const queue = createCommitQueue({ store: counted, clock: made.clock, random: seededRandom(3) });
    const kms = createSimulatedKms(seededRandom(1));
    const deps = { store, vault: made.quiet.vault, queue, kms, clock: made.clock, ids: made.ids, environment: "test" as const, places };
    await createRotationWorker({ ...deps, onError: (error) => made.errors.push(error) }).work();
    assert.ok(made.errors.length > 0);
    const half = (await made.rotation(id)).progress;
    assert.ok(half.rewritten > 0 && half.rewritten < 300, `${half.rewritten} rewritten`);
    // Another node leaves it alone while the killed one may be alive, and takes it over afterwards.
    const other = made.node();
    await other.worker.work();
    assert.deepEqual((await made.rotation(id)).progress, half);
    await complete(made, id, [other.worker]);
    const done = await made.rotation(id);
    assert.equal(done.progress.rewritten, 300);
    const current = await made.currentKey();
    for (const account of all) assert.deepEqual(await made.metadataOf(account), { keyId: current, pairs: { id: account } });
    const record = dataKeys.fromItem((await made.quiet.store.get("smartfinance-data-keys", { hash: String(old) })) ?? {});
    assert.equal(record.state, "retired");
  });

  void it("waits for no other one: that of a compromised key, which nobody can read by, begins while a long one is at work", async () => {
    const made = bench();
    await made.fill(45 * 60);
    const long = await started(made.quiet.start);
    const key = (await made.currentKey()) ?? "";
    let commits = 0;
    let urgent = "";
    let seen: string | undefined;
    const { store } = made.quiet;
    const counted: Store = {
      ...store,
      async commit(writes) {
        commits += 1;
        if (commits === 2) urgent = await started(() => made.quiet.start({ reason: "compromise", key_id: key as DataKeyId }));
        if (urgent !== "" && (await made.rotation(urgent)).progress.examined > 0) seen ??= (await made.rotation(long)).status;
        return store.commit(writes);
      },
    };
    const queue = createCommitQueue({ store: counted, clock: made.clock, random: seededRandom(3) });
    const { vault, kms } = made;
    const deps = { store, vault, queue, kms, clock: made.clock, ids: made.ids, environment: "test" as const, places };
    await createRotationWorker({ ...deps, onError: (error) => made.errors.push(error) }).work();
    assert.equal(seen, "running", `after ${commits} commits`);
    await complete(made, urgent, [made.quiet.worker]);
    await complete(made, long, [made.quiet.worker]);
  });

  void it("goes on within seconds where the store did not answer once, though a long one is at work", async () => {
    const made = bench();
    await made.fill(45 * 60);
    const long = await started(made.quiet.start);
    const key = (await made.currentKey()) ?? "";
    const urgent = await started(() => made.quiet.start({ reason: "compromise", key_id: key as DataKeyId }));
    const { store } = made.quiet;
    let failures = 0;
    let seen: string | undefined;
    const faulty: Store = {
      ...store,
      get(table, item) {
        if (item.hash !== urgent || failures > 0) return store.get(table, item);
        failures += 1;
        return Promise.reject(new StoreUnavailableError("throttled"));
      },
      async commit(writes) {
        made.clock.time += 500;
        if ((await made.rotation(urgent)).progress.examined > 0) seen ??= (await made.rotation(long)).status;
        return store.commit(writes);
      },
    };
    const queue = createCommitQueue({ store: faulty, clock: made.clock, random: seededRandom(3) });
    const { vault, kms } = made;
    const deps = { store: faulty, vault, queue, kms, clock: made.clock, ids: made.ids, environment: "test" as const, places };
    await createRotationWorker({ ...deps, onError: (error) => made.errors.push(error) }).work();
    assert.deepEqual([failures, made.errors.length], [1, 1]);
    assert.equal(seen, "running");
    await complete(made, urgent, [made.quiet.worker]);
    await complete(made, long, [made.quiet.worker]);
  });

  void it("makes no further pass because another process goes on with it, at the beginning of one or in its midst", async () => {
    for (const begun of [false, true]) {
      const made = bench();
      await made.fill(45 * 41);
      const id = await started(made.quiet.start);
      await made.quiet.worker.work();
      const { pass, rewritten } = (await made.rotation(id)).progress;
      assert.deepEqual([pass, rewritten], [2, 45 * 41]);
      made.clock.time += 31_000;
      if (begun) {
        // This one ends after its first commit of the second pass.
        const { store } = made.quiet;
        const stopping: Store = { ...store, commit: (writes) => stopped().then(() => store.commit(writes)) };
        const stopped = async (): Promise<void> => void first.stop();
        const queue = createCommitQueue({ store: stopping, clock: made.clock, random: seededRandom(3) });
        const { vault, kms, clock, ids } = made;
        const first = createRotationWorker({
          store,
          vault,
          queue,
          kms,
          clock,
          ids,
          environment: "test",
          places,
          onError: (error) => made.errors.push(error),
        });
        await first.work();
        made.clock.time += 10_000;
        await first.work();
        const { progress } = await made.rotation(id);
        assert.deepEqual([progress.pass, progress.examined], [2, 45 * 40]);
        made.clock.time += 31_000;
      }
      await complete(made, id, [made.node().worker]);
      assert.equal((await made.rotation(id)).progress.pass, 2);
    }
  });

  void it("takes fewer records at once where a commit could not take as many, because they are large", async () => {
    const made = bench();
    await made.fill(100);
    const { store, vault } = made.quiet;
    const narrow: Store = { ...store, limits: { ...store.limits, commitBytes: 20_000 } };
    const queue = createCommitQueue({ store: narrow, clock: made.clock, random: seededRandom(3) });
    const { kms, clock, ids } = made;
    const deps = { store: narrow, vault, queue, kms, clock, ids, environment: "test" as const, places };
    const worker = createRotationWorker({ ...deps, onError: (error) => made.errors.push(error) });
    const id = await started(made.quiet.start);
    await complete(made, id, [worker]);
    assert.equal((await made.rotation(id)).progress.rewritten, 100);
    assert.deepEqual(made.errors, []);
  });

  void it("leaves nothing under a blocked key that another node sealed in its last seconds, though the worker's clock is ahead", async () => {
    const made = bench();
    const key = (await made.quiet.vault.dataKey(made.org)).id;
    const other = made.node();
    await other.vault.dataKey(made.org);
    const id = await started(() => made.quiet.start({ reason: "compromise", key_id: key as DataKeyId }));
    const ahead = { now: () => made.clock.now() + 20_000, sleep: () => Promise.resolve() };
    const { store, vault, kms, ids } = { ...made, ...made.node() };
    const queue = createCommitQueue({ store, clock: ahead, random: seededRandom(3) });
    const deps = { store, vault, queue, kms, clock: ahead, ids, environment: "test" as const, places };
    const worker = createRotationWorker({ ...deps, onError: (error) => made.errors.push(error) });
    await worker.work();
    made.clock.time += 3_000;
    // It has not noticed yet.
    const account = ids.next("account");
    const metadata = sealMetadata(other.vault, await other.vault.dataKey(made.org), TABLE, account, { id: account });
    await keep(store, accounts, [anAccount({ id: account, organisationId: made.org, metadata })]);
    await complete(made, id, [worker]);
    assert.deepEqual((await made.metadataOf(account)).pairs, { id: account });
  });

  void it("ENC-07 loses no change made meanwhile, whatever fails, whoever works on it", async () => {
    const kind = fc.constantFrom(
      "none",
      "none",
      "none",
      "throttled",
      "timeout_written",
      "timeout_unwritten",
      "timeout_written_later",
      "unavailable",
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(kind, { maxLength: 60 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 70 }),
        async (kinds, nodes, count) => {
          const made = bench();
          const all = await made.fill(count);
          const id = await started(made.quiet.start);
          const faults = (): Fault => ({ kind: kinds.shift() ?? "none", laterBy: 3 });
          const workers = Array.from({ length: nodes }, () => made.node(faults).worker);
          const written = new Map<AccountId, string>();
          // A client changes metadata of some accounts while the workers run.
          const client = async (): Promise<void> => {
            for (const [n, account] of all.entries()) {
              if (n % 3 !== 0) continue;
              const dataKey = await made.quiet.vault.dataKey(made.org);
              const metadata = sealMetadata(made.quiet.vault, dataKey, TABLE, account, { id: `changed ${n}` });
              const executed = await made.quiet.queue.execute({
                actor: actorOf(made.org),
                needs: [{ collection: accounts, key: { hash: account }, mode: "write" }],
                decide(view) {
                  const work = workOn(view);
                  const found = work.get(accounts, { hash: account });
                  assert.ok(found);
                  work.put(accounts, { ...found, metadata, version: found.version + 1 });
                  work.tell({ id: made.ids.next("event"), type: "account.updated", objectId: account });
                  return work.outcome({ status: 200, body: "" });
                },
              });
              if (executed.ok) written.set(account, `changed ${n}`);
            }
          };
          await Promise.all([client(), ...workers.map((worker) => worker.work())]);
          await complete(made, id, workers);
          const current = await made.currentKey();
          for (const account of all) {
            const { keyId, pairs } = await made.metadataOf(account);
            assert.equal(keyId, current);
            assert.deepEqual(pairs, { id: written.get(account) ?? account });
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  void it("does nothing after it was stopped, and refuses a second scheduled rotation meanwhile", async () => {
    const made = bench();
    await made.fill(3);
    const id = await started(made.quiet.start);
    const again = await made.quiet.start();
    assert.ok(again.ok && again.reply.status === 409 && again.reply.body.includes("rotation_running"));
    await made.quiet.worker.stop();
    await made.quiet.worker.work();
    assert.equal((await made.rotation(id)).version, 1);
  });

  void it("counts what does not open, leaves it as it is, and ends all the same", async () => {
    const made = bench();
    const [one, two] = await made.fill(2);
    const item = await made.quiet.store.get(TABLE, { hash: one as string });
    assert.ok(item);
    const broken = { ...(item.metadata as object), ciphertext: Buffer.alloc(40).toString("base64") };
    await made.quiet.store.commit([{ op: "put", table: TABLE, item: { ...item, metadata: broken }, condition: "none" }]);
    const id = await started(made.quiet.start);
    await complete(made, id, [made.quiet.worker]);
    const { progress } = await made.rotation(id);
    assert.deepEqual([progress.rewritten, progress.unreadable], [1, 1]);
    assert.deepEqual((await made.quiet.store.get(TABLE, { hash: one as string }))?.metadata, broken);
    assert.deepEqual((await made.metadataOf(two as AccountId)).pairs, { id: two });
  });

  for (const late of [false, true])
    void it(`says so where a user has as many keys as he may have, ${late ? "also where it takes a third pass" : "what his key seals stays as it is, and all else is sealed anew"}`, async () => {
      const made = bench();
      const { vault, store } = made.quiet;
      const [own, other] = [made.ids.next("user"), made.ids.next("user")];
      const accountOf = async (user: typeof own, key?: DataKey): Promise<AccountId> => {
        const id = made.ids.next("account");
        const metadata = sealMetadata(vault, key ?? (await vault.userKey(made.org, user)), TABLE, id, { id });
        await keep(store, accounts, [anAccount({ id, organisationId: made.org, metadata })]);
        return id;
      };
      const [full, usual] = [await accountOf(own), await accountOf(other)];
      await made.fill(1);
      const ring = keyrings.fromItem((await store.get(keyrings.table, { hash: own })) ?? {});
      const keyIds = [...Array.from({ length: 49 }, () => made.ids.next("dataKey")), ...ring.keyIds];
      const item = keyrings.toItem({ ...ring, keyIds, version: 2 });
      await store.commit([{ op: "put", table: keyrings.table, item, condition: { version: 1 } }]);
      const before = (await made.metadataOf(usual)).keyId;
      const former = await vault.userKey(made.org, other);
      made.clock.time += 1_000;
      const id = await started(made.quiet.start);
      for (let run = 0; run < RUNS_MAX && (await made.rotation(id)).status === "running"; run++) {
        await made.quiet.worker.work();
        // What another node seals that has not noticed yet.
        if (late && run === 0) await accountOf(other, former);
        made.clock.time += 31_000;
      }
      const { status, fault, progress } = await made.rotation(id);
      assert.deepEqual([status, fault?.code, progress.rewritten], ["failed", "too_many_keys", late ? 3 : 2]);
      assert.match(fault?.detail ?? "", /^1 sealed text /);
      assert.deepEqual(await made.metadataOf(full), { keyId: ring.currentKeyId, pairs: { id: full } });
      assert.notEqual((await made.metadataOf(usual)).keyId, before);
      // It is over: another one may begin.
      await started(made.quiet.start);
    });

  void it("is refused when the organisation has as many keys as it may have", async () => {
    const made = bench();
    await made.fill(1);
    const stored = await made.quiet.store.get("smartfinance-data-keys", { hash: made.org });
    const ring = keyrings.fromItem(stored ?? {});
    const keyIds = [...Array.from({ length: 999 }, () => made.ids.next("dataKey")), ring.keyIds[0] as never];
    const item = keyrings.toItem({ ...ring, keyIds, version: 2 });
    await made.quiet.store.commit([{ op: "put", table: keyrings.table, item, condition: { version: 1 } }]);
    const executed = await made.quiet.start();
    assert.ok(executed.ok && executed.reply.status === 422 && executed.reply.body.includes("too_many_keys"));
    // One that is compromised is blocked and replaced all the same.
    const id = await started(() => made.quiet.start({ reason: "compromise", key_id: ring.keyIds[0] as DataKeyId }));
    await complete(made, id, [made.quiet.worker]);
    assert.equal((await made.rotation(id)).progress.rewritten, 1);
    assert.notEqual(await made.currentKey(), ring.keyIds[0]);
  });
});
