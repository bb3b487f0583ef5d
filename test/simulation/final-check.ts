import { isDeepStrictEqual } from "node:util";
import type { FeedCursor, Item, Store } from "#storage/port.ts";
import type { CommitChecker } from "./commit-check.ts";
import type { Dice } from "./dice.ts";
import { checksumOf, mismatch } from "./journal.ts";
import type { Model, ModelAccount, ModelReview, ModelTransaction } from "./model.ts";
import type { Tenant } from "./operations.ts";
import { type Ask, entriesOf, getOf, readAll } from "./reads.ts";
import type { Expected } from "./shown.ts";
import { compareShown, expectedAccount, expectedHold, expectedReview, expectedTransaction, expectedUser } from "./shown.ts";

export interface FinalCheck {
  readonly dice: Dice;
  readonly model: Model;
  readonly commits: CommitChecker;
  /** Asks some node; all are well by now. */
  readonly ask: Ask;
  /** Between which times every node's clock is. */
  readonly times: () => readonly [number, number];
}

/** When all is quiet: everything the API shows of an organisation, compared with the model. */
export async function checkTenant(check: FinalCheck, tenant: Tenant): Promise<void> {
  const { model, times } = check;
  const own = <T extends { readonly tenant: string }>(list: readonly T[]): T[] => list.filter((item) => item.tenant === tenant.id);
  const users = own(model.users.all());
  const accounts = own(model.accounts.all());
  const transactions = own(model.transactions.all());
  const reviews = own(model.reviews.all());
  const transactionsShown = (list: readonly ModelTransaction[]) => new Map(list.map((t) => [t.id, expectedTransaction(t, [])]));
  const accountsShown = (list: readonly ModelAccount[]) => new Map(list.map((a) => [a.id, expectedAccount(a, times())]));

  await compareList(check, tenant, "/v1/users", new Map(users.map((user) => [user.id, expectedUser(user, [])])));
  await compareList(check, tenant, "/v1/accounts", accountsShown(accounts));
  for (const user of users) {
    const theirs = accounts.filter((account) => account.user === user.id);
    await compareList(check, tenant, `/v1/accounts?user_id=${user.id}`, accountsShown(theirs));
    const ids = new Set(theirs.map(({ id }) => id));
    const moved = transactions.filter(({ from, to }) => ids.has(from) || ids.has(to));
    await compareList(check, tenant, `/v1/transactions?user_id=${user.id}`, transactionsShown(moved), false);
  }
  await compareList(check, tenant, "/v1/transactions", transactionsShown(transactions));
  for (const status of ["posted", "pending_review", "rejected"] as const)
    await compareList(
      check,
      tenant,
      `/v1/transactions?status=${status}`,
      transactionsShown(transactions.filter((t) => t.status === status)),
    );
  for (const type of ["transfer", "reversal"] as const)
    await compareList(check, tenant, `/v1/transactions?type=${type}`, transactionsShown(transactions.filter((t) => t.type === type)));
  await checkTimeRanges(check, tenant, transactions, transactionsShown);
  const reviewsShown = (list: readonly ModelReview[]) => new Map(list.map((r) => [r.id, expectedReview(model, r, times())]));
  for (const status of ["open", "approved", "rejected", "expired"] as const) {
    const some = reviews.filter((review) => review.status === status);
    await compareList(check, tenant, `/v1/reviews?order=newest&status=${status}`, reviewsShown(some));
  }
  await compareList(check, tenant, "/v1/reviews?order=newest", reviewsShown(reviews));
  const folded = await checkEvents(check, tenant);
  for (const account of accounts) await checkAccount(check, tenant, account, transactions, folded.get(account.id) ?? 0n);
}

async function compareList(
  { dice, ask }: FinalCheck,
  tenant: Tenant,
  path: string,
  expected: ReadonlyMap<string, Expected>,
  byId = true,
): Promise<void> {
  const limit = expected.size > 60 ? dice.pick([20, 50, 100]) : dice.pick([2, 3, 5, 20, 100]);
  const items = await readAll(ask, tenant, path, limit);
  if (items === undefined) mismatch(`list ${path} was not answered although all is well`);
  for (const item of items) {
    const shown = expected.get(String(item.id));
    if (shown === undefined) mismatch(`list ${path} shows what does not belong there`, undefined, item);
    compareShown(`list ${path}`, shown, item);
  }
  const ids = items.map(({ id }) => String(id));
  if (ids.length !== expected.size)
    mismatch(
      `list ${path} misses something`,
      [...expected.keys()].filter((id) => !ids.includes(id)),
      ids.length,
    );
  if (byId && !isDeepStrictEqual(ids, ids.toSorted().toReversed())) mismatch(`list ${path} is not newest first`, undefined, ids);
}

async function checkTimeRanges(
  check: FinalCheck,
  tenant: Tenant,
  transactions: readonly ModelTransaction[],
  shown: (list: readonly ModelTransaction[]) => Map<string, Expected>,
): Promise<void> {
  if (transactions.length < 2) return;
  for (let n = 0; n < 3; n++) {
    const [from = 0, to = 0] = [check.dice.pick(transactions).createdAt, check.dice.pick(transactions).createdAt].toSorted((a, b) => a - b);
    const some = transactions.filter(({ createdAt }) => createdAt >= from && createdAt <= to);
    const range = `created_from=${new Date(from).toISOString()}&created_to=${new Date(to).toISOString()}`;
    await compareList(check, tenant, `/v1/transactions?${range}`, shown(some));
  }
}

/** All of an organisation's events, once each; and what they add up to for each account. */
async function checkEvents({ dice, commits, ask }: FinalCheck, tenant: Tenant): Promise<Map<string, bigint>> {
  const path = "/v1/audit/events";
  const items = await readAll(ask, tenant, path, dice.pick([20, 50, 100]));
  const due = new Map(
    commits.events.filter((event) => event.organisation_id === tenant.id).map((event) => [String(event.event_id), event]),
  );
  if (items?.length !== due.size) mismatch("the audit log misses or adds events", due.size, items?.length);
  const folded = new Map<string, bigint>();
  for (const item of items) {
    const { id, object: _object, ...rest } = item;
    const { partition: _partition, ...stored } = due.get(String(id)) ?? {};
    if (!isDeepStrictEqual(rest, stored)) mismatch("an event is shown otherwise than it was committed", stored, item);
    if (checksumOf(item) !== item.checksum) mismatch("an event's checksum does not fit what is shown", checksumOf(item), item);
    for (const { account_id, amount } of (item.entries ?? []) as { account_id: string; amount: number }[])
      folded.set(account_id, (folded.get(account_id) ?? 0n) + BigInt(amount));
  }
  return folded;
}

async function checkAccount(
  check: FinalCheck,
  tenant: Tenant,
  account: ModelAccount,
  transactions: readonly ModelTransaction[],
  folded: bigint,
): Promise<void> {
  const { dice, model, ask, times } = check;
  const { id } = account;
  const shown = await ask(getOf(tenant, `/v1/accounts/${id}`));
  compareShown(`account ${id}`, expectedAccount(account, times()), JSON.parse(shown?.body ?? "null"));
  if (folded !== account.balance) mismatch(`the events of account ${id} do not add up to its balance`, account.balance, folded);

  const entries = await readAll(ask, tenant, `/v1/accounts/${id}/entries`, dice.pick([3, 10, 100]), "number");
  if (entries === undefined || !isDeepStrictEqual(entries, entriesOf(account)))
    mismatch(`the entries of ${id}`, entriesOf(account), entries);
  let balance = 0n;
  for (const [n, entry] of entries.toReversed().entries()) {
    balance += BigInt(Number(entry.amount));
    if (entry.number !== n + 1 || BigInt(Number(entry.balance_after)) !== balance)
      mismatch(`the entries of ${id} do not add up`, balance, entry);
  }
  if (balance !== account.balance) mismatch(`the entries of ${id} do not add up to its balance`, account.balance, balance);

  for (let n = 0; n < 3; n++) {
    const some = account.entries.length === 0 ? account.createdAt : dice.pick(account.entries).at;
    const at = some + dice.pick([-1, 0, 0, 1, 5000]);
    const answer = await ask(getOf(tenant, `/v1/accounts/${id}/balance?at=${new Date(at).toISOString()}`));
    const right = Number(account.entries.findLast((entry) => entry.at <= at)?.after ?? 0n);
    const got = JSON.parse(answer?.body ?? "null") as { balance?: number };
    if (got.balance !== right) mismatch(`the balance of ${id} at ${at}`, right, got);
  }

  const moved = transactions.filter(({ from, to }) => from === id || to === id);
  await compareList(
    check,
    tenant,
    `/v1/transactions?account_id=${id}`,
    new Map(moved.map((t) => [t.id, expectedTransaction(t, [])])),
    false,
  );
  const holds = model.holds.all().filter(({ from }) => from === id);
  await compareList(check, tenant, `/v1/accounts/${id}/holds`, new Map(holds.map((hold) => [hold.id, expectedHold(hold, times())])));
}

/** The feed gives every committed event once, in the order of the commits, whatever the size of its pages. */
export async function checkFeed({ dice, commits }: FinalCheck, store: Store): Promise<void> {
  const told: Item[] = [];
  let cursor: FeedCursor | undefined;
  for (let pages = 0; pages <= commits.events.length; pages++) {
    const page = await store.feed(cursor, dice.between(1, 100));
    if (page.items.length === 0) break;
    told.push(...page.items);
    cursor = page.cursor;
  }
  const ids = (list: readonly Item[]) => list.map((item) => item.event_id);
  if (!isDeepStrictEqual(ids(told), ids(commits.events)))
    mismatch("the feed is not what was committed", commits.events.length, told.length);
}
