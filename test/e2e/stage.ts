import assert from "node:assert/strict";
import { after, before } from "node:test";
import type { Organisation, StartOptions, TestApp } from "../support/app.ts";
import { startApp } from "../support/app.ts";
import type { ApiObject, Client } from "../support/http-client.ts";
import { ok } from "../support/http-client.ts";

/** The app that the flows of one store run against. Each test makes its own organisation, so none sees another's. */
export interface Stage {
  readonly app: TestApp;
  readonly options: StartOptions;
}

export function stageFor(options: StartOptions): Stage {
  let app: TestApp | undefined;
  before(async () => {
    app = await startApp(options);
  });
  after(() => app?.close());
  return {
    options,
    get app() {
      assert.ok(app, "the app has started");
      return app;
    },
  };
}

const PAGES_MAX = 200;

/** Every page of a list put together, each page of the size asked for. */
export async function everyPage(api: Client, path: string, limit: number): Promise<ApiObject[]> {
  const found: ApiObject[] = [];
  let cursor = "";
  for (let page = 0; page < PAGES_MAX; page++) {
    const list = ok(await api.get(`${path}${path.includes("?") ? "&" : "?"}limit=${limit}${cursor}`), 200);
    assert.ok(list.data.length <= limit);
    assert.equal(list.has_more, list.next_cursor !== null);
    found.push(...list.data);
    if (list.next_cursor === null) return found;
    cursor = `&cursor=${encodeURIComponent(list.next_cursor)}`;
  }
  assert.fail(`${path} has no end`);
}

export const idsOf = (objects: readonly ApiObject[]): string[] => objects.map(({ id }) => id);

/**
 * The books of an organisation: per currency all balances sum to zero, every balance is the fold of the
 * account's entries, which are numbered without a gap, and no account is beyond its limit.
 */
export async function auditBooks({ api }: Organisation): Promise<void> {
  const sums = new Map<unknown, number>();
  for (const account of await everyPage(api, "/v1/accounts", 100)) {
    const { currency, balance, id } = account;
    sums.set(currency, (sums.get(currency) ?? 0) + balance);
    if (account["type"] !== "settlement") assert.ok(account.available >= 0, `${id} is beyond its limit`);
    const entries = await everyPage(api, `/v1/accounts/${id}/entries`, 100);
    let fold = 0;
    for (const [index, entry] of entries.toReversed().entries()) {
      fold += entry.amount;
      assert.equal(entry["number"], index + 1, `the entries of ${id} have a gap`);
      assert.equal(entry["balance_after"], fold);
    }
    assert.equal(balance, fold, `the balance of ${id} is not the sum of its entries`);
  }
  for (const [currency, sum] of sums) assert.equal(sum, 0, `the balances in ${String(currency)} do not sum to zero`);
}
