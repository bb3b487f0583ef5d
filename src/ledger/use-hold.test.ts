import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aHold, anAccount, funds, MAX, minor, newId, ORG, T0 } from "#test/support/builders.ts";
import { InvariantError } from "#kernel/assert.ts";
import type { Currency } from "#kernel/money.ts";
import type { Account } from "./account.ts";
import { availableAt, MAX_RESERVATIONS, reservedAt } from "./account.ts";
import type { Hold } from "./hold.ts";
import { remainingOf, statusAt } from "./hold.ts";
import { authoriseHold, captureHold, incrementHold, voidHold } from "./use-hold.ts";

const PARAMS = { payer: "from", payee: "to" };
const EXPIRES = T0 + 3_600_000;

function authorise(payer: Account, payee: Account, amount: number | bigint) {
  const asked = { id: newId("hold"), organisationId: ORG, payer, payee, amount: minor(amount), expiresAt: EXPIRES };
  return authoriseHold({ ...asked, reference: "r", metadata: null, assessment: { model: "m" } }, T0, PARAMS);
}

/** A payer with 1,000 of which a hold of `amount` reserves a part. */
function held(amount = 100, fields: Partial<Account> = {}): { hold: Hold; payer: Account; payee: Account } {
  const payee = anAccount();
  const before = anAccount({ balance: minor(1000) });
  const made = authorise(before, payee, amount);
  assert.ok(made.ok);
  return { hold: made.hold, payer: { ...made.payer, ...fields }, payee };
}

function capture(on: { hold: Hold; payer: Account; payee: Account }, amount: number | bigint | undefined, final = false, at = T0 + 1) {
  const part = amount === undefined ? undefined : minor(amount);
  return captureHold({ transactionId: newId("transaction"), ...on, amount: part, final }, at, PARAMS);
}

function increment(on: ReturnType<typeof held>, amount: number | bigint, parties: Partial<typeof on> = {}, at = T0) {
  return incrementHold({ ...on, amount: minor(amount), ...parties }, at, PARAMS);
}

void describe("authoriseHold", () => {
  void it("reserves the funds and touches nothing else", () => {
    const payer = anAccount({ balance: minor(100) });
    const payee = anAccount();
    const made = authorise(payer, payee, 100);
    assert.ok(made.ok);
    assert.deepEqual(made.payer.reserved, [{ id: made.hold.id, amount: 100n, expiresAt: EXPIRES }]);
    assert.deepEqual([made.payer.balance, made.payer.version, made.payer.chain.length], [100n, 2, 0]);
    assert.deepEqual([made.hold.status, made.hold.capturedAmount, made.hold.version], ["active", 0n, 1]);
    assert.deepEqual([made.hold.fromAccountId, made.hold.toAccountId], [payer.id, payee.id]);
    assert.equal(availableAt(made.payer, T0), 0n);
  });

  const rich = anAccount({ balance: minor(100) });
  const full = anAccount({ balance: minor(1000), reserved: Array.from({ length: MAX_RESERVATIONS }, () => funds(1)) });
  const refused: [string, Account, Account, number, string][] = [
    ["itself", rich, rich, 1, "same_account"],
    ["a frozen payer", { ...rich, status: "frozen" }, anAccount(), 1, "account_frozen"],
    ["a closed payee", rich, anAccount({ status: "closed" }), 1, "account_closed"],
    ["another currency", rich, anAccount({ currency: "JPY" as Currency }), 1, "currency_mismatch"],
    ["more than is available", rich, anAccount(), 101, "insufficient_funds"],
    ["one hold too many", full, anAccount(), 1, "too_many_holds"],
  ];
  for (const [name, payer, payee, amount, code] of refused) {
    void it(`refuses ${name} as ${code}`, () => {
      const made = authorise(payer, payee, amount);
      assert.equal(made.ok ? "ok" : made.code, code);
    });
  }
});

void describe("statusAt", () => {
  void it("expires at the exact millisecond, and only what is active", () => {
    const hold = aHold(anAccount(), anAccount(), { expiresAt: EXPIRES });
    assert.deepEqual([statusAt(hold, EXPIRES - 1), statusAt(hold, EXPIRES)], ["active", "expired"]);
    assert.equal(statusAt({ ...hold, status: "captured" }, EXPIRES + 1), "captured");
    assert.equal(statusAt({ ...hold, status: "voided" }, EXPIRES + 1), "voided");
  });
});

void describe("every use of a hold", () => {
  const uses: Record<string, (on: ReturnType<typeof held>, at: number) => { ok: boolean; code?: string }> = {
    increment: (on, at) => increment(on, 1, {}, at),
    capture: (on, at) => capture(on, 1, false, at),
    "capture of the rest": (on, at) => capture(on, undefined, false, at),
    void: (on, at) => voidHold(on.hold, on.payer, at),
  };
  for (const [name, use] of Object.entries(uses)) {
    void it(`${name}: works in the last millisecond and not in the next`, () => {
      const on = held();
      assert.equal(use(on, EXPIRES - 1).ok, true);
      assert.equal(use(on, EXPIRES).code, "hold_expired");
    });
    void it(`${name}: refuses what is captured or voided, also after the expiry`, () => {
      for (const status of ["captured", "voided"] as const) {
        const on = held();
        assert.equal(use({ ...on, hold: { ...on.hold, status } }, T0).code, "hold_not_active");
        assert.equal(use({ ...on, hold: { ...on.hold, status } }, EXPIRES).code, "hold_not_active");
      }
    });
  }
});

void describe("incrementHold", () => {
  void it("reserves what is not captured yet of the new total", () => {
    const on = held(100);
    const part = capture(on, 40);
    assert.ok(part.ok);
    const more = increment({ hold: part.hold, payer: part.posted.payer, payee: part.posted.payee }, 50, {}, T0 + 2);
    assert.ok(more.ok);
    assert.deepEqual([more.hold.amount, more.hold.capturedAmount, remainingOf(more.hold)], [150n, 40n, 110n]);
    assert.equal(reservedAt(more.payer, T0 + 2), 110n);
    assert.equal(more.hold.expiresAt, EXPIRES);
    assert.deepEqual([more.hold.version, more.payer.version], [3, 4]);
  });

  void it("takes exactly what is available and not one more", () => {
    const on = held(100);
    assert.equal(increment(on, 900).ok, true);
    const over = increment(on, 901);
    assert.equal(over.ok ? "ok" : over.code, "insufficient_funds");
  });

  void it("takes the place of the old reservation, so it fits where MAX_RESERVATIONS are", () => {
    const on = held(100);
    const others = Array.from({ length: MAX_RESERVATIONS - 1 }, () => funds(1));
    const more = increment(on, 1, { payer: { ...on.payer, reserved: [...on.payer.reserved, ...others] } });
    assert.ok(more.ok);
    assert.equal(more.payer.reserved.length, MAX_RESERVATIONS);
  });

  void it("refuses a frozen or closed party and a total beyond JSON", () => {
    const on = held(100);
    const codeOf = (payer: Account, amount: bigint) => {
      const made = increment(on, amount, { payer });
      return made.ok ? "ok" : made.code;
    };
    assert.equal(codeOf({ ...on.payer, status: "frozen" }, 1n), "account_frozen");
    for (const status of ["frozen", "closed"] as const) {
      const made = increment(on, 1, { payee: { ...on.payee, status } });
      assert.deepEqual(made.ok ? "ok" : [made.code, made.param], [`account_${status}`, "to"]);
    }
    // Only where clocks disagree: one node saw the hold expire and closed the account, another does not yet.
    assert.equal(
      codeOf({ ...on.payer, status: "closed", balance: minor(0), overdraftLimit: minor(500), reserved: [] }, 1n),
      "account_closed",
    );
    assert.equal(codeOf({ ...on.payer, overdraftLimit: MAX }, MAX), "balance_overflow");
  });
});

void describe("captureHold", () => {
  void it("captures in parts, each unit once, until nothing is left", () => {
    let on = held(100);
    for (const [amount, left, status] of [
      [30, 70n, "active"],
      [69, 1n, "active"],
      [1, 0n, "captured"],
    ] as const) {
      const part = capture(on, amount);
      assert.ok(part.ok);
      assert.deepEqual([remainingOf(part.hold), part.hold.status], [left, status]);
      assert.equal(reservedAt(part.posted.payer, T0 + 1), left);
      on = { hold: part.hold, payer: part.posted.payer, payee: part.posted.payee };
    }
    assert.deepEqual([on.payer.balance, on.payee.balance, on.payer.reserved.length], [900n, 100n, 0]);
    const again = capture(on, 1);
    assert.equal(again.ok ? "ok" : again.code, "hold_not_active");
  });

  void it("releases the rest with a final part", () => {
    const part = capture(held(100), 10, true);
    assert.ok(part.ok);
    assert.deepEqual([part.hold.status, part.hold.capturedAmount, part.posted.payer.reserved.length], ["captured", 10n, 0]);
    assert.equal(availableAt(part.posted.payer, T0 + 1), 990n);
  });

  void it("takes all that remains where no amount is given, final or not", () => {
    for (const final of [false, true]) {
      const first = capture(held(100), 30);
      assert.ok(first.ok);
      const rest = capture({ hold: first.hold, payer: first.posted.payer, payee: first.posted.payee }, undefined, final);
      assert.ok(rest.ok);
      assert.deepEqual([rest.amount, rest.hold.status, rest.hold.capturedAmount], [70n, "captured", 100n]);
      assert.deepEqual([rest.posted.payer.balance, rest.posted.payee.balance, rest.posted.payer.reserved.length], [900n, 100n, 0]);
    }
    const frozen = capture(held(100, { status: "frozen" }), undefined);
    assert.equal(frozen.ok ? "ok" : frozen.code, "account_frozen");
  });

  void it("is refused one beyond what is left", () => {
    const on = held(100);
    const first = capture(on, 60);
    assert.ok(first.ok);
    const more = capture({ hold: first.hold, payer: first.posted.payer, payee: first.posted.payee }, 41);
    assert.ok(!more.ok);
    assert.deepEqual([more.code, more.param, more.detail], ["hold_amount_exceeded", "amount", "The hold still reserves 40."]);
  });

  void it("uses the reserved funds although nothing else is available", () => {
    const on = held(1000);
    assert.equal(availableAt(on.payer, T0), 0n);
    assert.equal(capture(on, 1000).ok, true);
  });

  void it("is refused for parties that may not move money, and leaves the hold active", () => {
    const on = held(100);
    const codes = (["frozen", "closed"] as const).flatMap((status) => [
      capture({ ...on, payer: { ...on.payer, status } }, 1),
      capture({ ...on, payee: { ...on.payee, status } }, 1),
    ]);
    assert.deepEqual(
      codes.map((result) => (result.ok ? "ok" : result.code)),
      ["account_frozen", "account_frozen", "account_closed", "account_closed"],
    );
    const brim = capture({ ...on, payee: { ...on.payee, balance: MAX } }, 1);
    assert.equal(brim.ok ? "ok" : brim.code, "balance_overflow");
    assert.equal(on.hold.status, "active");
  });

  void it("whose reservation another node's clock swept away moves money only if it is still there", () => {
    const on = held(100);
    const swept = { ...on, payer: { ...on.payer, reserved: [], balance: minor(99) } };
    const short = capture(swept, 100);
    assert.equal(short.ok ? "ok" : short.code, "insufficient_funds");
    assert.equal(capture(swept, 99).ok, true);
  });

  void it("is asserted to be of a positive amount", () => {
    assert.throws(() => capture(held(), 0), InvariantError);
    const used = held(100);
    assert.throws(() => capture({ ...used, hold: { ...used.hold, capturedAmount: minor(100) } }, undefined), InvariantError);
  });
});

void describe("voidHold", () => {
  void it("releases what remains, also on a frozen account", () => {
    const on = held(100, { status: "frozen" });
    const result = voidHold(on.hold, on.payer, T0 + 9);
    assert.ok(result.ok);
    assert.deepEqual([result.hold.status, result.payer.reserved.length, result.payer.version], ["voided", 0, 3]);
    assert.deepEqual([result.hold.updatedAt, result.payer.updatedAt, result.payer.balance], [T0 + 9, T0 + 9, 1000n]);
  });
});
