import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { systemClock } from "#kernel/clock.ts";
import { type OrganisationId, PARTITIONS, partitionName } from "#kernel/ids.ts";
import type { Item, Store, TableName } from "#storage/index.ts";
import { openData, type Seeded, seedStore } from "./seed-store.ts";
import { type LedgerReport, verifyLedger } from "./verify-ledger.ts";

/** What the crash test and the benchmark rely on must notice what is broken; each case breaks one thing and mends it. */
describe("verifyLedger", () => {
  let dataDir: string;
  let seeded: Seeded;
  let store: Store;

  before(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "verify-"));
    seeded = await seedStore({ store: { kind: "sqlite" }, dataDir, accounts: 4, users: 2 }, () => undefined);
    store = await openData({ kind: "sqlite" }, dataDir);
  });
  after(async () => {
    await store.close();
    await rm(dataDir, { recursive: true, force: true });
  });

  const verify = (openings?: LedgerReport["closings"], since?: number): Promise<LedgerReport> =>
    verifyLedger({
      store,
      organisationId: seeded.organisationId,
      checksumEvery: 1,
      at: systemClock.now(),
      ...(openings === undefined ? {} : { openings }),
      ...(since === undefined ? {} : { since }),
    });
  const put = (table: TableName, item: Item) => store.commit([{ op: "put", table, item, condition: "none" }]);
  const firstOf = async (table: TableName, organisationId: OrganisationId, keep: (item: Item) => boolean): Promise<Item> => {
    for (let n = 0; n < PARTITIONS; n++) {
      const page = await store.query({ table, hash: partitionName(organisationId, n), order: "ascending", limit: 1000 });
      const found = page.items.find(keep);
      if (found !== undefined) return found;
    }
    throw new Error(`${table} has no such item`);
  };
  const account = async (): Promise<Item> => {
    const item = await store.get("smartfinance-accounts", { hash: seeded.accounts[0] ?? "" });
    assert.ok(item !== undefined);
    return item;
  };

  it("finds nothing in what the product wrote", async () => {
    const report = await verify();
    assert.deepEqual(report.violations, []);
    assert.equal(report.accounts, 5, "four customers' accounts and the settlement account");
    assert.equal(report.transactions, 4);
    assert.equal(report.entries, 8);
    assert.ok(report.checksums >= 4);
  });

  it("folds from given openings", async () => {
    const { closings } = await verify();
    const later = systemClock.now() + 60_000;
    assert.deepEqual((await verify(closings, later)).violations, []);
    assert.match((await verify(undefined, later)).violations.join("\n"), /counts 1 entries and has 0/);
  });

  it("notices a balance that no entry explains", async () => {
    const item = await account();
    await put("smartfinance-accounts", { ...item, balance: Number(item.balance) + 1 });
    const { violations } = await verify();
    assert.match(violations.join("\n"), /its entries make/);
    assert.match(violations.join("\n"), /all balances in EUR sum to 1/);
    await put("smartfinance-accounts", item);
  });

  it("notices an account below its limit", async () => {
    const item = await account();
    await put("smartfinance-accounts", { ...item, reserved: [{ id: "hld_x", amount: Number(item.balance) + 1, expires_at: null }] });
    assert.match((await verify()).violations.join("\n"), /is below its limit/);
    await put("smartfinance-accounts", item);
  });

  it("notices a transaction that is lost", async () => {
    const item = await firstOf("smartfinance-transactions", seeded.organisationId, () => true);
    const key = { hash: String(item.partition), range: String(item.id) };
    await store.commit([{ op: "delete", table: "smartfinance-transactions", key, condition: "none" }]);
    const { violations } = await verify();
    await put("smartfinance-transactions", item);
    // In the middle of a history the next entry's number tells; at its end only the account does.
    assert.match(violations.join("\n"), /is due|counts \d+ entries and has \d+/);
  });

  it("notices an audit event that was changed, and one that is missing", async () => {
    const event = await firstOf("smartfinance-audit-logs", seeded.organisationId, (item) => item.event_type === "deposit.posted");
    /** The store as it would be if this event were another, or none: the store itself lets nobody write events anew. */
    const instead = async (other: Item | undefined): Promise<string> => {
      const swap = (item: Item): readonly Item[] => (item.event_id !== event.event_id ? [item] : other === undefined ? [] : [other]);
      const query: Store["query"] = async (asked) => {
        const page = await store.query(asked);
        return { ...page, items: page.items.flatMap(swap) };
      };
      const tampered = { ...store, query };
      const { organisationId } = seeded;
      return (await verifyLedger({ store: tampered, organisationId, checksumEvery: 1, at: systemClock.now() })).violations.join("\n");
    };
    assert.equal(await instead(event), "");
    assert.match(await instead({ ...event, ip_address: "203.0.113.9" }), /the checksum of evt_\w+ is wrong/);
    assert.match(await instead(undefined), /has 0 audit events/);
  });
});
