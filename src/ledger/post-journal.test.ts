import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { anAccount, EUR, funds, MAX, minor, newId, OTHER_ORG, T0 } from "#test/support/builders.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import type { Account } from "./account.ts";
import { availableAt } from "./account.ts";
import type { JournalLine } from "./post-journal.ts";
import { MAX_JOURNAL_LINES, postJournal } from "./post-journal.ts";
import type { Leg } from "./transaction.ts";

const line = (account: Account, amount: number): JournalLine => ({ account, amount: minor(amount) });
const post = (lines: readonly JournalLine[], at = T0) => postJournal(newId("transaction"), lines, at);
const refusedAs = (lines: readonly JournalLine[], code: string, param: string): void => {
  const posted = post(lines);
  assert.deepEqual(posted.ok ? "posted" : [posted.code, posted.param], [code, param]);
};

void describe("SOX-05 posting a journal", () => {
  void it("keeps the books whatever is asked: the sum is zero, no account goes beyond its limit, entries are numbered, all or none", () => {
    const one = fc.record({
      balance: fc.integer({ min: 0, max: 50 }),
      overdraft: fc.integer({ min: 0, max: 20 }),
      held: fc.integer({ min: 0, max: 20 }),
      settlement: fc.boolean(),
      entries: fc.integer({ min: 0, max: 9 }),
      amount: fc.integer({ min: -40, max: 40 }).filter((amount) => amount !== 0),
    });
    let done = 0;
    let refused = 0;
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: MAX_JOURNAL_LINES - 1 }), (made) => {
        const lines = made.map(({ balance, overdraft, held, settlement, entries, amount }) =>
          line(
            anAccount({
              balance: minor(balance),
              overdraftLimit: minor(overdraft),
              reserved: held === 0 ? [] : [funds(held)],
              type: settlement ? "settlement" : "checking",
              entryCount: entries,
            }),
            amount,
          ),
        );
        const rest = -made.reduce((sum, { amount }) => sum + amount, 0);
        if (rest === 0) return;
        lines.push(line(anAccount({ type: "settlement" }), rest));
        const posted = post(lines);
        const beyond = lines.some(
          ({ account, amount }) => amount < 0n && account.type !== "settlement" && availableAt(account, T0) + amount < 0n,
        );
        assert.equal(posted.ok, !beyond);
        if (!posted.ok) {
          refused += 1;
          return;
        }
        done += 1;
        assert.equal(
          posted.legs.reduce((sum, { entry }) => sum + (entry?.amount ?? 0n), 0n),
          0n,
        );
        for (const [n, { account, amount }] of lines.entries()) {
          const after: Account | undefined = posted.accounts[n];
          const leg: Leg | undefined = posted.legs[n];
          assert.ok(after && leg && leg.accountId === account.id);
          assert.equal(after.balance, account.balance + amount);
          assert.deepEqual([leg.entry, leg.balanceAfter], [{ number: account.entryCount + 1, amount }, after.balance]);
          assert.deepEqual([after.entryCount, after.version], [account.entryCount + 1, account.version + 1]);
          assert.equal(leg.link.number, account.chain.length + 1);
          if (amount < 0n && account.type !== "settlement") assert.ok(availableAt(after, T0) >= 0n);
        }
      }),
    );
    assert.ok(done > 5 && refused > 5, "both ends were seen");
  });

  void it("refuses every account that could not take part in a movement, and names its line", () => {
    const rich = anAccount({ balance: minor(100) });
    refusedAs([line(rich, -10), line(anAccount({ status: "frozen" }), 10)], "account_frozen", "entries.1.account_id");
    refusedAs([line(anAccount({ status: "closed" }), 10), line(rich, -10)], "account_closed", "entries.0.account_id");
    refusedAs([line(rich, -10), line(anAccount({ currency: "JPY" as Currency }), 10)], "currency_mismatch", "entries.1.account_id");
    refusedAs([line(rich, -101), line(anAccount(), 101)], "insufficient_funds", "entries.0.amount");
    const full = { account: anAccount({ balance: MAX }), amount: minor(1) };
    refusedAs([line(rich, -1), full], "balance_overflow", "entries.1.amount");
  });

  void it("lets nothing leave an account with a restricted holder, and nothing come to one with a pending holder", () => {
    const rich = (restriction: "pending" | "restricted" | null) =>
      anAccount({ balance: minor(100), holders: [{ userId: newId("user"), role: "owner", restriction }] });
    refusedAs([line(rich("restricted"), -10), line(anAccount(), 10)], "account_restricted", "entries.0.account_id");
    refusedAs([line(rich("pending"), -10), line(anAccount(), 10)], "account_restricted", "entries.0.account_id");
    refusedAs([line(rich(null), -10), line(rich("pending"), 10)], "account_restricted", "entries.1.account_id");
    assert.ok(post([line(rich(null), -10), line(rich("restricted"), 10)]).ok);
  });

  void it("is no way around a bug: what is unbalanced, or names an account twice, throws", () => {
    const [a, b] = [anAccount({ balance: minor(100) }), anAccount()];
    for (const lines of [
      [line(a, -10)],
      [line(a, -10), line(b, 9)],
      [line(a, -10), line(a, 10)],
      [line(a, 0), line(b, 0)],
      [line(a, -10), line(anAccount({ organisationId: OTHER_ORG }), 10)],
      Array.from({ length: MAX_JOURNAL_LINES + 1 }, (_, n) => line(anAccount(), n === 0 ? -MAX_JOURNAL_LINES : 1)),
    ])
      assert.throws(() => post(lines), { name: "InvariantError" });
  });

  void it("never goes back in an account's history, whatever the clock says", () => {
    const a = anAccount({ balance: minor(100) });
    const later = post([line(a, -1), line(anAccount(), 1)], T0 + 500);
    assert.ok(later.ok);
    const [after] = later.accounts;
    assert.ok(after);
    const posted = post([line(after, -1), { account: anAccount({ currency: EUR }), amount: 1n as Minor }], T0);
    assert.ok(posted.ok && posted.at === T0 + 500);
  });
});
