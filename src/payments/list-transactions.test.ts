import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { aTransaction, anAccount, keep, minor, newId, ORG, OTHER_ORG, T0, testClock, testIds } from "#test/support/builders.ts";
import { newUser, users } from "#identity/index.ts";
import type { AccountId, TransactionId } from "#kernel/ids.ts";
import { partitionOf } from "#kernel/ids.ts";
import type { Account, Leg, Transaction } from "#ledger/index.ts";
import { accounts, encodePositions, note, post, transactions } from "#ledger/index.ts";
import type { Store } from "#storage/index.ts";
import { InvalidCursorError } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { TransactionFilter } from "./list-transactions.ts";
import { listTransactions } from "./list-transactions.ts";

const PARAMS = { payer: "p", payee: "q" };
const BARE = {
  accountId: undefined,
  userId: undefined,
  status: undefined,
  type: undefined,
  from: undefined,
  to: undefined,
  cursor: undefined,
};

const move = fc.record({
  from: fc.nat(3),
  to: fc.nat(3),
  gap: fc.constantFrom<number>(0, 0, 1, 900),
  /** How long before its decision the request arrived and drew its id. */
  early: fc.constantFrom(0, 0, 1, 800),
  fate: fc.constantFrom("posted", "posted", "pending", "approved", "rejected"),
  type: fc.constantFrom("transfer", "reversal"),
});
type Move = typeof move extends fc.Arbitrary<infer T> ? T : never;

/** Four accounts: two of one user, one of another, one of the organisation itself. */
async function history(moves: readonly Move[]) {
  const store = openMemoryStore(createMemoryDatabase());
  const clock = testClock(T0);
  const ids = testIds(moves.length + 1, clock);
  const [one, two] = [newId("user"), newId("user")];
  const profile = { type: "personal" as const, profile: null, emailIndex: null, phoneIndex: null };
  const people = [one, two].map((id) => ({ ...newUser({ id, organisationId: ORG, ...profile }, T0), accountCount: 2 }));
  const owners = [one, one, two, null];
  let all: Account[] = owners.map((userId) => anAccount({ userId, overdraftLimit: minor(1_000_000) }));
  const kept: Transaction[] = [];
  const replace = (...changed: Account[]): void => {
    all = all.map((account) => changed.find(({ id }) => id === account.id) ?? account);
  };
  let at = T0;
  for (const { from, to, gap, early, fate, type } of moves) {
    at += gap;
    if (from === to) continue;
    clock.time = at - early;
    const transactionId = ids.next("transaction");
    const parties = (): { payer: Account; payee: Account } => {
      const [payer, payee] = [all[from], all[to]];
      assert.ok(payer && payee);
      return { payer, payee };
    };
    const { payer, payee } = parties();
    const legs: Leg[] = [];
    if (fate !== "posted") {
      const noted = note(transactionId, payer, payee, at);
      replace(noted.payer, noted.payee);
      legs.push(...noted.legs);
    }
    if (fate === "posted" || fate === "approved") {
      const posted = post({ transactionId, ...parties(), amount: minor(1), at: at + (fate === "approved" ? 300 : 0) }, PARAMS);
      assert.ok(posted.ok);
      replace(posted.payer, posted.payee);
      legs.push(...posted.legs);
    }
    const status = fate === "pending" ? "pending_review" : fate === "rejected" ? "rejected" : "posted";
    kept.push(aTransaction(payer, payee, legs, { id: transactionId, type, status, createdAt: at }));
  }
  await keep(store, users, people);
  await keep(store, accounts, all);
  await keep(store, transactions, kept);
  return { store, all, kept, users: [one, two] as const };
}

async function allPages(store: Store, filter: Omit<TransactionFilter, "cursor">): Promise<Transaction[]> {
  const found: Transaction[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < 300; page++) {
    const result = await listTransactions(store, ORG, { ...filter, cursor });
    assert.ok(result.ok);
    assert.ok(result.transactions.length <= filter.limit);
    found.push(...result.transactions);
    if (result.cursor === undefined) return found;
    cursor = result.cursor;
  }
  throw new Error("the pages do not end");
}

/** What a made-up cursor comes to: the port's own error counts as the refusal it becomes. */
async function codeOf(store: Store, filter: TransactionFilter): Promise<string> {
  try {
    const result = await listTransactions(store, ORG, filter);
    return result.ok ? "ok" : result.code;
  } catch (error) {
    if (error instanceof InvalidCursorError) return "invalid_cursor";
    throw error;
  }
}

void describe("listTransactions", () => {
  void it("lists what a plain filter would: each once, whatever the pages, of the organisation, an account or a user", async () => {
    const time = fc.option(fc.integer({ min: -10, max: 8000 }), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(
        fc.array(move, { maxLength: 40, size: "max" }),
        fc.constantFrom("organisation", "account", "one", "two"),
        fc.record({
          status: fc.option(fc.constantFrom("posted" as const, "pending_review" as const, "rejected" as const), { nil: undefined }),
          type: fc.option(fc.constantFrom("transfer" as const, "reversal" as const), { nil: undefined }),
          from: time,
          to: time,
        }),
        fc.integer({ min: 1, max: 15 }),
        async (moves, of, { status, type, from, to }, limit) => {
          const { store, all, kept, users: people } = await history(moves);
          const accountId = of === "account" ? all[0]?.id : undefined;
          const userId = of === "one" ? people[0] : of === "two" ? people[1] : undefined;
          const bounds = { from: from === undefined ? undefined : T0 + from, to: to === undefined ? undefined : T0 + to };
          const found = await allPages(store, { ...BARE, accountId, userId, status, type, ...bounds, limit });
          const owned = new Set(
            all.filter((account) => account.id === accountId || (userId !== undefined && account.userId === userId)).map(({ id }) => id),
          );
          const wanted = kept.filter(
            (t) =>
              (of === "organisation" || owned.has(t.fromAccountId) || owned.has(t.toAccountId)) &&
              (status === undefined || t.status === status) &&
              (type === undefined || t.type === type) &&
              (bounds.from === undefined || t.createdAt >= bounds.from) &&
              (bounds.to === undefined || t.createdAt <= bounds.to),
          );
          const namesOf = (list: readonly Transaction[]): string[] => list.map(({ id }) => id).toSorted();
          assert.deepEqual(namesOf(found), namesOf(wanted));
          if (of === "organisation")
            assert.deepEqual(
              found.map(({ id }) => id),
              namesOf(wanted).toReversed(),
            );
          else {
            const linked = found.map(({ legs }) => legs.find((leg) => owned.has(leg.accountId))?.at ?? 0);
            for (const [n, at] of linked.entries()) assert.ok(n === 0 || at <= (linked[n - 1] ?? 0), "newest first");
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  void it("refuses what is not there, or another's, or asked twice", async () => {
    const { store, all, users: people } = await history([]);
    const filter = { ...BARE, limit: 5 };
    assert.equal(await codeOf(store, { ...filter, accountId: all[0]?.id, userId: people[0] }), "invalid_request");
    assert.equal(await codeOf(store, { ...filter, accountId: newId("account") }), "account_not_found");
    assert.equal(await codeOf(store, { ...filter, userId: newId("user") }), "user_not_found");
    for (const asked of [{ accountId: all[0]?.id }, { userId: people[0] }]) {
      const foreign = await listTransactions(store, OTHER_ORG, { ...filter, ...asked });
      assert.ok(!foreign.ok && foreign.code.endsWith("_not_found"));
    }
    assert.deepEqual(await listTransactions(store, OTHER_ORG, filter), { ok: true, transactions: [], cursor: undefined });
  });

  void it("calls every made-up cursor invalid, and never breaks over one", async () => {
    const moves = Array.from(
      { length: 12 },
      (_, n) => ({ from: n % 3, to: 3, gap: 1, early: 0, fate: n % 2 === 0 ? "posted" : "pending", type: "transfer" }) as const,
    );
    const { store, all, kept, users: people } = await history(moves);
    const [first, second] = all;
    const some = kept[0];
    assert.ok(first && second && some);
    const lists: Record<string, Partial<TransactionFilter>> = {
      organisation: {},
      account: { accountId: first.id },
      user: { userId: people[0] },
      status: { status: "pending_review" },
    };
    const positions = (account: AccountId, number: number, transaction: TransactionId): string =>
      encodePositions(new Map([[account, { number, transaction }]]));
    const json = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const made = [
      "x",
      "null",
      "{}",
      "txn_",
      `${some.id}x`,
      some.id.toLowerCase(),
      newId("account"),
      json(null),
      json([]),
      json({}),
      json([1, 2]),
      json(["a"]),
      json(["a", 1]),
      positions(first.id, 99, some.id),
      positions(first.id, 1, newId("transaction")),
      positions(newId("account"), 1, some.id),
      positions(second.id, 1, kept.find(({ fromAccountId }) => fromAccountId === second.id)?.id ?? some.id).slice(0, -3),
    ];
    for (const [name, asked] of Object.entries(lists)) {
      for (const cursor of made)
        assert.equal(await codeOf(store, { ...BARE, ...asked, limit: 3, cursor }), "invalid_cursor", `${name}: ${cursor}`);
    }
    // Another account's good cursor.
    const foreign = positions(second.id, 1, kept.find(({ fromAccountId }) => fromAccountId === second.id)?.id ?? some.id);
    assert.equal(await codeOf(store, { ...BARE, accountId: first.id, limit: 3, cursor: foreign }), "invalid_cursor");
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...Object.values(lists)),
        fc.string({ unit: "grapheme-ascii", minLength: 1 }),
        async (asked, cursor) => {
          assert.equal(await codeOf(store, { ...BARE, ...asked, limit: 3, cursor }), "invalid_cursor");
        },
      ),
    );
  });

  void it("loses nothing of a user who comes to hold another account between two pages, nor shows again what came to its end", async () => {
    // The newest two of the user's own accounts are over with the first page; then an account joins that paid the other one.
    const moves = [...Array.from({ length: 8 }, () => [3, 0] as const), ...Array.from({ length: 2 }, () => [1, 2] as const)].map(
      ([from, to]) => ({ from, to, gap: 1, early: 0, fate: "posted", type: "transfer" }) as const,
    );
    const { store, all, kept, users: people } = await history(moves);
    const joins = all[3];
    assert.ok(joins);
    const page = async (cursor: string | undefined, limit: number) => {
      const result = await listTransactions(store, ORG, { ...BARE, userId: people[0], limit, cursor });
      assert.ok(result.ok);
      return result;
    };
    const first = await page(undefined, 3);
    await keep(store, users, [
      {
        ...newUser({ id: people[0], organisationId: ORG, type: "personal", profile: null, emailIndex: null, phoneIndex: null }, T0),
        accountCount: 2,
        sharedAccounts: [joins.id],
        version: 2,
      },
    ]);
    const second = await page(first.cursor, 4);
    const third = await page(second.cursor, 100);
    const listed = [...first.transactions, ...second.transactions, ...third.transactions].map(({ id }) => id);
    assert.deepEqual(listed, kept.map(({ id }) => id).toReversed());
    assert.equal(third.cursor, undefined);
  });

  /** The pages of a user who holds the first two accounts and shares others, one page for each choice of what is shared when it is read. */
  async function pagesSharing(
    moves: readonly (readonly [number, number])[],
    limit: number,
    shared: readonly (readonly number[])[],
    gap = 1,
  ) {
    const all = moves.map(([from, to]) => ({ from, to, gap, early: 0, fate: "posted", type: "transfer" }) as const);
    const { store, all: known, kept, users: people } = await history(all);
    const base = newUser({ id: people[0], organisationId: ORG, type: "personal", profile: null, emailIndex: null, phoneIndex: null }, T0);
    const listed: string[][] = [];
    let cursor: string | undefined;
    for (const [n, places] of shared.entries()) {
      const sharedAccounts = known.flatMap(({ id }, place) => (places.includes(place) ? [id] : []));
      await keep(store, users, [{ ...base, accountCount: 2, sharedAccounts, version: n + 2 }]);
      const result = await listTransactions(store, ORG, { ...BARE, userId: people[0], limit, cursor });
      assert.ok(result.ok, `page ${n + 1}`);
      listed.push(result.transactions.map(({ id }) => id));
      cursor = result.cursor;
    }
    return { listed, cursor, newest: kept.map(({ id }) => id).toReversed() };
  }

  void it("goes on for a user from whom an account is taken between two pages", async () => {
    // Turn by turn an account of the user's own is paid, and the shared one.
    const moves = Array.from({ length: 12 }, (_, n) => [2, n % 2 === 0 ? 0 : 3] as const);
    const { listed, cursor, newest } = await pagesSharing(moves, 4, [[3], []]);
    assert.deepEqual(listed, [newest.slice(0, 4), newest.filter((_, n) => n >= 4 && n % 2 === 1)]);
    assert.equal(cursor, undefined);
  });

  void it("goes on from the same place where only the account that was taken away had more, and ends where no other is held", async () => {
    const moves = [[2, 3] as const, [2, 3] as const, [0, 3] as const, [0, 3] as const, [2, 3] as const];
    const joined = await pagesSharing(moves, 3, [[3], [2]]);
    assert.deepEqual(joined, { listed: [joined.newest.slice(0, 3), joined.newest.slice(3)], cursor: undefined, newest: joined.newest });
    const left = await pagesSharing(moves, 3, [[3], []]);
    assert.deepEqual([left.listed[1], left.cursor], [[], undefined]);
  });

  void it("shows nothing twice where the payer of many payments of one millisecond joins", async () => {
    for (const gap of [0, 1]) {
      const { listed, newest } = await pagesSharing(Array(12).fill([2, 0]), 4, [[], [2], [2]], gap);
      assert.deepEqual(listed.flat(), newest);
    }
  });

  void it("shows nothing twice where a page ends with a payment between an account that is taken away and one that stays", async () => {
    const moves = Array.from({ length: 6 }, () => [2, 3] as const);
    for (const limit of [1, 2, 3]) {
      const { listed, newest } = await pagesSharing(moves, limit, [[2, 3], [3]]);
      assert.deepEqual(listed.flat(), newest.slice(0, 2 * limit));
    }
  });

  void it("loses nothing while the index of a user's accounts forgets one that it has shown", async () => {
    const moves = Array.from(
      { length: 8 },
      (_, n) => ({ from: 2, to: n % 2, gap: 1, early: 0, fate: "posted", type: "transfer" }) as const,
    );
    const { store, all, kept, users: people } = await history(moves);
    let lags = false;
    const lagging: Store = {
      ...store,
      async query(query) {
        const page = await store.query(query);
        return lags ? { ...page, items: page.items.filter(({ id }) => id !== all[1]?.id) } : page;
      },
    };
    const listed: string[] = [];
    let cursor: string | undefined;
    for (const lag of [false, true, false]) {
      lags = lag;
      const result = await listTransactions(lagging, ORG, { ...BARE, userId: people[0], limit: 3, cursor });
      assert.ok(result.ok);
      listed.push(...result.transactions.map(({ id }) => id));
      cursor = result.cursor;
    }
    assert.deepEqual(listed, kept.map(({ id }) => id).toReversed());
  });

  void it("misses nothing up to now after the clock was set back, though ids and histories go on ahead of it", async () => {
    const hour = 3_600_000;
    const gaps = [hour, -hour, 1, 1, 1];
    const moves = gaps.map((gap) => ({ from: 0, to: 2, gap, early: 0, fate: "pending", type: "transfer" }) as const);
    const { store, all, kept, users: people } = await history(moves);
    const now = T0 + 5;
    const lists = [{}, { accountId: all[0]?.id }, { userId: people[0] }, { status: "pending_review" as const }];
    // What a client calls now is over when it is looked at.
    for (const asked of lists)
      for (const to of [now, now - 2, now + 1]) {
        const found = await allPages(store, { ...BARE, ...asked, limit: 2, to, at: now });
        const wanted = kept.filter(({ createdAt }) => createdAt <= to).map(({ id }) => id);
        assert.deepEqual(found.map(({ id }) => id).toSorted(), wanted.toSorted(), JSON.stringify(asked));
      }
    // Pages go on though what was now when the first was asked for is long over.
    for (const asked of lists) {
      const found: string[] = [];
      for (let page = 0, cursor: string | undefined; page === 0 || cursor !== undefined; page++) {
        const result = await listTransactions(store, ORG, { ...BARE, ...asked, limit: 2, to: now, at: now + page * hour, cursor });
        assert.ok(result.ok);
        found.push(...result.transactions.map(({ id }) => id));
        cursor = result.cursor;
      }
      assert.deepEqual(
        found.toSorted(),
        kept
          .slice(1)
          .map(({ id }) => id)
          .toSorted(),
        JSON.stringify(asked),
      );
    }
  });

  void it("reads nothing where a bound lies before 1970", async () => {
    const moves = Array.from({ length: 30 }, () => ({ from: 0, to: 2, gap: 1, early: 0, fate: "posted", type: "transfer" }) as const);
    const { store } = await history(moves);
    let read = 0;
    const counting: Store = {
      ...store,
      async query(query) {
        const page = await store.query(query);
        read += page.items.length;
        return page;
      },
    };
    const page = await listTransactions(counting, ORG, { ...BARE, limit: 5, to: -86_400_000 });
    assert.deepEqual([page, read], [{ ok: true, transactions: [], cursor: undefined }, 0]);
  });

  void it("keeps every transaction in the partition its id says", async () => {
    const { kept } = await history([{ from: 0, to: 1, gap: 1, early: 0, fate: "approved", type: "transfer" }]);
    for (const transaction of kept) assert.equal(transactions.toItem(transaction).partition, partitionOf(ORG, transaction.id));
  });
});
