import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { aTransaction, anAccount, keep, minor, newId, ORG, T0 } from "#test/support/builders.ts";
import { InvariantError } from "#kernel/assert.ts";
import type { AccountId, TransactionId } from "#kernel/ids.ts";
import type { Item, Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Account } from "../account.ts";
import { append, SKIP } from "../chain.ts";
import { post } from "../post.ts";
import type { Leg, Transaction } from "../transaction.ts";
import { transactionKey, transactions } from "../transaction.ts";
import { balanceAt } from "./balance-at.ts";
import { decodePositions, encodePositions } from "./cursor.ts";
import { listByAccounts } from "./list-by-accounts.ts";
import type { Step } from "./walk.ts";
import { headOf, readStep, seek } from "./walk.ts";

const PARAMS = { payer: "from", payee: "to" };

/** An account whose `length` links lie at the given distances in time, and a store that counts its reads. */
function longChain(gaps: readonly number[]) {
  let account = anAccount();
  const other = anAccount();
  const items = new Map<string, Item>();
  const legs: Leg[] = [];
  let at = T0;
  for (const gap of gaps) {
    at += gap;
    const id = newId("transaction");
    const { chain, link } = append(account.chain, id, at);
    const leg: Leg = {
      accountId: account.id,
      link,
      at,
      entry: { number: link.number, amount: minor(1) },
      balanceAfter: minor(link.number),
    };
    account = { ...account, chain, balance: minor(link.number), entryCount: link.number };
    legs.push(leg);
    items.set(transactionKey(ORG, id).range ?? "", transactions.toItem(aTransaction(account, other, [leg], { id })));
  }
  const counted = { reads: 0 };
  const store = {
    async get(_table: string, key: { range?: string }) {
      counted.reads += 1;
      return items.get(key.range ?? "");
    },
  } as unknown as Store;
  return { account, legs, store, counted };
}

void describe("seek", () => {
  void it("finds what a linear scan finds, within about 30 reads per power of 16", async () => {
    const sizes = [1, 2, 15, 16, 17, 255, 256, 257, 4095, 4096, 4097, 10_000];
    for (const size of sizes) {
      const { account, legs, store, counted } = longChain(Array.from({ length: size }, () => 1));
      const levels = Math.max(1, Math.ceil(Math.log(size) / Math.log(SKIP)));
      // Every position in short chains; in long ones those around the powers and a spread of others.
      const wanted = size <= 300 ? Array.from({ length: size + 2 }, (_, n) => n) : [0, 1, 2, 15, 16, 17, 255, 256, 257, 4095, 4096];
      for (let n = 0; size > 300 && n <= size + 1; n += 37) wanted.push(n);
      for (const number of wanted) {
        counted.reads = 0;
        const found = await seek(store, ORG, account.id, headOf(account), (leg) => leg.at <= T0 + number);
        const linear = legs.findLast((leg) => leg.at <= T0 + number);
        assert.deepEqual(found?.leg, linear, `link ${number} of ${size}`);
        assert.ok(counted.reads <= 31 * levels + 1, `${counted.reads} reads for link ${number} of ${size}`);
      }
    }
  });

  void it("finds the newest of several links of one time", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 120, size: "max" }),
        fc.integer({ min: -1, max: 370 }),
        async (gaps, to) => {
          const { account, legs, store } = longChain(gaps);
          const found = await seek(store, ORG, account.id, headOf(account), (leg) => leg.at <= T0 + to);
          assert.deepEqual(
            found?.leg,
            legs.findLast((leg) => leg.at <= T0 + to),
          );
          assert.equal(await balanceAt(store, account, T0 + to), BigInt(legs.filter((leg) => leg.at <= T0 + to).length));
        },
      ),
      { numRuns: 60 },
    );
  });

  void it("finds nothing in an empty history", async () => {
    const { account, store, counted } = longChain([]);
    assert.equal(await seek(store, ORG, account.id, headOf(account), () => true), undefined);
    assert.equal(await balanceAt(store, account, T0), 0n);
    assert.equal(counted.reads, 0);
  });

  void it("asserts that a chain points at what is there", async () => {
    const { account, store } = longChain([1, 1]);
    const head = headOf(account);
    assert.ok(head);
    await assert.rejects(readStep(store, ORG, account.id, { ...head, number: 1 }), InvariantError);
    await assert.rejects(readStep(store, ORG, account.id, { ...head, transaction: newId("transaction") }), InvariantError);
    await assert.rejects(readStep(store, ORG, newId("account"), head), InvariantError);
  });
});

/** Transfers among three accounts, in the order given; ids do not rise with time, as between nodes. */
async function transfers(moves: readonly { from: number; to: number; gap: number }[]) {
  const store = openMemoryStore(createMemoryDatabase());
  let accounts: Account[] = Array.from({ length: 3 }, () => anAccount({ overdraftLimit: minor(10_000) }));
  const kept: Transaction[] = [];
  const ids = moves.map(() => newId("transaction")).map((id, n, all) => all[(n * 7) % all.length] ?? id);
  let at = T0;
  for (const [n, { from, to, gap }] of moves.entries()) {
    const [payer, payee] = [accounts[from], accounts[to]];
    const transactionId = new Set(ids).size === ids.length ? ids[n] : newId("transaction");
    at += gap;
    if (payer === undefined || payee === undefined || transactionId === undefined || from === to) continue;
    const posted = post({ transactionId, payer, payee, amount: minor(1), at }, PARAMS);
    assert.ok(posted.ok);
    accounts = accounts.map((account) => [posted.payer, posted.payee].find(({ id }) => id === account.id) ?? account);
    kept.push(aTransaction(payer, payee, posted.legs, { id: transactionId, createdAt: at, postedAt: posted.at }));
  }
  await keep(store, transactions, kept);
  return { store, accounts, kept };
}

/** Walks all pages, as a client does, through the text of the cursor. */
async function allPages(
  store: Store,
  accounts: readonly Account[],
  limit: number,
  range: { from?: number; to?: number },
  keepStep: (step: Step) => boolean,
) {
  const steps: Step[] = [];
  let positions: ReturnType<typeof decodePositions>;
  for (let page = 0; page < 500; page++) {
    const query = { organisationId: ORG, accounts, from: range.from, to: range.to, positions, limit, keep: keepStep };
    const found = await listByAccounts(store, query);
    assert.ok(found.valid);
    assert.ok(found.steps.length <= limit);
    steps.push(...found.steps);
    if (found.next === undefined) return steps;
    positions = decodePositions(encodePositions(found.next));
    assert.deepEqual(positions, found.next, "a cursor's text says the same");
  }
  throw new Error("the pages do not end");
}

const move = fc.record({ from: fc.nat(2), to: fc.nat(2), gap: fc.constantFrom(0, 0, 1, 7) });

void describe("listByAccounts", () => {
  void it("pages through the histories of any accounts: nothing twice, nothing missing, newest first", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(move, { maxLength: 60, size: "max" }),
        fc.subarray([0, 1, 2], { minLength: 1 }),
        fc.integer({ min: 1, max: 12 }),
        fc.record(
          { from: fc.integer({ min: -2, max: 120 }), to: fc.integer({ min: -2, max: 120 }) },
          { requiredKeys: [], noNullPrototype: true },
        ),
        fc.boolean(),
        async (moves, chosen, limit, bounds, creditsOnly) => {
          const { store, accounts, kept } = await transfers(moves);
          const listed = chosen.flatMap((n) => accounts[n] ?? []);
          const range = {
            from: bounds.from === undefined ? undefined : T0 + bounds.from,
            to: bounds.to === undefined ? undefined : T0 + bounds.to,
          };
          const wanted = (leg: Leg): boolean => !creditsOnly || (leg.entry?.amount ?? 0n) > 0n;
          const steps = await allPages(store, listed, limit, range as { from?: number; to?: number }, ({ leg }) => wanted(leg));
          const naive = kept
            .flatMap(({ legs }) => legs)
            .filter(
              (leg) =>
                listed.some(({ id }) => id === leg.accountId) &&
                (range.from === undefined || leg.at >= range.from) &&
                (range.to === undefined || leg.at <= range.to) &&
                wanted(leg),
            );
          const nameOf = (leg: Leg): string => `${leg.accountId} ${leg.link.number}`;
          assert.deepEqual(steps.map(({ leg }) => nameOf(leg)).toSorted(), naive.map(nameOf).toSorted());
          for (const [n, { leg }] of steps.entries()) assert.ok(n === 0 || leg.at <= (steps[n - 1]?.leg.at ?? 0), "newest first");
          for (const { id } of listed) {
            const numbers = steps.filter(({ leg }) => leg.accountId === id).map(({ leg }) => leg.link.number);
            assert.deepEqual(
              numbers,
              numbers.toSorted((a, b) => b - a),
            );
          }
        },
      ),
      { numRuns: 80 },
    );
  });

  void it("ends a page after 1,000 links looked at, and goes on from there", async () => {
    const { account, store, counted } = longChain(Array.from({ length: 2500 }, () => 1));
    const query = {
      organisationId: ORG,
      accounts: [account],
      from: undefined,
      to: undefined,
      limit: 5,
      keep: ({ leg }: Step) => leg.link.number <= 3,
    };
    let positions: ReturnType<typeof decodePositions>;
    const found: number[] = [];
    const pages: number[] = [];
    do {
      counted.reads = 0;
      const page = await listByAccounts(store, { ...query, positions });
      pages.push(page.steps.length);
      assert.ok(counted.reads <= 1001);
      found.push(...page.steps.map(({ leg }) => leg.link.number));
      positions = page.next;
    } while (positions !== undefined);
    assert.deepEqual(
      [found, pages],
      [
        [3, 2, 1],
        [0, 0, 3],
      ],
    );
  });

  void it("does not see what is posted between two pages", async () => {
    const moves = Array.from({ length: 6 }, () => ({ from: 0, to: 1, gap: 1 }));
    const { store, accounts } = await transfers(moves);
    const [first, second] = [accounts[0], accounts[1]];
    assert.ok(first && second);
    const query = { organisationId: ORG, from: undefined, to: undefined, limit: 3, keep: () => true };
    const page = await listByAccounts(store, { ...query, accounts: [first], positions: undefined });
    const transactionId = newId("transaction");
    const posted = post({ transactionId, payer: first, payee: second, amount: minor(1), at: T0 + 99 }, PARAMS);
    assert.ok(posted.ok);
    await keep(store, transactions, [aTransaction(first, second, posted.legs, { id: transactionId })]);
    const rest = await listByAccounts(store, { ...query, accounts: [posted.payer], positions: page.next });
    assert.deepEqual(
      [...page.steps, ...rest.steps].map(({ leg }) => leg.link.number),
      [6, 5, 4, 3, 2, 1],
    );
  });

  void it("calls a position that leads nowhere invalid, and lets a failing store fail", async () => {
    const { store, accounts, kept } = await transfers([{ from: 0, to: 1, gap: 1 }]);
    const [first] = accounts;
    const [transaction] = kept;
    assert.ok(first && transaction);
    const list = (id: AccountId, number: number, of: TransactionId) => {
      const query = { organisationId: ORG, accounts: [first], from: undefined, to: undefined, limit: 3, keep: () => true };
      return listByAccounts(store, { ...query, positions: new Map([[id, { number, transaction: of }]]) });
    };
    assert.equal((await list(first.id, 1, transaction.id)).valid, true);
    assert.equal((await list(first.id, 2, transaction.id)).valid, false);
    assert.equal((await list(first.id, 1, newId("transaction"))).valid, false);
    assert.equal((await list(newId("account"), 1, transaction.id)).valid, false, "a position of an account that is not listed");
    await store.close();
    await assert.rejects(list(first.id, 1, transaction.id), { name: "StoreUnavailableError" });
  });
});

void describe("the text of positions", () => {
  void it("comes back as it was", () => {
    const positions = fc.uniqueArray(fc.tuple(fc.nat(40), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })), {
      minLength: 1,
      maxLength: 50,
      selector: ([n]) => n,
    });
    const ids = Array.from({ length: 41 }, () => [newId("account"), newId("transaction")] as const);
    fc.assert(
      fc.property(positions, (chosen) => {
        const map = new Map(
          chosen.map(([n, number], at) => [
            ids[n]?.[0] ?? newId("account"),
            // All but the first may have come to their end.
            at > 0 && number % 3 === 0 ? null : { number, transaction: ids[n]?.[1] ?? newId("transaction") },
          ]),
        );
        assert.deepEqual(decodePositions(encodePositions(map)), map);
      }),
    );
  });

  void it("is refused when somebody made it up, without an exception", () => {
    const good = `${newId("account").slice(4)}.7.${newId("transaction").slice(4)}`;
    const encode = (text: string): string => Buffer.from(text, "latin1").toString("base64url");
    assert.ok(decodePositions(encode(good)));
    for (const text of [
      "",
      "nonsense",
      good.replace(".7.", ".0."),
      good.replace(".7.", ".-1."),
      good.replace(".7.", ".1.5."),
      good.replace(".7.", ".."),
      `${good},`,
      `${good}.`,
      good.replace(".7.", ".99999999999999999."),
      good.toLowerCase(),
      newId("account").slice(4),
    ])
      assert.equal(decodePositions(encode(text)), undefined, text);
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void decodePositions(text)));
    fc.assert(fc.property(fc.base64String(), (text) => assert.equal(decodePositions(text), undefined)));
  });
});
