import { checksumOf } from "#audit/index.ts";
import { firstIdAt, PARTITIONS, partitionName, type OrganisationId } from "#kernel/ids.ts";
import { type Account, accounts, availableAt, type Transaction, transactions } from "#ledger/index.ts";
import type { Item, Store, TableName } from "#storage/index.ts";

/** Where an account's fold begins. */
export interface Opening {
  /** Minor units. */
  readonly balance: number;
  readonly entryCount: number;
}

export interface LedgerCheck {
  readonly store: Store;
  readonly organisationId: OrganisationId;
  /** Milliseconds; only transactions and events whose ids were drawn from then on are folded. Default: all. */
  readonly since?: number;
  /** The accounts as they were at `since`; an account that is not in it begins with nothing. */
  readonly openings?: ReadonlyMap<string, Opening>;
  /** Every how many events the checksum is computed anew; 1 is all of them. */
  readonly checksumEvery: number;
  readonly at: number;
  readonly onTransaction?: (transaction: Transaction) => void;
}

export interface LedgerReport {
  /** What does not hold, one line each; empty when all is well. At most `MAX_VIOLATIONS`. */
  readonly violations: readonly string[];
  readonly accounts: number;
  readonly transactions: number;
  readonly entries: number;
  readonly checksums: number;
  /** Every account as it stands: the openings of a later check. */
  readonly closings: ReadonlyMap<string, Opening>;
}

const PAGE = 1000;
const MAX_VIOLATIONS = 50;
/** An entry takes this many numbers: its own number, the amount, the balance after. */
const ENTRY_WIDTH = 3;

/**
 * Reads a whole ledger through the Store port and checks what must always hold: the balances of a currency sum to
 * zero, every account's balance is the fold of its entries, entries are numbered without a gap and carry the right
 * balance, nothing is below its limit, and every transaction has its one audit event with the right checksum.
 * Nobody may write meanwhile.
 */
export async function verifyLedger(check: LedgerCheck): Promise<LedgerReport> {
  const { store, organisationId, at } = check;
  const violations: string[] = [];
  const violated = (line: string): void => {
    if (violations.length < MAX_VIOLATIONS) violations.push(line);
  };

  const entriesOf = new Map<string, number[]>();
  /** How many events of its own type each transaction has; the types begin with the transaction's. */
  const told = new Map<string, { readonly begins: string; events: number }>();
  let found = 0;
  let entries = 0;
  for await (const item of partitioned(check, "smartfinance-transactions")) {
    const transaction = transactions.fromItem(item);
    found += 1;
    let sum = 0n;
    for (const { accountId, entry, balanceAfter } of transaction.legs) {
      if (entry === null) continue;
      entries += 1;
      sum += entry.amount;
      let list = entriesOf.get(accountId);
      if (list === undefined) entriesOf.set(accountId, (list = []));
      list.push(entry.number, Number(entry.amount), Number(balanceAfter));
    }
    if (sum !== 0n) violated(`the entries of ${transaction.id} sum to ${sum}`);
    told.set(transaction.id, { begins: `${transaction.type}.`, events: 0 });
    check.onTransaction?.(transaction);
  }

  const sums = new Map<string, bigint>();
  const closings = new Map<string, Opening>();
  for await (const account of accountsOf(store, organisationId)) {
    sums.set(account.currency, (sums.get(account.currency) ?? 0n) + account.balance);
    closings.set(account.id, { balance: Number(account.balance), entryCount: account.entryCount });
    if (account.type !== "settlement" && availableAt(account, at) < 0n) violated(`${account.id} is below its limit`);
    checkFold(account, entriesOf.get(account.id) ?? [], check.openings?.get(account.id) ?? { balance: 0, entryCount: 0 }, violated);
    entriesOf.delete(account.id);
  }
  for (const id of entriesOf.keys()) violated(`${id} has entries and is no account`);
  for (const [currency, sum] of sums) if (sum !== 0n) violated(`all balances in ${currency} sum to ${sum}`);

  let seen = 0;
  let checksums = 0;
  for await (const item of partitioned(check, "smartfinance-audit-logs")) {
    seen += 1;
    if (seen % check.checksumEvery === 0) {
      checksums += 1;
      if (checksumOf(item) !== item.checksum) violated(`the checksum of ${String(item.event_id)} is wrong`);
    }
    const its = told.get(String(item.transaction_id));
    // Later events of the same transaction (its review) are of another type.
    if (its !== undefined && String(item.event_type).startsWith(its.begins)) its.events += 1;
  }
  for (const [id, { events }] of told) if (events !== 1) violated(`${id} has ${events} audit events`);
  return { violations, accounts: closings.size, transactions: found, entries, checksums, closings };
}

function checkFold(account: Account, list: readonly number[], opening: Opening, violated: (line: string) => void): void {
  const order = Array.from({ length: list.length / ENTRY_WIDTH }, (_, n) => n * ENTRY_WIDTH);
  order.sort((a, b) => (list[a] ?? 0) - (list[b] ?? 0));
  let { balance, entryCount } = opening;
  for (const position of order) {
    entryCount += 1;
    balance += list[position + 1] ?? 0;
    if (list[position] !== entryCount) {
      violated(`${account.id} has entry ${list[position]} where ${entryCount} is due`);
      return;
    }
    if (list[position + 2] !== balance) violated(`entry ${entryCount} of ${account.id} carries a wrong balance`);
  }
  if (entryCount !== account.entryCount) violated(`${account.id} counts ${account.entryCount} entries and has ${entryCount}`);
  if (BigInt(balance) !== account.balance) violated(`${account.id} has ${account.balance} and its entries make ${balance}`);
}

async function* accountsOf(store: Store, organisationId: OrganisationId): AsyncGenerator<Account> {
  const query = { table: "smartfinance-accounts", index: "OrganisationAccountsIndex", hash: organisationId } as const;
  for await (const item of paged(store, query)) yield accounts.fromItem(item);
}

async function* partitioned(check: LedgerCheck, table: "smartfinance-transactions" | "smartfinance-audit-logs"): AsyncGenerator<Item> {
  const kind = table === "smartfinance-transactions" ? "transaction" : "event";
  const from = check.since === undefined ? {} : { from: firstIdAt(kind, check.since) };
  for (let n = 0; n < PARTITIONS; n++) yield* paged(check.store, { table, hash: partitionName(check.organisationId, n), ...from });
}

async function* paged(
  store: Store,
  query: { readonly table: TableName; readonly index?: string; readonly hash: string; readonly from?: string },
): AsyncGenerator<Item> {
  let cursor: string | undefined;
  do {
    const page = await store.query({ ...query, order: "ascending", limit: PAGE, ...(cursor === undefined ? {} : { cursor }) });
    yield* page.items;
    cursor = page.cursor;
  } while (cursor !== undefined);
}
