import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { freshKey, ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import { HOUR_MS } from "./suspicious.ts";
import type { Stage } from "./stage.ts";
import { auditBooks } from "./stage.ts";

const DAY_MS = 24 * HOUR_MS;

export function transferFlows(stage: Stage): void {
  describe("transfers", () => {
    it("post at once, with both entries, and read back as they were answered", async () => {
      const own = await stage.app.newOrganisation();
      const from = await own.account({ balance: 1_000 });
      const to = await own.account();
      const seen = await newestEvent(own.api);
      const answer = await own.transfer(from, to, 300, { reference: "Lunch", metadata: { table: "7" } });
      const made = ok(answer, 201);
      assert.equal(made.status, "posted");
      assert.deepEqual(made["metadata"], { table: "7" });
      assert.equal((await own.api.get(`/v1/transactions/${made.id}`)).text, answer.text);
      assert.deepEqual([await own.balance(from), await own.balance(to)], [700, 300]);
      const [entry] = ok(await own.api.get(`/v1/accounts/${from}/entries?limit=1`), 200).data;
      assert.deepEqual([entry?.amount, entry?.["balance_after"], entry?.["transaction_id"]], [-300, 700, made.id]);
      const [event] = await eventsAfter(own.api, seen);
      assert.deepEqual(event?.["entries"], [
        { account_id: from, amount: -300 },
        { account_id: to, amount: 300 },
      ]);
      await auditBooks(own);
    });

    it("IDEM-01 give the same bytes again under the same key, refusals included, and happen once", async () => {
      const { app } = stage;
      const own = await app.newOrganisation();
      const from = await own.account({ balance: 100 });
      const to = await own.account();
      const body = { from_account_id: from, to_account_id: to, amount: 60, currency: "EUR" };
      const idempotencyKey = freshKey();
      const first = await own.api.post("/v1/transfers", body, { idempotencyKey });
      ok(first, 201);
      assert.equal(first.headers["idempotent-replayed"], undefined);
      // A quoted key is the same key (a Structured Field string).
      for (const key of [idempotencyKey, `"${idempotencyKey}"`]) {
        const again = await own.api.post("/v1/transfers", body, { idempotencyKey: key });
        assert.deepEqual([again.status, again.text], [201, first.text]);
        assert.equal(again.headers["idempotent-replayed"], "true");
      }
      assert.equal(await own.balance(from), 40);

      const short = { idempotencyKey: freshKey() };
      const refusal = await own.api.post("/v1/transfers", body, short);
      refused(refusal, "insufficient_funds", "amount");
      ok(await own.api.post("/v1/deposits", { account_id: from, amount: 500, currency: "EUR" }), 201);
      const replayed = await own.api.post("/v1/transfers", body, short);
      assert.deepEqual([replayed.status, replayed.text], [422, refusal.text]);
      assert.equal(replayed.headers["idempotent-replayed"], "true");
      refused(replayed, "insufficient_funds");
      assert.equal(await own.balance(from), 540);

      refused(await own.api.post("/v1/transfers", { ...body, amount: 61 }, { idempotencyKey }), "idempotency_key_reused");
      refused(await own.api.post("/v1/holds", body, { idempotencyKey }), "idempotency_key_reused");
      // Another organisation's keys are another's: nothing is replayed to it, and the accounts are not there.
      const other = await app.newOrganisation();
      refused(await other.api.post("/v1/transfers", body, { idempotencyKey }), "account_not_found", "from_account_id");
      app.clock.advance(31 * DAY_MS);
      const late = await own.api.post("/v1/transfers", body, { idempotencyKey });
      assert.notEqual(ok(late, 201).id, first.body.id);
      assert.equal(late.headers["idempotent-replayed"], undefined);
    });

    it("IDEM-01 give the same bytes again after they were reversed, in part and wholly", async () => {
      const own = await stage.app.newOrganisation();
      const from = await own.account({ balance: 100 });
      const to = await own.account();
      for (const more of [{ reference: "Lunch", metadata: { zebra: "1", "10": "a", "9": "b" } }, {}]) {
        const body = { from_account_id: from, to_account_id: to, amount: 60, currency: "EUR", ...more };
        const idempotencyKey = freshKey();
        const first = await own.api.post("/v1/transfers", body, { idempotencyKey });
        const { id } = ok(first, 201);
        for (const [amount, reversed] of [
          [20, 20],
          [40, 60],
        ]) {
          ok(await own.api.post(`/v1/transactions/${id}/reversals`, { amount }), 201);
          const again = await own.api.post("/v1/transfers", body, { idempotencyKey });
          assert.deepEqual([again.status, again.text, again.headers["idempotent-replayed"]], [201, first.text, "true"]);
          assert.equal(ok(await own.api.get(`/v1/transactions/${id}`), 200)["reversed_amount"], reversed);
        }
      }
      await auditBooks(own);
    });

    it("in an independent batch are decided in order, each with its own result, and replay as a whole", async () => {
      const own = await stage.app.newOrganisation();
      const from = await own.account({ balance: 100 });
      const to = await own.account();
      const one = { from_account_id: from, to_account_id: to, amount: 40, currency: "EUR" };
      const transfers = [
        one,
        one,
        one,
        { ...one, to_account_id: from },
        { ...one, amount: 20, metadata: { n: "4" } },
        ...Array(20).fill(one),
      ];
      const idempotencyKey = freshKey();
      const first = await own.api.post("/v1/transfers/batch", { mode: "independent", transfers }, { idempotencyKey });
      const { results } = ok(first, 200);
      assert.deepEqual(
        results.map((result) => result["index"]),
        transfers.map((_transfer, index) => index),
      );
      assert.deepEqual(
        results.slice(0, 5).map((result) => result.code ?? result.status),
        [201, 201, "insufficient_funds", "same_account", 201],
      );
      assert.ok(results.slice(5).every((result) => result.code === "insufficient_funds"));
      const again = await own.api.post("/v1/transfers/batch", { mode: "independent", transfers }, { idempotencyKey });
      assert.equal(again.text, first.text);
      assert.equal(again.headers["idempotent-replayed"], "true");
      assert.deepEqual([await own.balance(from), await own.balance(to)], [0, 100]);
      await auditBooks(own);
    });

    it("in an atomic batch happen all or not at all", async () => {
      const own = await stage.app.newOrganisation();
      const from = await own.account({ balance: 100 });
      const to = await own.account();
      const third = await own.account();
      const one = { from_account_id: from, to_account_id: to, amount: 40, currency: "EUR" };
      const batch = (transfers: unknown) => own.api.post("/v1/transfers/batch", { mode: "atomic", transfers });
      const seen = await newestEvent(own.api);
      refused(await batch([one, one, one]), "insufficient_funds", "transfers.2.amount");
      refused(await batch([one, { ...one, currency: "USD" }]), "currency_mismatch", "transfers.1.currency");
      refused(await batch(Array(11).fill({ ...one, amount: 1 })), "invalid_request", "transfers");
      assert.equal(await own.balance(from), 100);
      assert.deepEqual(await eventsAfter(own.api, seen), []);
      // What the first brings the second may pass on.
      const { results } = ok(await batch([one, { ...one, from_account_id: to, to_account_id: third }]), 201);
      assert.equal(results.length, 2);
      assert.deepEqual([await own.balance(from), await own.balance(to), await own.balance(third)], [60, 0, 40]);
      assert.equal((await eventsAfter(own.api, seen)).length, 2);
      await auditBooks(own);
    });

    it("from and to the outside go through the settlement account of the currency", async () => {
      const own = await stage.app.newOrganisation();
      const id = await own.account({ currency: "JPY" });
      const deposit = ok(await own.api.post("/v1/deposits", { account_id: id, amount: 900, currency: "JPY" }), 201);
      assert.equal(deposit["type"], "deposit");
      const withdrawal = ok(await own.api.post("/v1/withdrawals", { account_id: id, amount: 250, currency: "JPY" }), 201);
      assert.equal(withdrawal["from_account_id"], id);
      assert.equal(withdrawal["to_account_id"], deposit["from_account_id"]);
      const settlement = ok(await own.api.get(`/v1/accounts/${String(deposit["from_account_id"])}`), 200);
      assert.deepEqual([settlement["type"], settlement.balance, settlement.available], ["settlement", -650, null]);
      refused(await own.api.post("/v1/withdrawals", { account_id: id, amount: 651, currency: "JPY" }), "insufficient_funds", "amount");
      await auditBooks(own);
    });

    it("are reversed in parts, never by more than they were", async () => {
      const own = await stage.app.newOrganisation();
      const from = await own.account({ balance: 100 });
      const to = await own.account();
      const { id } = ok(await own.transfer(from, to, 100), 201);
      const reverse = (body?: unknown) => own.api.post(`/v1/transactions/${id}/reversals`, body);
      const part = ok(await reverse({ amount: 30 }), 201);
      assert.deepEqual([part["type"], part["reverses"], part["from_account_id"]], ["reversal", id, to]);
      refused(await reverse({ amount: 71 }), "reversal_exceeds_original", "amount");
      assert.equal(ok(await reverse(), 201).amount, 70);
      refused(await reverse(), "reversal_exceeds_original");
      refused(await own.api.post(`/v1/transactions/${part.id}/reversals`), "transaction_not_reversible");
      assert.equal(ok(await own.api.get(`/v1/transactions/${id}`), 200)["reversed_amount"], 100);
      assert.deepEqual([await own.balance(from), await own.balance(to)], [100, 0]);
      await auditBooks(own);
    });
  });

  describe("accounts", () => {
    it("tell their balance now and at any time before", async () => {
      const { clock } = stage.app;
      const own = await stage.app.newOrganisation();
      const id = await own.account();
      const other = await own.account({ balance: 1_000 });
      const before = new Date(clock.now()).toISOString();
      const steps: { at: string; balance: number }[] = [];
      let balance = 0;
      for (let n = 1; n <= 20; n++) {
        clock.advance(1_000 * n);
        balance += n;
        steps.push({ at: String(ok(await own.transfer(other, id, n), 201)["posted_at"]), balance });
      }
      const at = async (time: string): Promise<number> =>
        ok(await own.api.get(`/v1/accounts/${id}/balance?at=${encodeURIComponent(time)}`), 200).balance;
      assert.equal(await at(before), 0);
      for (const step of steps) {
        assert.equal(await at(step.at), step.balance);
        assert.equal(await at(new Date(Date.parse(step.at) - 1).toISOString()), step.balance - steps.indexOf(step) - 1);
      }
      assert.equal(ok(await own.api.get(`/v1/accounts/${id}/balance`), 200).balance, balance);
      assert.equal(await own.balance(id), balance);
      // A clock that is set back takes nothing out of the past: what is told as of a time is what that time is told as.
      const last = steps.at(-1)?.at ?? "";
      clock.advance(-HOUR_MS);
      const told = ok(await own.api.get(`/v1/accounts/${id}/balance`), 200);
      assert.deepEqual([told.balance, told["at"]], [balance, last]);
      assert.equal(await at(String(told["at"])), balance);
      clock.advance(HOUR_MS);
    });

    it("change their terms only from the version seen, and are frozen and closed", async () => {
      const own = await stage.app.newOrganisation();
      const id = await own.account({ balance: 50 });
      const other = await own.account();
      const read = await own.api.get(`/v1/accounts/${id}`);
      const etag = read.headers.etag ?? "";
      assert.equal(etag, `"${read.body.version}"`);
      const patch = (body: object, ifMatch?: string) => own.api.patch(`/v1/accounts/${id}`, body, { headers: { "if-match": ifMatch } });
      const changed = ok(await patch({ overdraft_limit: 100, metadata: { tier: "gold" } }, etag), 200);
      assert.equal(changed.version, read.body.version + 1);
      assert.equal(changed.available, 150);
      refused(await patch({ overdraft_limit: 1 }, etag), "version_conflict");
      refused(await patch({ overdraft_limit: 1 }, "1"), "invalid_request", "if-match");
      assert.deepEqual(ok(await patch({ interest_rate_bps: 5 }), 200)["metadata"], { tier: "gold" });
      assert.deepEqual(ok(await patch({ metadata: null }), 200)["metadata"], {});
      ok(await own.api.post(`/v1/accounts/${id}/freeze`), 200);
      refused(await own.transfer(id, other, 1), "account_frozen", "from_account_id");
      refused(await own.transfer(other, id, 1), "account_frozen", "to_account_id");
      ok(await own.api.post(`/v1/accounts/${id}/unfreeze`), 200);
      refused(await own.api.post(`/v1/accounts/${id}/close`), "account_not_empty");
      ok(await own.transfer(id, other, 50), 201);
      assert.equal(ok(await own.api.post(`/v1/accounts/${id}/close`), 200).status, "closed");
      refused(await own.transfer(other, id, 1), "account_closed", "to_account_id");
      refused(await patch({ overdraft_limit: 0 }), "account_closed");
      await auditBooks(own);
    });
  });
}
