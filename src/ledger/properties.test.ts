import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { anAccount, minor, newId, ORG, T0 } from "#test/support/builders.ts";
import type { HoldId, TransactionId } from "#kernel/ids.ts";
import type { Account } from "./account.ts";
import { availableAt, reservedAt } from "./account.ts";
import { changeTerms, freezeAccount, unfreezeAccount } from "./change-account.ts";
import type { Hold } from "./hold.ts";
import { remainingOf, statusAt } from "./hold.ts";
import type { Posted } from "./post.ts";
import { note, post } from "./post.ts";
import { release, reserve } from "./reserve.ts";
import type { Leg } from "./transaction.ts";
import { authoriseHold, captureHold, incrementHold, voidHold } from "./use-hold.ts";

const PARAMS = { payer: "from", payee: "to" };
const ACCOUNTS = 4;
const HOLD_MS = 500;

/** The ledger as it stands, every leg ever written, and what a plain reader would say is set aside. */
interface World {
  accounts: Account[];
  holds: Map<HoldId, Hold>;
  /** Payments that wait for a review: payer, payee, amount. */
  reviews: Map<TransactionId, { from: number; to: number; amount: bigint }>;
  legs: Leg[];
  at: number;
}

function newWorld(): World {
  const settlement = anAccount({ type: "settlement", userId: null });
  const customers = Array.from({ length: ACCOUNTS - 1 }, (_, n) => anAccount({ overdraftLimit: minor(n * 50) }));
  return { accounts: [settlement, ...customers], holds: new Map(), reviews: new Map(), legs: [], at: T0 };
}

const operation = fc.record({
  verb: fc.constantFrom("post", "post", "authorise", "increment", "capture", "void", "wait", "approve", "reject", "terms", "freeze"),
  from: fc.nat(ACCOUNTS - 1),
  to: fc.nat(ACCOUNTS - 1),
  amount: fc.integer({ min: 1, max: 120 }),
  pick: fc.nat(1000),
  flag: fc.boolean(),
  elapse: fc.integer({ min: 0, max: 200 }),
});
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

function accountAt(world: World, n: number): Account {
  const found = world.accounts[n];
  assert.ok(found);
  return found;
}

function keepPosted(world: World, posted: Posted): void {
  for (const account of [posted.payer, posted.payee]) {
    world.accounts = world.accounts.map((old) => (old.id === account.id ? account : old));
  }
  world.legs.push(...posted.legs);
}

function replace(world: World, account: Account): void {
  world.accounts = world.accounts.map((old) => (old.id === account.id ? account : old));
}

function picked<K, V>(map: ReadonlyMap<K, V>, n: number): [K, V] | undefined {
  return [...map][map.size === 0 ? 0 : n % map.size];
}

/** Carries one operation out; a refusal changes nothing. */
function step(world: World, { verb, from, to, amount, pick, flag }: Operation): void {
  const { at } = world;
  const payer = accountAt(world, from);
  const payee = accountAt(world, to);
  const byId = (id: string): Account => {
    const found = world.accounts.find((account) => account.id === id);
    assert.ok(found);
    return found;
  };
  switch (verb) {
    case "post": {
      const posted = post({ transactionId: newId("transaction"), payer, payee, amount: minor(amount), at }, PARAMS);
      if (posted.ok) keepPosted(world, posted);
      return;
    }
    case "authorise": {
      if (payer.type === "settlement") return;
      const asked = { id: newId("hold"), organisationId: ORG, payer, payee, amount: minor(amount), expiresAt: at + HOLD_MS };
      const made = authoriseHold({ ...asked, reference: null, metadata: null, assessment: {} }, at, PARAMS);
      if (!made.ok) return;
      replace(world, made.payer);
      world.holds.set(made.hold.id, made.hold);
      return;
    }
    case "increment":
    case "void": {
      const [, hold] = picked(world.holds, pick) ?? [];
      if (hold === undefined) return;
      const own = byId(hold.fromAccountId);
      const raise = { hold, payer: own, payee: byId(hold.toAccountId), amount: minor(amount) };
      const result = verb === "void" ? voidHold(hold, own, at) : incrementHold(raise, at, PARAMS);
      if (!result.ok) return;
      replace(world, result.payer);
      world.holds.set(hold.id, result.hold);
      return;
    }
    case "capture": {
      const [, hold] = picked(world.holds, pick) ?? [];
      if (hold === undefined) return;
      const parties = { payer: byId(hold.fromAccountId), payee: byId(hold.toAccountId) };
      const result = captureHold({ transactionId: newId("transaction"), hold, ...parties, amount: minor(amount), final: flag }, at, PARAMS);
      if (!result.ok) return;
      keepPosted(world, result.posted);
      world.holds.set(hold.id, result.hold);
      return;
    }
    case "wait": {
      if (payer.type === "settlement" || from === to) return;
      const id = newId("transaction");
      const reserved = reserve(payer, { id, amount: minor(amount), expiresAt: null }, at);
      if (!reserved.ok) return;
      keepPosted(world, note(id, reserved.account, payee, at));
      world.reviews.set(id, { from, to, amount: BigInt(amount) });
      return;
    }
    case "approve":
    case "reject": {
      const [id, waiting] = picked(world.reviews, pick) ?? [];
      if (id === undefined || waiting === undefined) return;
      const released = release(accountAt(world, waiting.from), id, at);
      if (verb === "reject") replace(world, { ...released, version: released.version + 1 });
      else {
        const parties = { payer: released, payee: accountAt(world, waiting.to) };
        const posted = post({ transactionId: id, ...parties, amount: minor(waiting.amount), at }, PARAMS);
        if (!posted.ok) return;
        keepPosted(world, posted);
      }
      world.reviews.delete(id);
      return;
    }
    case "terms": {
      const changed = changeTerms(payer, { overdraftLimit: minor(amount) }, at);
      if (changed.ok) replace(world, changed.account);
      return;
    }
    case "freeze": {
      const changed = flag ? freezeAccount(payer, at) : unfreezeAccount(payer, at);
      if (changed.ok) replace(world, changed.account);
    }
  }
}

/** What must hold after every step, whatever the clock did. */
function checkLedger(world: World): void {
  assert.equal(
    world.accounts.reduce((sum, { balance }) => sum + balance, 0n),
    0n,
    "the balances of a currency sum to zero",
  );
  for (const account of world.accounts) {
    const legs = world.legs.filter(({ accountId }) => accountId === account.id);
    let balance = 0n;
    let entries = 0;
    for (const [n, leg] of legs.entries()) {
      assert.equal(leg.link.number, n + 1, "links are numbered without a gap");
      assert.ok(n === 0 || leg.at >= (legs[n - 1]?.at ?? 0), "times never go back along a chain");
      if (leg.entry !== null) {
        entries += 1;
        assert.equal(leg.entry.number, entries, "entries are numbered without a gap");
        balance += leg.entry.amount;
      }
      assert.equal(leg.balanceAfter, balance);
    }
    assert.equal(account.balance, balance, "a balance is the fold of its entries");
    assert.deepEqual([account.entryCount, account.chain.length], [entries, legs.length]);
    assert.ok(account.type === "settlement" || account.balance >= -account.overdraftLimit, "no account is beyond its limit");
  }
  for (const hold of world.holds.values()) assert.ok(hold.capturedAmount <= hold.amount, "each unit is captured at most once");
}

/** What holds besides while time only goes forward. */
function checkReserved(world: World): void {
  for (const [n, account] of world.accounts.entries()) {
    let reserved = 0n;
    for (const hold of world.holds.values()) {
      if (hold.fromAccountId === account.id && statusAt(hold, world.at) === "active") reserved += remainingOf(hold);
    }
    for (const { from, amount } of world.reviews.values()) if (from === n) reserved += amount;
    assert.equal(reservedAt(account, world.at), reserved, "what is reserved is what live holds and reviews say");
    assert.ok(account.type === "settlement" || availableAt(account, world.at) >= 0n, "available is never below zero");
  }
}

void describe("any sequence of ledger operations", () => {
  void it("keeps zero sum, gapless entries, folds, limits and reservations while time goes forward", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 80, size: "max" }), (operations) => {
        const world = newWorld();
        for (const next of operations) {
          world.at += next.elapse;
          step(world, next);
          checkLedger(world);
          checkReserved(world);
        }
      }),
      { numRuns: 150 },
    );
  });

  void it("keeps the money right even where the clocks of nodes disagree", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(operation, fc.integer({ min: -1000, max: 1000 })), { maxLength: 80, size: "max" }), (operations) => {
        const world = newWorld();
        for (const [next, skew] of operations) {
          world.at = T0 + 5000 + skew;
          step(world, next);
          checkLedger(world);
        }
      }),
      { numRuns: 100 },
    );
  });

  void it("does reach every verb, so that the properties above say something", () => {
    const sampled = fc.sample(fc.array(operation, { minLength: 60, maxLength: 80, size: "max" }), { numRuns: 60, seed: 5 });
    let [captured, waited, approved, voided] = [0, 0, 0, 0];
    for (const operations of sampled) {
      const world = newWorld();
      for (const next of operations) {
        world.at += next.elapse;
        const before = world.reviews.size;
        step(world, next);
        if (world.reviews.size > before) waited += 1;
        else if (world.reviews.size < before && next.verb === "approve") approved += 1;
      }
      for (const hold of world.holds.values()) {
        if (hold.capturedAmount > 0n) captured += 1;
        if (hold.status === "voided") voided += 1;
      }
    }
    for (const [name, times] of Object.entries({ captured, waited, approved, voided })) assert.ok(times > 5, `${name}: ${times}`);
  });
});
