import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anAccount, funds, MAX, minor, T0 } from "#test/support/builders.ts";
import { InvariantError } from "#kernel/assert.ts";
import { MAX_RESERVATIONS, reservedAt } from "./account.ts";
import { release, reserve } from "./reserve.ts";

void describe("reserve", () => {
  const cases: [string, ReturnType<typeof anAccount>, number | bigint, string][] = [
    ["all there is", anAccount({ balance: minor(10) }), 10, "ok"],
    ["one more", anAccount({ balance: minor(10) }), 11, "insufficient_funds"],
    ["the overdraft too", anAccount({ balance: minor(10), overdraftLimit: minor(5) }), 15, "ok"],
    ["what other holds leave", anAccount({ balance: minor(10), reserved: [funds(4)] }), 6, "ok"],
    ["one of what other holds keep", anAccount({ balance: minor(10), reserved: [funds(4)] }), 7, "insufficient_funds"],
    ["more together than JSON carries", anAccount({ balance: MAX, overdraftLimit: MAX, reserved: [funds(MAX)] }), 1, "balance_overflow"],
    ["exactly what JSON carries", anAccount({ balance: MAX, overdraftLimit: MAX, reserved: [funds(MAX - 1n)] }), 1, "ok"],
  ];
  for (const [name, account, amount, outcome] of cases) {
    void it(`sets aside ${name}: ${outcome}`, () => {
      const result = reserve(account, funds(amount), T0);
      assert.equal(result.ok ? "ok" : result.code, outcome);
      if (!result.ok) return;
      assert.equal(reservedAt(result.account, T0), reservedAt(account, T0) + BigInt(amount));
      assert.equal(result.account.version, account.version, "the caller's change carries it");
      assert.equal(result.account.balance, account.balance);
    });
  }

  void it("takes no more than MAX_RESERVATIONS at a time and sweeps out what has expired", () => {
    const many = Array.from({ length: MAX_RESERVATIONS - 1 }, () => funds(1));
    const account = anAccount({ balance: minor(1000), reserved: [...many, funds(1, T0), funds(1, T0 - 5)] });
    const last = reserve(account, funds(1), T0);
    assert.ok(last.ok);
    assert.equal(last.account.reserved.length, MAX_RESERVATIONS);
    const full = reserve(last.account, funds(1), T0);
    assert.equal(full.ok ? "ok" : full.code, "too_many_holds");
  });

  void it("is asserted to be positive", () => {
    for (const amount of [0, -1]) assert.throws(() => reserve(anAccount({ balance: minor(5) }), funds(amount), T0), InvariantError);
  });
});

void describe("release", () => {
  const [one, two] = [funds(3), funds(4, T0 + 1)];
  const account = anAccount({ reserved: [one, two, funds(9, T0)] });

  void it("lets go of a reservation wholly, down to a rest, or not at all", () => {
    assert.deepEqual(release(account, one.id, T0).reserved, [two]);
    assert.deepEqual(release(account, one.id, T0, minor(2)).reserved, [{ ...one, amount: 2n }, two]);
    assert.deepEqual(release(account, one.id, T0, minor(0)).reserved, [two]);
    assert.deepEqual(release(account, funds(1).id, T0).reserved, [one, two], "an unknown one changes nothing");
    assert.deepEqual(release(account, two.id, T0 + 1, minor(2)).reserved, [one], "an expired one does not come back");
    assert.equal(account.reserved.length, 3);
  });
});
