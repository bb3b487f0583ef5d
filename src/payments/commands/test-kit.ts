import assert from "node:assert/strict";
import { actorOf, anAccount, keep, minor, paymentDeps, T0, testClock } from "#test/support/builders.ts";
import type { Asked, Executed } from "#commit/index.ts";
import type { AccountId } from "#kernel/ids.ts";
import type { Account, Leg, Transaction } from "#ledger/index.ts";
import { accounts, transactions } from "#ledger/index.ts";
import type { Store } from "#storage/index.ts";
import type { MemoryDatabase } from "#storage/memory/database.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { PaymentDeps } from "../deps.ts";
import type { TransferBody } from "./payment.ts";

export const asking = (key: string, fingerprint = "body"): Asked => ({ actor: actorOf(), idempotency: { id: key, fingerprint } });

export interface Answer {
  readonly status: number;
  readonly replayed: boolean;
  readonly body: Record<string, unknown>;
}

/** The parsed reply of a command; the code where there is none. */
export function answerOf(executed: Executed): Answer {
  if (!executed.ok) return { status: 0, replayed: false, body: { code: executed.code } };
  return { status: executed.reply.status, replayed: executed.replayed, body: JSON.parse(executed.reply.body) as Record<string, unknown> };
}

export interface BankOptions {
  readonly limits?: Partial<Store["limits"]>;
  readonly wrap?: (store: Store) => Store;
}

/** A bank of some customers with `balance` each, all of it from one settlement account; nodes are added as asked. */
export async function aBank(customers: number, balance: number, { limits, wrap = (store) => store }: BankOptions = {}) {
  const database: MemoryDatabase = createMemoryDatabase();
  const open = (own: Partial<Store["limits"]>): Store => wrap(openMemoryStore(database, { limits: { ...limits, ...own } }));
  const clock = testClock(T0);
  const settlement = anAccount({ type: "settlement", userId: null, balance: minor(-customers * balance) });
  const opened = Array.from({ length: customers }, () => anAccount({ balance: minor(balance) }));
  await keep(openMemoryStore(database), accounts, [settlement, ...opened]);
  const starting = new Map([settlement, ...opened].map((account) => [account.id, account.balance]));
  let nodes = 0;

  /**
   * A node that has seen all the accounts before, so that nothing but its own arrival orders a command.
   * @param own limits of its store, over those of the bank
   */
  async function node(own: Partial<Store["limits"]> = {}): Promise<PaymentDeps> {
    const deps = paymentDeps(open(own), clock, 100 + nodes++);
    for (const { id, organisationId } of opened) await deps.facts.of(organisationId, id);
    return deps;
  }

  const all = <T>(collection: { table: string; fromItem: (item: never) => T }): T[] =>
    [...database.dump()].filter(({ table }) => table === collection.table).map(({ item }) => collection.fromItem(item as never));

  /** The invariants of money, over everything stored. */
  function check(): { readonly accounts: readonly Account[]; readonly transactions: readonly Transaction[] } {
    const stored = all<Account>(accounts);
    const kept = all<Transaction>(transactions);
    assert.equal(
      stored.reduce((sum, account) => sum + account.balance, 0n),
      0n,
    );
    for (const account of stored) {
      const legs: Leg[] = kept.flatMap(({ legs: own }) => own).filter(({ accountId }) => accountId === account.id);
      legs.sort((a, b) => a.link.number - b.link.number);
      let fold = starting.get(account.id) ?? 0n;
      let entries = 0;
      for (const [n, leg] of legs.entries()) {
        assert.equal(leg.link.number, n + 1);
        fold += leg.entry?.amount ?? 0n;
        if (leg.entry !== null) assert.equal(leg.entry.number, ++entries);
        assert.equal(leg.balanceAfter, fold);
      }
      assert.deepEqual([account.balance, account.entryCount, account.chain.length], [fold, entries, legs.length]);
      assert.ok(account.type === "settlement" || account.balance >= 0n);
    }
    return { accounts: stored, transactions: kept };
  }

  const customer = (n: number): AccountId => {
    const found = opened[n];
    assert.ok(found);
    return found.id;
  };
  const body = (from: number, to: number, amount: number, more: Partial<TransferBody> = {}): TransferBody => {
    return { from_account_id: customer(from), to_account_id: customer(to), amount, currency: settlement.currency, ...more };
  };
  /** Under what ids replies are kept. */
  const replies = (): string[] =>
    [...database.dump()]
      .filter(({ table }) => table === "smartfinance-idempotency")
      .map(({ item }) => String(item.id))
      .toSorted();
  return { database, clock, node, check, replies, customer, body, opened, settlement };
}
