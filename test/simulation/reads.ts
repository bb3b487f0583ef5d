import { isDeepStrictEqual } from "node:util";
import type { CommitChecker } from "./commit-check.ts";
import type { Dice } from "./dice.ts";
import { mismatch } from "./journal.ts";
import type { Model, ModelAccount, ModelView } from "./model.ts";
import type { Answer } from "./node.ts";
import type { HttpRequest, Tenant } from "./operations.ts";
import type { Expected } from "./shown.ts";
import { differenceOf, expectedAccount, expectedHold, expectedReview, expectedTransaction, expectedUser } from "./shown.ts";

/** Asks some node; a read that the store refused is asked again, within bounds. */
export type Ask = (request: HttpRequest) => Promise<Answer | undefined>;

export function getOf(tenant: Tenant, url: string): HttpRequest {
  return { method: "GET", url, headers: { host: "api.test", "x-api-key": tenant.apiKey } };
}

/**
 * Reads something by its id, perhaps somebody else's, while others change it. The answer has to show it as it stood at
 * some moment between the question and the answer; so whatever was acknowledged before the question is in it.
 */
export async function readOne(dice: Dice, model: Model, commits: CommitChecker, tenant: Tenant, ask: Ask): Promise<void> {
  const kind = dice.pick(["users", "accounts", "accounts", "transactions", "holds", "reviews", "balance", "entries"] as const);
  const timeline = kind === "balance" || kind === "entries" ? model.accounts : model[kind];
  const all = timeline.all();
  if (all.length === 0) return;
  const { id, tenant: owner } = dice.pick<{ readonly id: string; readonly tenant: string }>(all);
  const url = kind === "balance" || kind === "entries" ? `/v1/accounts/${id}/${kind}` : `/v1/${kind}/${id}`;
  const answer = await ask(getOf(tenant, url));
  if (answer === undefined || answer.status === 503) return;
  const got = JSON.parse(answer.body) as Record<string, unknown>;
  if (owner !== tenant.id) {
    if (answer.status !== 404 || got.code !== "not_found") mismatch(`${url} is another organisation's and was answered`, 404, got);
    return;
  }
  if (answer.status !== 200) mismatch(`${url} was not answered`, 200, got);
  const differences: string[] = [];
  for (let commit = commits.commits; commit >= answer.since; commit--) {
    const expected = expectedOf(kind, model, model.at(commit), id, answer.times);
    const difference = expected === undefined ? "nothing" : differenceOf(expected, got);
    if (difference === undefined) return;
    differences.push(`after commit ${commit}: ${difference}`);
  }
  mismatch(
    `${url} shows what never was since commit ${answer.since}: ${differences.join("; ")}`,
    expectedOf(kind, model, model.now, id, answer.times),
    got,
  );
}

type Kind = "users" | "accounts" | "transactions" | "holds" | "reviews" | "balance" | "entries";

function expectedOf(kind: Kind, model: Model, view: ModelView, id: string, times: readonly number[]): Expected | undefined {
  switch (kind) {
    case "users": {
      const user = view.user(id);
      return user && expectedUser(user, times);
    }
    case "accounts": {
      const account = view.account(id);
      return account && expectedAccount(account, times);
    }
    case "transactions": {
      const transaction = view.transaction(id);
      return transaction && expectedTransaction(transaction, times);
    }
    case "holds": {
      const hold = view.hold(id);
      return hold && expectedHold(hold, times);
    }
    case "reviews": {
      const review = view.review(id);
      return review && expectedReview(model, review, times);
    }
    case "balance": {
      const account = view.account(id);
      const { currency, balance } = account ?? {};
      return account && { object: "balance", account_id: id, currency, balance: Number(balance), at: () => true };
    }
    case "entries": {
      const account = view.account(id);
      if (account === undefined) return undefined;
      const entries = entriesOf(account);
      const first = (value: unknown): boolean => isDeepStrictEqual(value, entries.slice(0, 20));
      return { object: "list", data: first, has_more: (value: unknown) => value === true || entries.length <= 20, next_cursor: () => true };
    }
    default:
      return kind satisfies never;
  }
}

/** The entries of an account as its list shows them, newest first. */
export function entriesOf(account: ModelAccount): readonly object[] {
  return account.entries
    .map(({ transaction, amount, after, at }, n) => ({
      object: "entry",
      account_id: account.id,
      number: n + 1,
      transaction_id: transaction,
      amount: Number(amount),
      balance_after: Number(after),
      posted_at: new Date(at).toISOString(),
    }))
    .toReversed();
}

/** The most pages one list may have here. */
const MAX_PAGES = 2000;

/** Reads a list to its end with pages of `limit`. Fails when something comes twice. */
export async function readAll(
  ask: Ask,
  tenant: Tenant,
  path: string,
  limit: number,
  idOf = "id",
): Promise<Record<string, unknown>[] | undefined> {
  const items: Record<string, unknown>[] = [];
  const seen = new Set<unknown>();
  let cursor: string | null = null;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const query = `limit=${limit}${cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`}`;
    const answer = await ask(getOf(tenant, `${path}${path.includes("?") ? "&" : "?"}${query}`));
    if (answer === undefined || answer.status === 503) return undefined;
    const page = JSON.parse(answer.body) as { data: Record<string, unknown>[]; has_more: boolean; next_cursor: string | null };
    if (answer.status !== 200) mismatch(`list ${path} was not answered`, 200, page);
    if (page.data.length > limit || page.has_more !== (page.next_cursor !== null)) mismatch(`a page of ${path} is wrong`, limit, page);
    for (const item of page.data) {
      if (seen.has(item[idOf])) mismatch(`list ${path} repeats an item`, undefined, item);
      seen.add(item[idOf]);
      items.push(item);
    }
    cursor = page.next_cursor;
    if (cursor === null) return items;
  }
  return mismatch(`list ${path} does not end`);
}

/**
 * Reads a whole list while others write: what was there before the first page has to be in it, and nothing that is
 * another organisation's.
 */
export async function readList(dice: Dice, model: Model, commits: CommitChecker, tenant: Tenant, ask: Ask): Promise<void> {
  const since = model.at(commits.commits);
  const kind = dice.pick(["users", "accounts", "transactions", "reviews", "account"] as const);
  const accounts = model.accounts.all().filter((account) => account.tenant === tenant.id);
  const account = dice.pick(accounts);
  const path = kind === "account" ? `/v1/transactions?account_id=${account.id}` : `/v1/${kind}`;
  const items = await readAll(ask, tenant, path, dice.pick([1, 3, 7, 20, 100]));
  if (items === undefined) return;
  const got = new Set(items.map(({ id }) => String(id)));
  const timeline = kind === "account" ? model.transactions : model[kind];
  const before = (id: string): unknown => {
    if (kind === "users") return since.user(id);
    if (kind === "accounts") return since.account(id);
    return kind === "reviews" ? since.review(id) : since.transaction(id);
  };
  for (const item of timeline.all()) {
    const due = item.tenant === tenant.id && before(item.id) !== undefined;
    const listed = kind !== "account" || ("from" in item && (item.from === account.id || item.to === account.id));
    if (due && listed && !got.has(item.id)) mismatch(`list ${path} misses ${item.id}, which was there before it was asked for`);
    if (!(item.tenant === tenant.id && listed) && got.has(item.id)) mismatch(`list ${path} shows ${item.id}, which does not belong there`);
  }
  for (const id of got) if (timeline.latest(id) === undefined) mismatch(`list ${path} shows ${id}, which was never committed`);
}

/** A request that is wrong in itself: 400, whatever the state, and nothing is kept. */
export async function askNonsense(dice: Dice, model: Model, tenant: Tenant, ask: Ask): Promise<void> {
  const account = dice.pick(model.accounts.all());
  const body = { account_id: account.id, amount: 100, currency: account.currency };
  const [code, wrong, key] = dice.pick([
    ["invalid_request", { ...body, amount: 0 }, "nonsense"],
    ["invalid_request", { ...body, amount: -5 }, "nonsense"],
    ["invalid_request", { ...body, amount: 1.5 }, "nonsense"],
    ["invalid_request", { ...body, amount: "100" }, "nonsense"],
    ["unknown_field", { ...body, balance: 1 }, "nonsense"],
    ["missing_field", { account_id: account.id, amount: 5 }, "nonsense"],
    ["idempotency_key_missing", body, undefined],
  ] as const);
  const headers = {
    host: "api.test",
    "x-api-key": tenant.apiKey,
    "content-type": "application/json",
    ...(key && { "idempotency-key": key }),
  };
  const answer = await ask({ method: "POST", url: "/v1/deposits", payload: JSON.stringify(wrong), headers });
  if (answer === undefined || answer.status === 503) return;
  const got = JSON.parse(answer.body) as { code?: string };
  if (answer.status !== 400 || got.code !== code) mismatch(`nonsense was not refused: ${JSON.stringify(wrong)}`, code, got);
}
