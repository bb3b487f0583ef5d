import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aPolicy } from "#test/support/builders.ts";
import type { AuthenticationId, TransactionId } from "#kernel/ids.ts";
import { readTransaction } from "#ledger/index.ts";
import { workOn } from "#commit/index.ts";
import { createActionExpiry } from "./action-expiry.ts";
import type { PaymentDeps } from "./deps.ts";
import { actionKey, ACTION_LIFE_MS, paymentActions } from "./payment-action.ts";
import { answerOf, aBank, asking } from "./commands/test-kit.ts";
import { transfer } from "./commands/transfer.ts";
import { createWaitingPayments } from "./waiting-payments.ts";

/** A bank in which every payment waits for its payer. */
async function aChallengingBank() {
  const bank = await aBank(2, 1_000);
  const policy = aPolicy([], { challengeAbove: 0 });
  const node = async (): Promise<PaymentDeps> => ({
    ...(await bank.node()),
    policies: { of: () => policy },
    canAuthenticate: () => Promise.resolve(true),
  });
  const wait = async (deps: PaymentDeps, key: string): Promise<TransactionId> => {
    const answer = answerOf(await transfer(deps, asking(key), bank.body(0, 1, 100)));
    assert.deepEqual([answer.status, answer.body["status"]], [202, "requires_action"]);
    return answer.body["id"] as TransactionId;
  };
  return { bank, node, wait };
}

const timerOf = (deps: PaymentDeps, onError: (error: unknown) => void = (error) => assert.fail(String(error))) =>
  createActionExpiry({ ...deps, onError });

describe("the timer of payments that wait for their payer", () => {
  it("gives up those whose time is over, on several nodes at once, and leaves the others", async () => {
    const { bank, node, wait } = await aChallengingBank();
    const [one, two] = [await node(), await node()];
    const over = [await wait(one, "a"), await wait(two, "b")];
    bank.clock.time += 1;
    const open = await wait(one, "c");
    bank.clock.time += ACTION_LIFE_MS - 1;
    assert.ok((await Promise.all([timerOf(one).work(), timerOf(two).work()])).reduce((a, b) => a + b, 0) >= 2);
    const { organisationId } = asking("").actor;
    for (const id of over) assert.equal((await readTransaction(one.store, organisationId, id))?.status, "rejected");
    assert.equal((await readTransaction(one.store, organisationId, open))?.status, "requires_action");
    const { accounts } = bank.check();
    assert.deepEqual(
      accounts.flatMap(({ reserved }) => reserved.map(({ id }) => id)),
      [open],
    );
    const events = [...bank.database.dump()].filter(({ item }) => item["event_type"] === "transfer.rejected");
    assert.equal(events.length, 2);
    const kept = await one.store.get(paymentActions.table, actionKey(over[0] ?? open));
    assert.deepEqual([kept?.["status"], kept?.["context"], kept?.["waiting"]], ["expired", null, undefined]);
    assert.equal(await timerOf(two).work(), 0);
  });

  it("and a payer who comes at the last moment: one of them ends it", async () => {
    for (const late of [0, 1]) {
      const { bank, node, wait } = await aChallengingBank();
      const deps = await node();
      const other = await node();
      const id = await wait(deps, "a");
      const { organisationId } = asking("").actor;
      const waiting = await createWaitingPayments(deps).read(organisationId, id);
      assert.ok(waiting);
      bank.clock.time += ACTION_LIFE_MS - 1 + late;
      const payer = deps.queue.execute({
        ...asking("b"),
        needs: waiting.needs,
        decide(view, at) {
          const work = workOn(view);
          if (waiting.stillWaiting(work, at) === undefined) return work.outcome({ status: 409, body: "{}" });
          assert.ok(waiting.complete(work, "aut_test" as AuthenticationId, at).ok);
          return work.outcome({ status: 200, body: "{}" });
        },
      });
      const [answer] = await Promise.all([payer, timerOf(other).work()]);
      assert.equal(answerOf(answer).status, late === 0 ? 200 : 409);
      await timerOf(other).work();
      const status = (await readTransaction(deps.store, organisationId, id))?.status;
      assert.equal(status, late === 0 ? "posted" : "rejected");
      assert.deepEqual(
        bank.check().accounts.flatMap(({ reserved }) => reserved),
        [],
      );
    }
  });

  it("tells what went wrong and tries again the next time", async () => {
    const { bank, node, wait } = await aChallengingBank();
    const deps = await node();
    const id = await wait(deps, "a");
    bank.clock.time += ACTION_LIFE_MS;
    const errors: unknown[] = [];
    const broken = {
      ...deps,
      queue: { ...deps.queue, execute: () => Promise.resolve({ ok: false as const, code: "store_unavailable" as const }) },
    };
    assert.equal(await timerOf(broken, (error) => errors.push(error)).work(), 0);
    assert.equal(errors.length, 1);
    assert.equal(await timerOf(deps).work(), 1);
    assert.equal((await readTransaction(deps.store, asking("").actor.organisationId, id))?.status, "rejected");
  });
});
