import { isDeepStrictEqual } from "node:util";
import type { Item, Write } from "#storage/port.ts";
import { mismatch } from "./journal.ts";
import type { Model } from "./model.ts";
import { reservedAt } from "./model.ts";

/** Money neither appears nor vanishes: what a commit does to the balances of a currency sums to zero. */
export function checkZeroSum(writes: readonly Write[], before: readonly (Item | undefined)[]): void {
  const sums = new Map<string, bigint>();
  for (const [n, write] of writes.entries()) {
    if (write.op !== "put" || write.table !== "smartfinance-accounts") continue;
    const key = `${String(write.item.organisation_id)} ${String(write.item.currency)}`;
    const moved = BigInt(Number(write.item.balance)) - BigInt(Number(before[n]?.balance ?? 0));
    sums.set(key, (sums.get(key) ?? 0n) + moved);
  }
  for (const [key, sum] of sums) if (sum !== 0n) mismatch(`a commit makes or destroys money of ${key}`, 0, sum);
}

/**
 * Every item that was written is what the model has, and everything the model changed was written.
 * @param owners who owns each id, as far as it is known; it never changes
 */
export function checkState(model: Model, commit: number, owners: Map<string, string>, writes: readonly Write[]): void {
  const timelines = [model.users, model.accounts, model.transactions, model.holds, model.reviews];
  const written = new Set<string>();
  for (const write of writes) {
    if (write.op !== "put") mismatch("a commit of a command deletes or checks something", undefined, write);
    const { table, item } = write;
    const id = String(item.id);
    const owner = String(item.organisation_id);
    switch (table) {
      case "smartfinance-accounts":
        checkAccount(model, item);
        break;
      case "smartfinance-transactions": {
        const t = model.transactions.latest(id);
        const got = {
          status: item.status,
          from: item.from_account_id,
          to: item.to_account_id,
          amount: item.amount,
          reversed: item.reversed_amount,
        };
        const expected = t && { status: t.status, from: t.from, to: t.to, amount: Number(t.amount), reversed: Number(t.reversed) };
        if (!isDeepStrictEqual(got, expected) || t?.tenant !== owner) mismatch(`stored transaction ${id}`, expected, got);
        break;
      }
      case "smartfinance-holds": {
        const h = model.holds.latest(id);
        const got = { status: item.status, amount: item.amount, captured: item.captured_amount, until: item.expires_at };
        const expected = h && { status: h.status, amount: Number(h.amount), captured: Number(h.captured), until: h.until };
        if (!isDeepStrictEqual(got, expected) || h?.tenant !== owner) mismatch(`stored hold ${id}`, expected, got);
        break;
      }
      case "smartfinance-reviews": {
        const review = model.reviews.latest(id);
        if (review?.status !== item.status || review?.tenant !== owner) mismatch(`stored review ${id}`, review, item);
        break;
      }
      case "smartfinance-users": {
        const user = model.users.latest(id);
        if (user?.accounts !== item.account_count || user?.status !== item.status || user?.tenant !== owner)
          mismatch(`stored user ${id}`, user, item);
        if (JSON.stringify(item).includes(user.name)) mismatch("a user's name is stored in the clear");
        break;
      }
      case "smartfinance-risk-labels": {
        const told = model.transactions.latest(String(item.transaction_id));
        const right = told?.status === "posted" ? "legitimate" : "fraud";
        if (
          told?.tenant !== owner ||
          !model.transactions.touched(commit).includes(told.id) ||
          item.label !== right ||
          item.source !== "review"
        )
          mismatch("a label that no decision gave", right, item);
        continue;
      }
      default:
        continue;
    }
    written.add(id);
    const known = owners.get(id);
    if (known !== undefined && known !== owner) mismatch(`${id} changed hands`, known, owner);
    owners.set(id, owner);
  }
  for (const timeline of timelines)
    for (const id of timeline.touched(commit)) if (!written.has(id)) mismatch(`half a commit: ${id} was not written`);
  for (const id of written) {
    if (!timelines.some((timeline) => timeline.touched(commit).includes(id))) mismatch(`${id} was written although nothing happened to it`);
  }
}

function checkAccount(model: Model, item: Item): void {
  const id = String(item.id);
  const a = model.accounts.latest(id);
  if (a === undefined) mismatch("an account was stored that nobody opened", undefined, item);
  const reservations = item.reserved as readonly { id: string; amount: number; expires_at: number | null }[];
  const counts = (until: number | null): boolean => until === null || until > a.clock;
  const expected = {
    tenant: a.tenant,
    status: a.status,
    balance: Number(a.balance),
    overdraft: Number(a.overdraft),
    entries: a.entries.length,
    version: a.version,
    reserved: texts([...a.reserved].filter(([, { until }]) => counts(until)).map(([by, { amount, until }]) => [by, Number(amount), until])),
  };
  const got = {
    tenant: item.organisation_id,
    status: item.status,
    balance: item.balance,
    overdraft: item.overdraft_limit,
    entries: item.entry_count,
    version: item.version,
    reserved: texts(reservations.filter((one) => counts(one.expires_at)).map((one) => [one.id, one.amount, one.expires_at])),
  };
  if (!isDeepStrictEqual(got, expected)) mismatch(`stored account ${id}`, expected, got);
  // Holds included, as of the latest clock that any node has decided by.
  if (a.type !== "settlement" && a.balance - reservedAt(a, a.clock) + a.overdraft < 0n)
    mismatch(`account ${id} is beyond its limit`, undefined, got);
}

/** In an order of their own, to be compared. */
function texts(list: readonly unknown[]): string[] {
  return list.map((one) => JSON.stringify(one)).toSorted();
}
