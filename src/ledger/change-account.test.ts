import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anAccount, EUR, funds, MAX, minor, newId, ORG, OTHER_ORG, T0 } from "#test/support/builders.ts";
import { isId } from "#kernel/ids.ts";
import type { Currency } from "#kernel/money.ts";
import type { Account } from "./account.ts";
import { changeTerms, closeAccount, freezeAccount, unfreezeAccount } from "./change-account.ts";
import { openAccount, openSettlementAccount } from "./open-account.ts";
import { settlementAccountId } from "./settlement.ts";

const codeOf = (changed: ReturnType<typeof changeTerms>): string => (changed.ok ? "ok" : changed.code);
const settlement = anAccount({ type: "settlement", userId: null });

void describe("changeTerms", () => {
  void it("changes what is named and keeps the rest", () => {
    const account = anAccount({ overdraftLimit: minor(5), interestRateBps: 7, metadata: { a: 1 } });
    const changed = changeTerms(account, { interestRateBps: 9 }, T0 + 1);
    assert.ok(changed.ok);
    assert.deepEqual(changed.account, { ...account, interestRateBps: 9, updatedAt: T0 + 1, version: 2 });
    const bare = changeTerms(account, { metadata: null }, T0 + 1);
    assert.ok(bare.ok && bare.account.metadata === null);
  });

  void it("never lets updated_at go back", () => {
    const changed = changeTerms(anAccount({ updatedAt: T0 + 50 }), { interestRateBps: 1 }, T0);
    assert.ok(changed.ok && changed.account.updatedAt === T0 + 50);
  });

  const used = anAccount({ balance: minor(-30), overdraftLimit: minor(100), reserved: [funds(20), funds(10, T0)] });
  const cases: [string, Account, Parameters<typeof changeTerms>[1], string][] = [
    ["a limit at exactly what is in use, holds included", used, { overdraftLimit: minor(50) }, "ok"],
    ["a limit one below what is in use", used, { overdraftLimit: minor(49) }, "overdraft_in_use"],
    ["the largest limit", used, { overdraftLimit: MAX }, "ok"],
    ["a frozen account's terms", anAccount({ status: "frozen" }), { interestRateBps: 1 }, "ok"],
    ["a closed account's terms", anAccount({ status: "closed" }), { interestRateBps: 1 }, "account_closed"],
    ["a settlement account's limit", settlement, { overdraftLimit: minor(1) }, "account_type_not_allowed"],
    ["a settlement account's metadata", { ...settlement, balance: minor(-9) }, { metadata: {} }, "ok"],
  ];
  for (const [name, account, terms, outcome] of cases) {
    void it(`judges ${name}: ${outcome}`, () => assert.equal(codeOf(changeTerms(account, terms, T0)), outcome));
  }
});

void describe("freeze, unfreeze and close", () => {
  const statuses = ["active", "frozen", "closed"] as const;
  const table: [string, (account: Account, at: number) => ReturnType<typeof changeTerms>, readonly string[]][] = [
    ["freeze", freezeAccount, ["frozen", "account_status_conflict", "account_status_conflict"]],
    ["unfreeze", unfreezeAccount, ["account_status_conflict", "active", "account_status_conflict"]],
    ["close", closeAccount, ["closed", "closed", "account_status_conflict"]],
  ];
  for (const [name, verb, outcomes] of table) {
    void it(`${name} an active, a frozen and a closed account`, () => {
      const results = statuses.map((status) => verb(anAccount({ status }), T0 + 1));
      assert.deepEqual(
        results.map((result) => (result.ok ? result.account.status : result.code)),
        outcomes,
      );
      for (const result of results) if (result.ok) assert.deepEqual([result.account.version, result.account.updatedAt], [2, T0 + 1]);
    });
  }

  void it("are not for settlement accounts", () => {
    assert.equal(codeOf(freezeAccount(settlement, T0)), "account_type_not_allowed");
    assert.equal(codeOf(closeAccount(settlement, T0)), "account_type_not_allowed");
  });

  void it("close only what is empty, and forget expired holds", () => {
    assert.equal(codeOf(closeAccount(anAccount({ balance: minor(1) }), T0)), "account_not_empty");
    assert.equal(codeOf(closeAccount(anAccount({ balance: minor(-1), overdraftLimit: minor(1) }), T0)), "account_not_empty");
    assert.equal(codeOf(closeAccount(anAccount({ overdraftLimit: minor(9), reserved: [funds(9, T0 + 1)] }), T0)), "account_not_empty");
    const closed = closeAccount(anAccount({ reserved: [funds(9, T0)] }), T0);
    assert.ok(closed.ok);
    assert.deepEqual(closed.account.reserved, []);
  });
});

void describe("openAccount and settlement accounts", () => {
  void it("open active and empty", () => {
    const asked = { id: newId("account"), organisationId: ORG, userId: newId("user"), type: "savings" as const, currency: EUR };
    const account = openAccount({ ...asked, overdraftLimit: minor(5), interestRateBps: 150, metadata: null }, T0);
    assert.deepEqual([account.status, account.balance, account.entryCount, account.chain.length], ["active", 0n, 0, 0]);
    assert.deepEqual([account.version, account.createdAt, account.updatedAt, account.overdraftLimit], [1, T0, T0, 5n]);
    const mirror = openSettlementAccount(settlementAccountId(ORG, EUR), ORG, EUR, T0);
    assert.deepEqual([mirror.type, mirror.userId, mirror.overdraftLimit], ["settlement", null, 0n]);
  });

  void it("have one id per organisation and currency", () => {
    const usd = "USD" as Currency;
    const ids = [settlementAccountId(ORG, EUR), settlementAccountId(ORG, usd), settlementAccountId(OTHER_ORG, EUR)];
    assert.equal(new Set(ids).size, 3);
    for (const id of ids) assert.ok(isId("account", id));
    assert.equal(settlementAccountId(ORG, EUR), ids[0]);
  });
});
