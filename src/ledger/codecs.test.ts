import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { newId, ORG } from "#test/support/builders.ts";
import type { JsonObject, JsonValue } from "#kernel/json.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import type { Collection, Item, Versioned } from "#storage/index.ts";
import { assertStorable, keyOf } from "#storage/validate-commit.ts";
import type { Account } from "./account.ts";
import { accounts, accountTypes } from "./account.ts";
import type { Hold } from "./hold.ts";
import { holds } from "./hold.ts";
import { holderRoles } from "./holder.ts";
import type { Transaction } from "./transaction.ts";
import { transactions, transactionStatuses, transactionTypes } from "./transaction.ts";

/** A record as code makes it, with the prototype of any object. */
const plain = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
const signed = fc.bigInt({ min: -9007199254740991n, max: 9007199254740991n }).map((n) => n as Minor);
const positive = fc.bigInt({ min: 1n, max: 9007199254740991n }).map((n) => n as Minor);
const time = fc.integer({ min: 0, max: 253402300799999 });
const count = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
// No store takes `__proto__` for a name, and the HTTP room refuses it.
const memberName = fc.string({ unit: "grapheme", minLength: 1 }).filter((name) => name !== "__proto__");
const json = fc.dictionary(memberName, fc.string({ unit: "grapheme" }), {
  noNullPrototype: true,
}) as fc.Arbitrary<JsonObject>;
const metadata = fc.option(json, { nil: null });
const reference = fc.option(fc.string({ unit: "grapheme", minLength: 1, maxLength: 140 }), { nil: null });
const idOf = <K extends Parameters<typeof newId>[0]>(kind: K) => fc.constantFrom(newId(kind), newId(kind), newId(kind));
const optionalId = <K extends Parameters<typeof newId>[0]>(kind: K) => fc.option(idOf(kind), { nil: null });
const currency = fc.constantFrom("EUR" as Currency, "JPY" as Currency);
const chain = plain({ length: fc.nat(), last: optionalId("transaction"), marks: fc.array(optionalId("transaction")), at: time });

const account: fc.Arbitrary<Account> = plain({
  id: idOf("account"),
  organisationId: fc.constant(ORG),
  userId: optionalId("user"),
  holders: fc.option(
    fc.array(
      plain({
        userId: idOf("user"),
        role: fc.constantFrom(...holderRoles),
        restriction: fc.constantFrom("pending" as const, "restricted" as const, null),
      }),
    ),
    { nil: null },
  ),
  type: fc.constantFrom(...accountTypes),
  currency,
  status: fc.constantFrom("active", "frozen", "closed"),
  balance: signed,
  overdraftLimit: positive,
  interestRateBps: fc.integer({ min: -10_000, max: 10_000 }),
  metadata,
  reserved: fc.array(plain({ id: idOf("hold"), amount: positive, expiresAt: fc.option(time, { nil: null }) })),
  entryCount: fc.nat(),
  chain,
  incoming: fc.option(fc.string(), { nil: null }),
  createdAt: time,
  updatedAt: time,
  version: count,
});

const hold: fc.Arbitrary<Hold> = plain({
  id: idOf("hold"),
  organisationId: fc.constant(ORG),
  fromAccountId: idOf("account"),
  toAccountId: idOf("account"),
  amount: positive,
  capturedAmount: positive,
  currency,
  status: fc.constantFrom("active", "captured", "voided"),
  expiresAt: time,
  reference,
  metadata,
  assessment: json,
  createdAt: time,
  updatedAt: time,
  version: count,
});

const leg = plain({
  accountId: idOf("account"),
  link: plain({ number: count, previous: optionalId("transaction"), skips: fc.array(optionalId("transaction"), { maxLength: 6 }) }),
  at: time,
  entry: fc.option(plain({ number: count, amount: signed }), { nil: null }),
  balanceAfter: signed,
});

const transaction: fc.Arbitrary<Transaction> = plain({
  id: idOf("transaction"),
  organisationId: fc.constant(ORG),
  type: fc.constantFrom(...transactionTypes),
  status: fc.constantFrom(...transactionStatuses),
  fromAccountId: idOf("account"),
  toAccountId: idOf("account"),
  amount: positive,
  currency,
  reference,
  metadata,
  assessment: metadata,
  reviewId: optionalId("review"),
  holdId: optionalId("hold"),
  reverses: optionalId("transaction"),
  reversedAmount: positive,
  legs: fc.array(leg, { maxLength: 4 }),
  createdAt: time,
  postedAt: fc.option(time, { nil: null }),
  version: count,
});

function roundTrips<T extends Versioned>(collection: Collection<T>, records: fc.Arbitrary<T>): void {
  fc.assert(
    fc.property(records, (record) => {
      const item = collection.toItem(record);
      assertStorable(item);
      assert.deepEqual(keyOf(collection.table, item), collection.keyOf(record));
      assert.equal(item.version as JsonValue, record.version);
      const stored = JSON.parse(JSON.stringify(item)) as Item;
      assert.deepEqual(collection.fromItem(stored), record);
    }),
  );
}

void describe("stored records", () => {
  void it("come back as they were: accounts", () => roundTrips(accounts, account));
  void it("come back as they were: holds", () => roundTrips(holds, hold));
  void it("come back as they were: transactions", () => roundTrips(transactions, transaction));

  void it("are in the index of users only where they belong to one, and in that of statuses only unless posted", () => {
    fc.assert(
      fc.property(account, transaction, (a, t) => {
        assert.equal("user_id" in accounts.toItem(a), a.userId !== null);
        assert.equal(transactions.toItem(t).status_key, t.status === "posted" ? undefined : `${ORG}#${t.status}`);
      }),
    );
  });
});
