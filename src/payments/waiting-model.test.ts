import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { aPolicy, paymentDeps } from "#test/support/builders.ts";
import { refused, workOn } from "#commit/index.ts";
import type { AuthenticationId, TransactionId } from "#kernel/ids.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { createActionExpiry } from "./action-expiry.ts";
import { answerOf, aBank, asking } from "./commands/test-kit.ts";
import { transfer } from "./commands/transfer.ts";
import type { PaymentDeps } from "./deps.ts";
import { ACTION_LIFE_MS } from "./payment-action.ts";
import { createWaitingPayments } from "./waiting-payments.ts";

const CUSTOMERS = 3;
const BALANCE = 1_000;
/** What the clocks of the two nodes are ahead or behind by, ms. */
const SKEWS = [-4_000, 4_000] as const;
const { organisationId } = asking("").actor;

type Ending = "answer" | "cancel";
type Step =
  | { readonly kind: "pay"; readonly node: number; readonly from: number; readonly to: number; readonly amount: number }
  | { readonly kind: "end"; readonly node: number; readonly which: number; readonly ending: Ending }
  | { readonly kind: "race"; readonly which: number; readonly endings: readonly Ending[] }
  | { readonly kind: "timer"; readonly node: number }
  | { readonly kind: "pass"; readonly ms: number };

const node = fc.nat(SKEWS.length - 1);
const ending = fc.constantFrom<Ending>("answer", "answer", "cancel");
const which = fc.nat(1_000);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("pay"), node, from: fc.nat(2), to: fc.nat(2), amount: fc.integer({ min: 1, max: 700 }) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("end"), node, which, ending }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("race"), which, endings: fc.array(ending, { minLength: 2, maxLength: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("timer"), node }) },
  // About the edges of what one payment waits and of what the clocks differ by.
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("pass"), ms: fc.constantFrom(1, 3_999, 4_000, 8_000, 300_000, ACTION_LIFE_MS - 8_000) }),
  },
) as fc.Arbitrary<Step>;

interface Waiting {
  readonly id: TransactionId;
  readonly from: number;
  readonly to: number;
  readonly amount: number;
  /** By the clock of the node that took it. */
  readonly until: number;
  status: "requires_action" | "posted" | "rejected";
}

/** The second, simpler model: balances, what is set aside until when, and what waits. */
function aModel() {
  const balances = Array.from({ length: CUSTOMERS }, () => BALANCE);
  const reserved = Array.from({ length: CUSTOMERS }, () => new Map<TransactionId, Waiting>());
  const all: Waiting[] = [];
  const setAside = (n: number, at: number): number =>
    [...(reserved[n] ?? [])].reduce((sum, [, one]) => (one.until > at ? sum + one.amount : sum), 0);
  /** Whoever changes what is set aside sweeps out what is over by its own clock. */
  const sweep = (n: number, at: number): void => {
    for (const [id, { until }] of reserved[n] ?? []) if (until <= at) reserved[n]?.delete(id);
  };
  return {
    balances,
    all,
    setAside,
    free: (n: number, at: number): number => (balances[n] ?? 0) - setAside(n, at),
    hold(one: Waiting, at: number): void {
      sweep(one.from, at);
      reserved[one.from]?.set(one.id, one);
      all.push(one);
    },
    end(one: Waiting, status: "posted" | "rejected", at: number): void {
      sweep(one.from, at);
      reserved[one.from]?.delete(one.id);
      one.status = status;
      if (status !== "posted") return;
      balances[one.from] = (balances[one.from] ?? 0) - one.amount;
      balances[one.to] = (balances[one.to] ?? 0) + one.amount;
    },
    /** Whether it could be paid at `at`, its own funds free again. */
    payable(one: Waiting, at: number): boolean {
      const own = reserved[one.from]?.has(one.id) === true && one.until > at ? one.amount : 0;
      return (balances[one.from] ?? 0) - setAside(one.from, at) + own >= one.amount;
    },
  };
}

/** What a payer's answer, or refusal, comes to: 200, or why not. `undefined` where nothing waits any more. */
async function endBy(deps: PaymentDeps, id: TransactionId, how: Ending, key: string): Promise<number | undefined> {
  const waiting = await createWaitingPayments(deps).read(organisationId, id);
  if (waiting === undefined) return undefined;
  const executed = await deps.queue.execute({
    ...asking(key),
    needs: waiting.needs,
    decide(view, at) {
      const work = workOn(view);
      if (waiting.stillWaiting(work, at) === undefined) return work.outcome({ status: 409, body: "{}" });
      if (how === "cancel") waiting.giveUp(work, "authentication_canceled", at);
      else {
        const completed = waiting.complete(work, "aut_test" as AuthenticationId, at);
        if (!completed.ok) return refused(completed, null);
      }
      return work.outcome({ status: 200, body: "{}" });
    },
  });
  return answerOf(executed).status;
}

async function simulate(steps: readonly Step[]): Promise<void> {
  const bank = await aBank(CUSTOMERS, BALANCE);
  const policy = aPolicy([], { challengeAbove: 0, reviewAbove: 10_000 });
  const nodes = SKEWS.map((skew, n): PaymentDeps => {
    // Waiting takes no time here, so that the model knows when everything was decided.
    const clock = { now: () => bank.clock.time + skew, sleep: () => new Promise<void>((resolve) => setImmediate(resolve)) };
    const deps = paymentDeps(openMemoryStore(bank.database), clock, 100 + n);
    return { ...deps, policies: { of: () => policy }, canAuthenticate: () => Promise.resolve(true) };
  });
  const deps = (n: number): PaymentDeps => nodes[n] ?? assert.fail("no such node");
  const timeOf = (n: number): number => bank.clock.time + (SKEWS[n] ?? 0);
  const timerOf = (n: number) => createActionExpiry({ ...deps(n), onError: (error) => assert.fail(String(error)) });
  const model = aModel();
  const pick = (at: number): Waiting | undefined => (model.all.length === 0 ? undefined : model.all[at % model.all.length]);
  const runTimer = async (n: number): Promise<void> => {
    await timerOf(n).work();
    for (const one of model.all) if (one.status === "requires_action" && one.until <= timeOf(n)) model.end(one, "rejected", timeOf(n));
  };

  const compare = (): void => {
    const { accounts, transactions } = bank.check();
    for (const one of model.all) assert.equal(transactions.find(({ id }) => id === one.id)?.status, one.status, one.id);
    assert.equal(transactions.length, model.all.length);
    for (let n = 0; n < CUSTOMERS; n++) {
      const account = accounts.find(({ id }) => id === bank.customer(n));
      assert.equal(account?.balance, BigInt(model.balances[n] ?? 0));
      for (const [skewed] of SKEWS.entries()) {
        const at = timeOf(skewed);
        const held: bigint = (account?.reserved ?? []).reduce(
          (sum, { amount, expiresAt }) => ((expiresAt ?? 0) > at ? sum + amount : sum),
          0n,
        );
        assert.equal(held, BigInt(model.setAside(n, at)), `held of ${n} at ${at}`);
      }
    }
  };

  for (const [number, one] of steps.entries()) {
    const key = `step-${number}`;
    if (one.kind === "pass") bank.clock.time += one.ms;
    else if (one.kind === "timer") await runTimer(one.node);
    else if (one.kind === "pay") {
      if (one.from === one.to) continue;
      const at = timeOf(one.node);
      const answer = answerOf(await transfer(deps(one.node), asking(key), bank.body(one.from, one.to, one.amount)));
      assert.equal(answer.status, model.free(one.from, at) >= one.amount ? 202 : 422, JSON.stringify(answer.body));
      if (answer.status !== 202) continue;
      const { from, to, amount } = one;
      model.hold({ id: answer.body["id"] as TransactionId, from, to, amount, until: at + ACTION_LIFE_MS, status: "requires_action" }, at);
    } else if (one.kind === "end") {
      const target = pick(one.which);
      if (target === undefined) continue;
      const at = timeOf(one.node);
      const waits = target.status === "requires_action" && at < target.until;
      const expected = !waits ? undefined : one.ending === "cancel" || model.payable(target, at) ? 200 : 422;
      assert.equal(await endBy(deps(one.node), target.id, one.ending, key), expected);
      if (expected === 200) model.end(target, one.ending === "cancel" ? "rejected" : "posted", at);
    } else {
      const target = pick(one.which);
      if (target === undefined) continue;
      // Everybody at once, on all nodes: one of them ends it at most.
      const runs = one.endings.map((how, n) => endBy(deps(n % nodes.length), target.id, how, `${key}-${n}`));
      const ends = await Promise.all(runs);
      const won = ends.flatMap((status, n) => (status === 200 ? [n] : []));
      assert.ok(won.length <= 1, `ended ${won.length} times`);
      const [winner] = won;
      if (winner !== undefined) {
        assert.equal(target.status, "requires_action");
        model.end(target, one.endings[winner] === "cancel" ? "rejected" : "posted", timeOf(winner % nodes.length));
      }
    }
    compare();
  }
  // In the end nothing waits, and nothing is held.
  bank.clock.time += ACTION_LIFE_MS + 8_000;
  await Promise.all(SKEWS.map((_skew, n) => timerOf(n).work()));
  for (const one of model.all) if (one.status === "requires_action") model.end(one, "rejected", timeOf(1));
  compare();
  assert.deepEqual(
    bank.check().accounts.flatMap(({ reserved, balance }) => (balance >= 0n ? reserved.filter(({ expiresAt }) => expiresAt === null) : [])),
    [],
  );
}

test("payments that wait for their payers do as the second model does: answers, refusals, timers, two clocks", async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), simulate), { numRuns: 60 });
});
