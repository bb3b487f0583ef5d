import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anAccount, EUR, funds, MAX, minor, newId, OTHER_ORG, T0 } from "#test/support/builders.ts";
import { InvariantError } from "#kernel/assert.ts";
import type { Currency } from "#kernel/money.ts";
import type { Account } from "./account.ts";
import { availableAt, reservedAt } from "./account.ts";
import { checkFunds, checkParties, note, post } from "./post.ts";

const PARAMS = { payer: "from", payee: "to" };
const move = (payer: Account, payee: Account, amount: number | bigint, at = T0) =>
  post({ transactionId: newId("transaction"), payer, payee, amount: minor(amount), at }, PARAMS);

void describe("post", () => {
  void it("moves the amount with two entries that sum to zero", () => {
    const payer = anAccount({ balance: minor(100), entryCount: 4 });
    const payee = anAccount({ balance: minor(7) });
    const transactionId = newId("transaction");
    const posted = post({ transactionId, payer, payee, amount: minor(30), at: T0 + 5 }, PARAMS);
    assert.ok(posted.ok);
    assert.equal(posted.payer.balance, 70n);
    assert.equal(posted.payee.balance, 37n);
    assert.deepEqual([posted.payer.version, posted.payee.version, posted.payer.updatedAt], [2, 2, T0 + 5]);
    const [debit, credit] = posted.legs;
    assert.deepEqual(debit.entry, { number: 5, amount: -30n });
    assert.deepEqual(credit.entry, { number: 1, amount: 30n });
    assert.deepEqual([debit.balanceAfter, credit.balanceAfter], [70n, 37n]);
    assert.deepEqual(debit.link, { number: 1, previous: null, skips: [] });
    assert.equal(posted.payer.chain.last, transactionId);
    assert.deepEqual([payer.balance, payer.entryCount, payer.chain.length], [100n, 4, 0], "the account given is not touched");
  });

  const settlement = (balance: bigint) => anAccount({ type: "settlement", userId: null, balance: minor(balance) });
  const boundaries: [string, Account, Account, number | bigint, string][] = [
    ["exactly what is available", anAccount({ balance: minor(50) }), anAccount(), 50, "ok"],
    ["one more than is available", anAccount({ balance: minor(50) }), anAccount(), 51, "insufficient_funds"],
    ["nothing at all in the account", anAccount(), anAccount(), 1, "insufficient_funds"],
    ["the whole overdraft", anAccount({ balance: minor(50), overdraftLimit: minor(20) }), anAccount(), 70, "ok"],
    ["one beyond the overdraft", anAccount({ balance: minor(50), overdraftLimit: minor(20) }), anAccount(), 71, "insufficient_funds"],
    ["an overdraft in use", anAccount({ balance: minor(-20), overdraftLimit: minor(20) }), anAccount(), 1, "insufficient_funds"],
    ["what holds leave", anAccount({ balance: minor(50), reserved: [funds(10), funds(15)] }), anAccount(), 25, "ok"],
    ["one of what holds keep", anAccount({ balance: minor(50), reserved: [funds(10), funds(15)] }), anAccount(), 26, "insufficient_funds"],
    [
      "a hold in its last millisecond",
      anAccount({ balance: minor(50), reserved: [funds(50, T0 + 1)] }),
      anAccount(),
      1,
      "insufficient_funds",
    ],
    ["a hold that expires this millisecond", anAccount({ balance: minor(50), reserved: [funds(50, T0)] }), anAccount(), 50, "ok"],
    ["everything there can be", anAccount({ balance: MAX }), anAccount(), MAX, "ok"],
    ["a payee filled to the brim", anAccount({ balance: minor(1) }), anAccount({ balance: minor(MAX - 1n) }), 1, "ok"],
    ["a payee who would overflow", anAccount({ balance: minor(2) }), anAccount({ balance: minor(MAX - 1n) }), 2, "balance_overflow"],
    ["an overdraft down to the bottom", anAccount({ balance: minor(0), overdraftLimit: MAX }), anAccount(), MAX, "ok"],
    ["a settlement account without a floor", settlement(0n), anAccount(), MAX, "ok"],
    ["a settlement account at its floor", settlement(-MAX), anAccount(), 1, "balance_overflow"],
  ];
  for (const [name, payer, payee, amount, outcome] of boundaries) {
    void it(`takes or refuses ${name}: ${outcome}`, () => {
      const posted = move(payer, payee, amount);
      assert.equal(posted.ok ? "ok" : posted.code, outcome);
      if (!posted.ok) assert.equal(posted.param, "amount");
      else assert.ok(payer.type === "settlement" || availableAt(posted.payer, T0) >= 0n);
    });
  }

  void it("is asserted to be of a positive amount and inside one organisation", () => {
    const rich = anAccount({ balance: minor(10) });
    for (const amount of [0, -1]) assert.throws(() => move(rich, anAccount(), amount), InvariantError);
    assert.throws(() => move(rich, anAccount({ organisationId: OTHER_ORG }), 1), InvariantError);
  });

  void it("never goes back in time along either chain, whatever the clock says", () => {
    let a = anAccount({ balance: minor(100) });
    let b = anAccount({ balance: minor(100) });
    const c = anAccount({ balance: minor(100) });
    const ahead = move(a, b, 1, T0 + 1000);
    assert.ok(ahead.ok);
    ({ payer: a, payee: b } = ahead);
    const back = move(c, b, 1, T0);
    assert.ok(back.ok);
    assert.equal(back.at, T0 + 1000);
    assert.deepEqual(
      back.legs.map(({ at }) => at),
      [T0 + 1000, T0 + 1000],
    );
    assert.deepEqual([back.payer.chain.at, back.payee.chain.at], [T0 + 1000, T0 + 1000]);
    const later = move(a, c, 1, T0 + 2000);
    assert.ok(later.ok && later.at === T0 + 2000);
  });
});

void describe("checkParties", () => {
  const other = { currency: "JPY" as Currency };
  const a = anAccount();
  const cases: [string, Account, Account, string | undefined, string?][] = [
    ["two active accounts", a, anAccount(), undefined],
    ["the same account", a, a, "same_account", "to"],
    ["a closed payer", anAccount({ status: "closed" }), a, "account_closed", "from"],
    ["a closed payee", a, anAccount({ status: "closed" }), "account_closed", "to"],
    ["a frozen payer", anAccount({ status: "frozen" }), a, "account_frozen", "from"],
    ["a frozen payee", a, anAccount({ status: "frozen" }), "account_frozen", "to"],
    ["a closed payee before a frozen payer", anAccount({ status: "frozen" }), anAccount({ status: "closed" }), "account_closed", "to"],
    ["two currencies", a, anAccount(other), "currency_mismatch", "to"],
    ["a frozen payer before two currencies", anAccount({ ...other, status: "frozen" }), a, "account_frozen", "from"],
  ];
  for (const [name, payer, payee, code, param] of cases) {
    void it(`judges ${name}: ${code ?? "fine"}`, () => {
      const refusal = checkParties(payer, payee, PARAMS);
      assert.deepEqual([refusal?.code, refusal?.param], [code, param]);
    });
  }
});

void describe("checkFunds, reservedAt and availableAt", () => {
  void it("count an expired hold until the millisecond before and a review for ever", () => {
    const account = anAccount({ balance: minor(100), overdraftLimit: minor(5), reserved: [funds(30, T0), funds(40, T0 + 1), funds(10)] });
    assert.deepEqual(
      [T0 - 1, T0, T0 + 1, T0 + 1e12].map((at) => reservedAt(account, at)),
      [80n, 50n, 10n, 10n],
    );
    assert.equal(availableAt(account, T0), 55n);
    assert.equal(checkFunds(account, minor(55), T0), undefined);
    assert.equal(checkFunds(account, minor(56), T0)?.code, "insufficient_funds");
  });

  void it("ask nothing of a settlement account", () => {
    assert.equal(checkFunds(anAccount({ type: "settlement", currency: EUR }), MAX, T0), undefined);
  });
});

void describe("note", () => {
  void it("puts a link without an entry into both histories and moves nothing", () => {
    const payer = anAccount({ balance: minor(9), chain: { length: 3, last: newId("transaction"), marks: [], at: T0 + 50 } });
    const payee = anAccount();
    const id = newId("transaction");
    const noted = note(id, payer, payee, T0);
    assert.deepEqual([noted.payer.balance, noted.payee.balance, noted.payer.entryCount], [9n, 0n, 0]);
    assert.deepEqual([noted.payer.chain.length, noted.payee.chain.length, noted.at], [4, 1, T0 + 50]);
    assert.deepEqual(
      noted.legs.map(({ entry, balanceAfter, at }) => [entry, balanceAfter, at]),
      [
        [null, 9n, T0 + 50],
        [null, 0n, T0 + 50],
      ],
    );
    assert.deepEqual([noted.payer.version, noted.payee.version], [2, 2]);
  });
});
