import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, anAccount, keep, seededRandom, testClock } from "#test/support/builders.ts";
import { createSimulatedKms } from "#test/simulation/kms.ts";
import { createCommitQueue } from "#commit/index.ts";
import { createIds } from "#kernel/ids.ts";
import type { UserId } from "#kernel/ids.ts";
import { accounts } from "#ledger/index.ts";
import type { Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { DataKeyId } from "./data-key-record.ts";
import { readRotation, ROTATIONS_TABLE } from "./key-rotation.ts";
import type { Kms } from "./kms.ts";
import { openMetadata, sealMetadata } from "./metadata.ts";
import type { RotationWorker } from "./rotation-worker.ts";
import { createRotationWorker } from "./rotation-worker.ts";
import { sealedPlace } from "./sealed-places.ts";
import { startRotation } from "./start-rotation.ts";
import { createVault } from "./vault.ts";

const TABLE = "smartfinance-accounts";
const places = [sealedPlace({ collection: accounts, fields: ["metadata"], index: "OrganisationAccountsIndex", hashes: (id) => [id] })];

/** Nodes over one database and with one clock. */
function nodes() {
  const database = createMemoryDatabase();
  const clock = testClock();
  const simulated = createSimulatedKms(seededRandom(1));
  let seed = 1;
  const node = (kms: Kms = simulated) => {
    const random = seededRandom((seed += 1));
    const ids = createIds(clock, random);
    const inner = openMemoryStore(database, { clock });
    const fails = { next: false };
    const store: Store = {
      ...inner,
      get(table, key) {
        if (!fails.next || table !== ROTATIONS_TABLE) return inner.get(table, key);
        fails.next = false;
        return Promise.reject(new StoreUnavailableError("away"));
      },
    };
    const vault = createVault({ store, kms, clock, ids, random });
    const queue = createCommitQueue({ store, clock, random });
    const deps = { store, vault, queue, kms, clock, ids, environment: "test" as const, places };
    return { ...deps, fails, worker: createRotationWorker({ ...deps, onError: () => undefined }) };
  };
  return { clock, simulated, node };
}

void describe("a rotation whose page waits for the key management service", () => {
  void it("seals nothing under a key that was blocked meanwhile", async () => {
    const { clock, simulated, node } = nodes();
    const first = node();
    const [org, one, other] = [first.ids.next("organisation"), first.ids.next("user"), first.ids.next("user")];
    // More than one page, so that the slow node has the lease when it comes to the last ones.
    const all = Array.from({ length: 50 }, (_, n) => ({ user: n < 49 ? one : other, id: first.ids.next("account") }));
    for (const { user, id } of all) {
      const metadata = sealMetadata(first.vault, await first.vault.userKey(org, user), TABLE, id, { id });
      await keep(first.store, accounts, [anAccount({ id, organisationId: org, metadata })]);
    }
    const block = async (keyId: string): Promise<string> => {
      const body = { reason: "compromise", key_id: keyId as DataKeyId } as const;
      const executed = await startRotation(first, { actor: actorOf(org), idempotency: undefined }, body);
      assert.ok(executed.ok && executed.reply.status === 202);
      return (JSON.parse(executed.reply.body) as { id: string }).id;
    };
    const slowly = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const slow = node({
      ...simulated,
      decrypt: async (wrapped, context, id) => {
        if (context.user_id === other) {
          asked.resolve();
          await slowly.promise;
        }
        return simulated.decrypt(wrapped, context, id);
      },
    });

    const old = (await first.vault.userKey(org, one)).id;
    const began = await block(old);
    // The first text of its page is sealed anew, the second one's key does not come.
    const working = slow.worker.work();
    await asked.promise;
    const next = (await first.vault.userKey(org, one)).id;
    assert.notEqual(next, old);
    const again = await block(next);
    const finish = async (id: string): Promise<void> => {
      for (let run = 0; run < 20; run++) {
        await first.worker.work();
        if ((await readRotation(first.store, org, id))?.status === "completed") return;
        clock.time += 11_000;
      }
      assert.fail("not completed");
    };
    // The other node takes its own, and not the one that is worked on.
    for (let run = 0; run < 2; run++) {
      await first.worker.work();
      clock.time += 11_000;
    }
    await first.worker.work();
    slowly.resolve();
    await working;
    await finish(began);
    await finish(again);
    for (const { id } of all) {
      const { metadata } = accounts.fromItem((await first.store.get(TABLE, { hash: id })) ?? {});
      assert.deepEqual(await openMetadata(first.vault, org, TABLE, id, metadata), { id });
    }
  });
});

/** An organisation with a user of 49 texts and one of a single text, and a rotation that was begun. */
async function longPass() {
  const { clock, simulated, node } = nodes();
  const first = node();
  const [org, one, other] = [first.ids.next("organisation"), first.ids.next("user"), first.ids.next("user")];
  const open = async (at: ReturnType<typeof node>, user: UserId) => {
    const id = at.ids.next("account");
    const metadata = sealMetadata(at.vault, await at.vault.userKey(org, user), TABLE, id, { id });
    await keep(at.store, accounts, [anAccount({ id, organisationId: org, metadata })]);
    return id;
  };
  for (let n = 0; n < 49; n++) await open(first, one);
  await open(first, other);
  const old = (await first.vault.userKey(org, other)).id;
  const beside = node();
  clock.time += 60_000;
  const executed = await startRotation(first, { actor: actorOf(org), idempotency: undefined }, {});
  assert.ok(executed.ok && executed.reply.status === 202);
  const { id: rotation } = JSON.parse(executed.reply.body) as { id: string };
  /** A service that gives the key of the second user late, and just before another node looks which one it has to seal under. */
  const late = (meanwhile: () => Promise<void> = () => Promise.resolve()): Kms => ({
    ...simulated,
    decrypt: async (wrapped, context, id) => {
      if (context.data_key_id === old) {
        await meanwhile();
        clock.time += 11_000;
        assert.equal((await beside.vault.userKey(org, other)).id, old);
      }
      return simulated.decrypt(wrapped, context, id);
    },
  });
  const isDone = async (): Promise<boolean> => (await readRotation(first.store, org, rotation))?.status === "completed";
  /** The other node seals a text of the second user; the rotation is to have it under the new key in the end. */
  const leavesNothing = async (worker: RotationWorker): Promise<void> => {
    const text = await open(beside, other);
    for (let run = 0; run < 20 && !(await isDone()); run++) {
      await worker.work();
      clock.time += 5_000;
    }
    assert.ok(await isDone());
    const { metadata } = accounts.fromItem((await first.store.get(TABLE, { hash: text })) ?? {});
    assert.notEqual(metadata?.["key_id"], old);
    assert.deepEqual(await openMetadata(first.vault, org, TABLE, text, metadata), { id: text });
  };
  return { clock, node, late, leavesNothing };
}

void describe("a rotation whose pass takes longer than other nodes remember a key", () => {
  void it("leaves nothing under a key that it replaced late in the pass", async () => {
    const { clock, node, late, leavesNothing } = await longPass();
    const slow = node(late());
    await slow.worker.work();
    clock.time += 1_000;
    await leavesNothing(slow.worker);
  });

  void it("nor where another node takes it over after the pass, which met the rotation long before", async () => {
    const { clock, node, late, leavesNothing } = await longPass();
    const next = node();
    const slow = node(late(() => next.worker.work()));
    await slow.worker.work();
    // The store fails once, which gives the rotation back.
    slow.fails.next = true;
    await slow.worker.work();
    clock.time += 1_000;
    await next.worker.work();
    await leavesNothing(next.worker);
  });
});
