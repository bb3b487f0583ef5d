import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { berlin, saoPaulo } from "#test/support/builders.ts";
import { aBank, answerOf, asking } from "./test-kit.ts";
import type { Answer } from "./test-kit.ts";
import { transfer } from "./transfer.ts";
import { transferBatch } from "./transfer-batch.ts";

/** What a reply says of the payment itself, without the ids that differ from run to run. */
const judged = ({ status, body }: Answer): unknown[] => [status, body["code"], body["status"], body["risk"], body["posted_at"]];

void describe("transfers", () => {
  void it("eleven at once are judged like eleven in a row", async () => {
    const one = await aBank(2, 100_000);
    const two = await aBank(2, 100_000);
    const [parallel, sequential] = [await one.node(), await two.node()];
    const body = (bank: typeof one, n: number) =>
      bank.body(0, 1, 1000 + n, { context: n < 10 ? berlin : saoPaulo, metadata: { n: `${n}` } });
    const numbers = Array.from({ length: 11 }, (_, n) => n);
    const together = await Promise.all(numbers.map((n) => transfer(parallel, asking(`k${n}`), body(one, n))));
    const inARow = [];
    for (const n of numbers) inARow.push(await transfer(sequential, asking(`k${n}`), body(two, n)));
    assert.deepEqual(
      together.map((executed) => judged(answerOf(executed))),
      inARow.map((executed) => judged(answerOf(executed))),
    );
    const counts = together.map((executed) => (answerOf(executed).body["risk"] as { velocity_count: number }).velocity_count);
    assert.deepEqual(
      counts,
      numbers.map((n) => n + 1),
      "one of them is the eleventh",
    );
    one.check();
    two.check();
  });

  void it("any mix at once ends like the same in a row, in one batch, and on the same balances", async () => {
    const payment = fc.record({ from: fc.nat(2), to: fc.nat(2), amount: fc.integer({ min: 1, max: 60 }), far: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(payment, { minLength: 1, maxLength: 25, size: "max" }), async (payments) => {
        const banks = [await aBank(3, 100), await aBank(3, 100), await aBank(3, 100)] as const;
        const nodes = [await banks[0].node(), await banks[1].node(), await banks[2].node()] as const;
        const bodies = banks.map((bank) =>
          payments.map(({ from, to, amount, far }) => bank.body(from, to, amount, { context: far ? saoPaulo : berlin })),
        );
        const together = await Promise.all((bodies[0] ?? []).map((body, n) => transfer(nodes[0], asking(`k${n}`), body)));
        const inARow = [];
        for (const [n, body] of (bodies[1] ?? []).entries()) inARow.push(await transfer(nodes[1], asking(`k${n}`), body));
        assert.deepEqual(
          together.map((executed) => judged(answerOf(executed))),
          inARow.map((executed) => judged(answerOf(executed))),
        );
        const batch = answerOf(await transferBatch(nodes[2], asking("batch"), { mode: "independent", transfers: bodies[2] ?? [] }));
        const results = batch.body["results"] as Record<string, unknown>[];
        assert.deepEqual(
          results.map((result) => [result["status"], result["code"], result["risk_score"] ?? undefined]),
          together.map((executed) => {
            const { status, body } = answerOf(executed);
            return [status, body["code"], body["risk_score"] ?? undefined];
          }),
        );
        const balances = banks.map((bank) => {
          const stored = new Map(bank.check().accounts.map(({ id, balance }) => [id, balance]));
          return bank.opened.map(({ id }) => stored.get(id));
        });
        assert.deepEqual([balances[0], balances[0]], [balances[1], balances[2]]);
      }),
      { numRuns: 25 },
    );
  });

  void it("200 at once over two nodes and four accounts lose and make no money", async () => {
    const bank = await aBank(4, 300);
    const nodes = [await bank.node(), await bank.node()];
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        const deps = nodes[n % 2];
        assert.ok(deps);
        return answerOf(
          await transfer(deps, asking(`k${n}`), bank.body(n % 4, (n * 7 + 1) % 4 === n % 4 ? (n + 1) % 4 : (n * 7 + 1) % 4, 1 + (n % 40))),
        );
      }),
    );
    const { transactions } = bank.check();
    const posted = answers.filter(({ status }) => status === 201).length;
    assert.ok(posted > 50);
    assert.equal(transactions.length, answers.filter(({ status }) => status === 201 || status === 202).length);
    // Refused or given up, but never in doubt.
    for (const { status, body } of answers)
      assert.ok([201, 202, 422].includes(status) || body["code"] === "contention", JSON.stringify(body));
    for (const deps of nodes) await deps.queue.drain();
  });

  void it("one key has one effect, whichever nodes it reaches at once", async () => {
    const bank = await aBank(2, 100);
    const nodes = [await bank.node(), await bank.node(), await bank.node()];
    const answers = await Promise.all(nodes.map(async (deps) => answerOf(await transfer(deps, asking("same"), bank.body(0, 1, 60)))));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [201, 201, 201],
    );
    assert.equal(answers.filter(({ replayed }) => !replayed).length, 1);
    assert.equal(new Set(answers.map(({ body }) => body["id"])).size, 1);
    assert.equal(bank.check().transactions.length, 1);
  });

  void it("a refused one changes nothing but its own record", async () => {
    const bank = await aBank(2, 100);
    const before = bank.check();
    const refused = answerOf(await transfer(await bank.node(), asking("k"), bank.body(0, 1, 101)));
    assert.deepEqual([refused.status, refused.body["code"]], [422, "insufficient_funds"]);
    assert.deepEqual(bank.check(), before);
    const tables = [...bank.database.dump()].map(({ table }) => table);
    assert.deepEqual(
      tables.filter((table) => table !== "smartfinance-accounts"),
      ["smartfinance-idempotency"],
    );
  });
});
