import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import type { Organisation, TestApp } from "../support/app.ts";
import { organisationOf, startApp } from "../support/app.ts";
import type { Answer } from "../support/http-client.ts";
import { freshKey, ok, refused } from "../support/http-client.ts";
import { auditBooks } from "./stage.ts";
import { suspect } from "./suspicious.ts";
import { assertVerified } from "./verified.ts";

const server = await dynamoServerForTests({ durable: false });

const times = <T>(count: number, make: (n: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, n) => make(n)));

/** The answers that succeeded; all others must be this refusal. */
function winners(answers: readonly Answer[], status: number, code: Parameters<typeof refused>[1]): Answer[] {
  const won = answers.filter((answer) => answer.status === status);
  for (const answer of answers) if (answer.status !== status) refused(answer, code);
  return won;
}

describe("races on SQLite", () => {
  let app: TestApp;
  let own: Organisation;
  before(async () => {
    app = await startApp({ store: "sqlite" });
  });
  after(() => app.close());
  const begin = async (balance: number): Promise<readonly [string, string]> => {
    own = await app.newOrganisation();
    return [await own.account({ balance }), await own.account()];
  };

  it("300 transfers at once drain an account: exactly what is covered succeeds", async () => {
    const [from, to] = await begin(1_000);
    const answers = await times(300, () => own.transfer(from, to, 7));
    assert.equal(winners(answers, 201, "insufficient_funds").length, 142);
    assert.deepEqual([await own.balance(from), await own.balance(to)], [6, 994]);
    await auditBooks(own);
  });

  it("an overdraft is used to its limit and not beyond", async () => {
    const [, to] = await begin(0);
    const from = await own.account({ balance: 50, overdraft: 50 });
    const answers = await times(100, () => own.transfer(from, to, 3));
    assert.equal(winners(answers, 201, "insufficient_funds").length, 33);
    assert.equal(await own.balance(from), -49);
    await auditBooks(own);
  });

  it("transfers both ways between two accounts neither lock each other out nor lose a cent", async () => {
    const [left, right] = await begin(10_000);
    ok(await own.transfer(left, right, 5_000), 201);
    const answers = await times(200, (n) => (n % 2 === 0 ? own.transfer(left, right, 10 + n) : own.transfer(right, left, 10 + n)));
    for (const answer of answers) ok(answer, 201);
    // Even numbers went one way, odd ones the other: each pair differs by one.
    assert.deepEqual([await own.balance(left), await own.balance(right)], [5_100, 4_900]);
    await auditBooks(own);
  });

  it("IDEM-01 one key at once has one effect; the others get the same bytes or 409", async () => {
    const [from, to] = await begin(1_000);
    const body = { from_account_id: from, to_account_id: to, amount: 10, currency: "EUR" };
    for (let round = 0; round < 5; round++) {
      const idempotencyKey = freshKey();
      const answers = await times(40, () => own.api.post("/v1/transfers", body, { idempotencyKey }));
      const done = winners(answers, 201, "idempotency_key_in_use");
      assert.ok(done.length >= 1);
      assert.equal(new Set(done.map(({ text }) => text)).size, 1);
      assert.equal(done.filter(({ headers }) => headers["idempotent-replayed"] === undefined).length, 1);
    }
    assert.equal(await own.balance(to), 50);
    await auditBooks(own);
  });

  it("one hold is captured to its amount and not beyond", async () => {
    const [from, to] = await begin(1_000);
    const { id } = ok(await own.api.post("/v1/holds", { from_account_id: from, to_account_id: to, amount: 100, currency: "EUR" }), 201);
    const answers = await times(30, () => own.api.post(`/v1/holds/${id}/capture`, { amount: 8 }));
    assert.equal(winners(answers, 201, "hold_amount_exceeded").length, 12);
    const hold = ok(await own.api.get(`/v1/holds/${id}`), 200);
    assert.deepEqual([hold["captured_amount"], hold["remaining_amount"]], [96, 4]);
    const ends = await times(10, (n) => own.api.post(`/v1/holds/${id}/${n % 2 ? "void" : "capture"}`, n % 2 ? undefined : { amount: 4 }));
    assert.equal(ends.filter(({ status }) => status < 300).length, 1);
    const { held, balance } = ok(await own.api.get(`/v1/accounts/${from}`), 200);
    assert.equal(held, 0);
    assert.ok([900, 904].includes(balance));
    await auditBooks(own);
  });

  it("partial reversals come to the original and not beyond", async () => {
    const [from, to] = await begin(1_000);
    const { id } = ok(await own.transfer(from, to, 100), 201);
    const answers = await times(40, () => own.api.post(`/v1/transactions/${id}/reversals`, { amount: 9 }));
    assert.equal(winners(answers, 201, "reversal_exceeds_original").length, 11);
    assert.equal(ok(await own.api.get(`/v1/transactions/${id}`), 200)["reversed_amount"], 99);
    assert.deepEqual([await own.balance(from), await own.balance(to)], [999, 1]);
    await auditBooks(own);
  });

  it("batches and single transfers at once share one account's cover", async () => {
    const [from, to] = await begin(500);
    const one = { from_account_id: from, to_account_id: to, amount: 5, currency: "EUR" };
    const [batches, singles] = await Promise.all([
      times(4, () => own.api.post("/v1/transfers/batch", { mode: "independent", transfers: Array.from({ length: 40 }, () => one) })),
      times(40, () => own.transfer(from, to, 5)),
    ]);
    const results = batches.flatMap((batch) => ok(batch, 200).results);
    const posted = results.filter((result) => result.status === 201).length + winners(singles, 201, "insufficient_funds").length;
    assert.equal(posted, 100);
    assert.deepEqual([await own.balance(from), await own.balance(to)], [0, 500]);
    await auditBooks(own);
  });

  it("accounts opened at once for one user stay within the most a user may have", async () => {
    await begin(0);
    const user_id = await own.user();
    const answers = await times(60, () => own.api.post("/v1/accounts", { type: "checking", currency: "EUR", user_id }));
    assert.equal(winners(answers, 201, "too_many_accounts").length, 50);
  });

  it("AUD-02 leave nothing but what the events say", () => assertVerified(app));
});

if (server !== undefined)
  describe("races of two nodes over one DynamoDB", () => {
    let one: TestApp;
    let two: TestApp;
    before(async () => {
      one = await startApp({ store: "dynamodb", server });
      two = await startApp({ store: "dynamodb", server, besides: one });
    });
    after(async () => {
      await two.close();
      await one.close();
    });

    it("one account is drained by both to what is covered, never beyond", async () => {
      const own = await one.newOrganisation();
      const there = organisationOf(own, two.anonymous.as(own.apiKey));
      const from = await own.account({ balance: 200 });
      const to = await own.account();
      const answers = await times(60, (n) => (n % 2 === 0 ? own : there).transfer(from, to, 7));
      const posted = answers.filter(({ status }) => status === 201).length;
      for (const { status, body, text } of answers)
        assert.ok(status === 201 || body.code === "insufficient_funds" || body.code === "contention", text);
      assert.ok(posted > 0 && posted <= 28);
      assert.deepEqual([await there.balance(from), await own.balance(to)], [200 - 7 * posted, 7 * posted]);
      await auditBooks(own);
    });

    it("one key on both has one effect", async () => {
      const own = await one.newOrganisation();
      const there = two.anonymous.as(own.apiKey);
      const from = await own.account({ balance: 200 });
      const to = await own.account();
      const body = { from_account_id: from, to_account_id: to, amount: 10, currency: "EUR" };
      for (let round = 1; round <= 5; round++) {
        const idempotencyKey = freshKey();
        const answers = await times(6, (n) => (n % 2 === 0 ? own.api : there).post("/v1/transfers", body, { idempotencyKey }));
        const done = winners(answers, 201, "idempotency_key_in_use");
        assert.ok(done.length >= 1);
        assert.equal(new Set(done.map(({ text }) => text)).size, 1);
        assert.equal(await own.balance(to), 10 * round);
      }
      await auditBooks(own);
    });

    it("a review is decided once, whichever node is asked", async () => {
      const own = await one.newOrganisation();
      const there = two.anonymous.as(own.apiKey);
      const { pay } = await suspect(own, one.clock);
      const { review_id } = ok(await pay(), 202);
      const answers = await times(6, (n) =>
        (n % 2 === 0 ? own.api : there).post(`/v1/reviews/${review_id}/${n < 3 ? "approve" : "reject"}`),
      );
      assert.equal(answers.filter(({ status }) => status === 200).length, 1, answers.map(({ text }) => text).join("\n"));
      await auditBooks(own);
    });

    it("AUD-02 leave nothing but what the events of both say", () => assertVerified(one));
  });
