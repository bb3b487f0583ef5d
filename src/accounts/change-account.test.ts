import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, anAccount, keep, seededRandom, testClock } from "#test/support/builders.ts";
import { createSimulatedKms } from "#test/simulation/kms.ts";
import { createCommitQueue } from "#commit/index.ts";
import type { CommitQueue } from "#commit/index.ts";
import { createIds } from "#kernel/ids.ts";
import { accounts } from "#ledger/index.ts";
import type { Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { createVault, KmsUnavailableError, openMetadata, sealMetadata } from "#vault/index.ts";
import { changeAccountStatus, changeAccountTerms } from "./change-account.ts";

const TABLE = "smartfinance-accounts";

/** An account with metadata, and a node that is changing it while another one seals it anew, `times` times, under a new key each. */
async function bench(times: number) {
  const clock = testClock();
  const random = seededRandom(6);
  const memory = openMemoryStore(createMemoryDatabase(), { clock });
  /** Milliseconds that the next read of the account takes. */
  const slow = { readMs: 0 };
  const store: Store = {
    ...memory,
    async get(table, key) {
      if (table === TABLE) clock.time += slow.readMs;
      return memory.get(table, key);
    },
  };
  const ids = createIds(clock, random);
  const organisationId = ids.next("organisation");
  const kms = createSimulatedKms(random);
  const node = () => createVault({ store, kms, clock, ids, random });
  const vault = node();
  const other = node();
  const inner = createCommitQueue({ store, clock, random });
  const id = ids.next("account");
  const binding = { organisation_id: organisationId, table: TABLE, record: id, field: "metadata" };
  const metadata = sealMetadata(vault, await vault.dataKey(organisationId), TABLE, id, { a: "b" });
  await keep(store, accounts, [anAccount({ id, organisationId, metadata })]);
  const read = async () => accounts.fromItem((await store.get(TABLE, { hash: id })) ?? {});
  let left = times;
  const queue: CommitQueue = {
    ...inner,
    async execute(command) {
      for (; left > 0; left--) {
        const account = await read();
        const old = await other.dataKey(organisationId);
        const next = await other.replaceKey({ organisationId, userId: null, purpose: "data-key" }, old.id as never);
        assert.ok(next !== undefined && next.id !== old.id);
        const text = JSON.stringify(await openMetadata(other, organisationId, TABLE, id, account.metadata));
        const item = accounts.toItem({ ...account, metadata: { ...other.seal(next, binding, text) }, version: account.version + 1 });
        const written = await store.commit([{ op: "put", table: TABLE, item, condition: { version: account.version } }]);
        assert.equal(written.outcome, "committed");
      }
      return inner.execute(command);
    },
  };
  const asked = { actor: actorOf(organisationId), idempotency: undefined };
  const rotate = async (): Promise<void> => {
    const { id: old } = await other.dataKey(organisationId);
    assert.ok(await other.replaceKey({ organisationId, userId: null, purpose: "data-key" }, old as never));
  };
  return { deps: { store, queue, vault, ids, clock }, id, asked, read, rotate, slow };
}

void describe("changing an account whose metadata a rotation of keys seals anew meanwhile", () => {
  void it("shows the metadata, under whatever key it is by then", async () => {
    for (const times of [1, 9]) {
      const { deps, id, asked, read } = await bench(times);
      const executed = await changeAccountStatus(deps, asked, id, "freeze");
      assert.ok(executed.ok && executed.reply.status === 200, JSON.stringify(executed));
      const body = JSON.parse(executed.reply.body) as { status: string; metadata: unknown };
      assert.deepEqual([body.status, body.metadata], ["frozen", { a: "b" }]);
      assert.equal((await read()).version, 2 + times);
    }
  });

  void it("shows metadata that the change itself brings", async () => {
    const { deps, id, asked, rotate, slow } = await bench(0);
    const put = async (pairs: Record<string, string>): Promise<void> => {
      const executed = await changeAccountTerms(deps, asked, id, { metadata: pairs }, undefined);
      assert.ok(executed.ok && executed.reply.status === 200, JSON.stringify(executed));
      assert.deepEqual((JSON.parse(executed.reply.body) as { metadata: unknown }).metadata, pairs);
    };
    await put({ c: "d" });
    // The stored metadata is under the first key, the body's under the second, and this node learns of the third in between.
    await rotate();
    deps.clock.time += 6_000;
    await deps.vault.dataKey(asked.actor.organisationId);
    await rotate();
    slow.readMs = 6_000;
    await put({ g: "h" });
  });
});

void describe("changing an account while the key service does not answer", () => {
  /** A node that has no key in memory, of an account with metadata, or without. */
  async function outage(metadata: boolean) {
    const { deps, id, asked, read } = await bench(0);
    if (!metadata) {
      const executed = await changeAccountTerms(deps, asked, id, { metadata: null }, undefined);
      assert.ok(executed.ok && executed.reply.status === 200);
    }
    const away = () => Promise.reject(new KmsUnavailableError("away"));
    const vault = createVault({ ...deps, random: seededRandom(7), kms: { generateDataKey: away, decrypt: away } });
    return { deps: { ...deps, vault }, id, asked, read };
  }

  void it("goes on where the account has no metadata", async () => {
    const { deps, id, asked, read } = await outage(false);
    for (const [verb, status] of [
      ["freeze", "frozen"],
      ["unfreeze", "active"],
      ["close", "closed"],
    ] as const) {
      const executed = await changeAccountStatus(deps, asked, id, verb);
      assert.ok(executed.ok && executed.reply.status === 200, JSON.stringify(executed));
      assert.deepEqual((JSON.parse(executed.reply.body) as { metadata: unknown }).metadata, {});
      assert.equal((await read()).status, status);
    }
  });

  void it("freezes an account with metadata, which cannot be shown, and does nothing else to it", async () => {
    const { deps, id, asked, read } = await outage(true);
    for (const change of [
      () => changeAccountStatus(deps, asked, id, "close"),
      () => changeAccountTerms(deps, asked, id, { interest_rate_bps: 7 }, undefined),
    ])
      await assert.rejects(change, KmsUnavailableError);
    assert.equal((await read()).version, 1);
    assert.deepEqual(await changeAccountStatus(deps, asked, id, "freeze"), { ok: false, code: "outcome_unknown" });
    assert.equal((await read()).status, "frozen");
  });
});

void describe("the answer to a change of an account that is kept for its Idempotency-Key", () => {
  void it("has its metadata sealed, and is told again with the same bytes under whatever key it is by then", async () => {
    const { deps, id, asked, rotate } = await bench(0);
    const claimed = { ...asked, idempotency: { id: "claim", fingerprint: "f" } };
    const freeze = () => changeAccountStatus(deps, claimed, id, "freeze");
    const first = await freeze();
    assert.ok(first.ok && first.reply.status === 200, JSON.stringify(first));
    assert.deepEqual((JSON.parse(first.reply.body) as { metadata: unknown }).metadata, { a: "b" });
    const kept = await deps.store.get("smartfinance-idempotency", { hash: "claim" });
    assert.doesNotMatch(JSON.stringify(kept), /"a\\*":/, "metadata is kept in the clear");
    await rotate();
    const again = await freeze();
    assert.ok(again.ok && again.replayed);
    assert.equal(again.reply.body, first.reply.body);
  });
});
