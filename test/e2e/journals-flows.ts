import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Answer } from "../support/http-client.ts";
import { ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import { act, approve, colleague, waiting } from "./controls-kit.ts";
import type { Stage } from "./stage.ts";
import { auditBooks, everyPage } from "./stage.ts";

const why = { reason: "Booked to the wrong customer.", attachment_ref: "DMS-2026-4711" };
type Line = readonly [account: string, direction: "debit" | "credit", amount: number];
const journal = (lines: readonly Line[], more: object = {}) => ({
  currency: "EUR",
  entries: lines.map(([account_id, direction, amount]) => ({ account_id, direction, amount })),
  ...why,
  ...more,
});

export function journalFlows(stage: Stage): void {
  const scene = async () => {
    const own = await stage.app.newOrganisation();
    const checker = await colleague(own, "Checker");
    const [a, b, c] = [await own.account({ balance: 1_000 }), await own.account({ balance: 500 }), await own.account()];
    const ask = (lines: readonly Line[], more: object = {}) => own.api.post("/v1/journals", journal(lines, more));
    return { own, checker, a, b, c, ask };
  };

  describe("SOX-05 manual journals", () => {
    it("need a reason, an attachment and a second person, also with the policy off, and post all their entries", async () => {
      const { own, checker, a, b, c, ask } = await scene();
      for (const field of ["reason", "attachment_ref"])
        refused(
          await ask(
            [
              [a, "debit", 1],
              [b, "credit", 1],
            ],
            { [field]: undefined },
          ),
          "missing_field",
          field,
        );
      const before = await newestEvent(own.api);
      const asked = waiting(
        await ask([
          [a, "debit", 700],
          [b, "debit", 300],
          [c, "credit", 1_000],
        ]),
      );
      assert.equal(await own.balance(a), 1_000);
      refused(await approve(own.api, asked.id), "second_person_required");
      const done = ok(await approve(checker.api, asked.id), 200);
      assert.equal(done.status, "executed", JSON.stringify(done));
      assert.deepEqual([await own.balance(a), await own.balance(b), await own.balance(c)], [300, 200, 1_000]);
      const id = String(done["result_object_id"]);
      const shown = ok(await own.api.get(`/v1/journals/${id}`), 200);
      assert.deepEqual(
        [shown.amount, shown["reason"], shown["attachment_ref"], shown["approval_id"], shown["reversed"], shown["reverses"]],
        [1_000, why.reason, why.attachment_ref, asked.id, false, null],
      );
      assert.deepEqual(
        (shown["entries"] as { account_id: string; direction: string; amount: number; balance_after: number }[]).map((entry) => [
          entry.account_id,
          entry.direction,
          entry.amount,
          entry.balance_after,
        ]),
        [
          [a, "debit", 700, 300],
          [b, "debit", 300, 200],
          [c, "credit", 1_000, 1_000],
        ],
      );
      const transaction = ok(await own.api.get(`/v1/transactions/${id}`), 200);
      assert.deepEqual([transaction["type"], transaction["from_account_id"], transaction["to_account_id"]], ["journal", a, c]);
      for (const account of [a, b, c]) {
        const [entry] = await everyPage(own.api, `/v1/accounts/${account}/entries`, 10);
        assert.equal(entry?.["transaction_id"], id);
        const [listed] = await everyPage(own.api, `/v1/transactions?account_id=${account}`, 10);
        assert.equal(listed?.id, id);
      }
      const posted = (await eventsAfter(own.api, before)).find((event) => event["event_type"] === "journal.posted");
      assert.deepEqual(posted?.["entries"], [
        { account_id: a, amount: -700 },
        { account_id: b, amount: -300 },
        { account_id: c, amount: 1_000 },
      ]);
      assert.equal(JSON.stringify(posted).includes(why.reason), false);
      await auditBooks(own);
    });

    it("are listed once to a user, however many of the user's accounts they touch", async () => {
      const { own, checker, a, ask } = await scene();
      const userId = await own.user();
      const [first, second, third] = [await own.account({ userId }), await own.account({ userId }), await own.account({ userId })];
      const paid = waiting(
        await ask([
          [a, "debit", 10],
          [first, "credit", 4],
          [second, "credit", 3],
          [third, "credit", 3],
        ]),
      );
      const into = String(ok(await approve(checker.api, paid.id), 200)["result_object_id"]);
      const taken = waiting(
        await ask([
          [first, "debit", 1],
          [second, "debit", 1],
          [a, "credit", 2],
        ]),
      );
      const out = String(ok(await approve(checker.api, taken.id), 200)["result_object_id"]);
      for (const limit of [1, 10]) {
        const listed = await everyPage(own.api, `/v1/transactions?user_id=${userId}`, limit);
        assert.deepEqual(
          listed.map(({ id }) => id),
          [out, into],
        );
      }
      assert.deepEqual(
        (await everyPage(own.api, `/v1/transactions?account_id=${third}`, 10)).map(({ id }) => id),
        [into],
      );
    });

    it("are reversed as a whole, once, by two persons again, and never edited", async () => {
      const { own, checker, a, b, ask } = await scene();
      const { id: approval } = waiting(
        await ask([
          [a, "debit", 10],
          [b, "credit", 10],
        ]),
      );
      const id = String(ok(await approve(checker.api, approval), 200)["result_object_id"]);
      refused(await own.api.post(`/v1/transactions/${id}/reversals`, {}), "transaction_not_reversible");
      const reverse = (journalId: string) => own.api.post(`/v1/journals/${journalId}/reversals`, why);
      const [first, second] = [waiting(await reverse(id)), waiting(await reverse(id))];
      const done = ok(await approve(checker.api, first.id), 200);
      assert.equal(done.status, "executed", JSON.stringify(done));
      const failed = ok(await approve(checker.api, second.id), 200);
      assert.deepEqual([failed.status, (failed["failure"] as { code: string }).code], ["failed", "transaction_not_reversible"]);
      assert.deepEqual([await own.balance(a), await own.balance(b)], [1_000, 500]);
      assert.equal(ok(await own.api.get(`/v1/journals/${id}`), 200)["reversed"], true);
      const back = String(done["result_object_id"]);
      assert.equal(ok(await own.api.get(`/v1/journals/${back}`), 200)["reverses"], id);
      refused(await reverse(id), "transaction_not_reversible");
      refused(await reverse(back), "transaction_not_reversible");
      refused(
        await act(own.api, approval, "amend", {
          body: journal([
            [a, "debit", 1],
            [b, "credit", 1],
          ]),
        }),
        "approval_not_pending",
      );
      await auditBooks(own);
    });

    it("that are asked for again under the same Idempotency-Key are answered as before, whatever has become of them and their accounts", async () => {
      const { own, checker, a, b } = await scene();
      const again = async (first: () => Promise<Answer>, change: (id: string) => Promise<unknown>) => {
        const before = await first();
        const { id } = waiting(before);
        await change(id);
        const after = await first();
        assert.equal(after.text, before.text);
        assert.equal(after.headers["idempotent-replayed"], "true");
      };
      const body = journal([
        [a, "debit", 10],
        [b, "credit", 10],
      ]);
      let posted = "";
      await again(
        () => own.api.post("/v1/journals", body, { idempotencyKey: "journal-1" }),
        async (id) => {
          posted = String(ok(await approve(checker.api, id), 200)["result_object_id"]);
        },
      );
      // The journal has been reversed by then.
      await again(
        () => own.api.post(`/v1/journals/${posted}/reversals`, why, { idempotencyKey: "reversal-1" }),
        async (id) => ok(await approve(checker.api, id), 200),
      );
      // One of its accounts has been closed by then.
      const short = await own.account();
      const other = journal([
        [a, "debit", 10],
        [short, "credit", 10],
      ]);
      await again(
        () => own.api.post("/v1/journals", other, { idempotencyKey: "journal-2" }),
        async () => ok(await own.api.post(`/v1/accounts/${short}/close`), 200),
      );
      // A refusal is kept like any other answer, and so is what it belongs to.
      const refusal = await own.api.post("/v1/journals", other, { idempotencyKey: "journal-3" });
      refused(refusal, "account_closed", "entries.1.account_id");
      const repeated = await own.api.post("/v1/journals", other, { idempotencyKey: "journal-3" });
      assert.deepEqual([repeated.text, repeated.headers["idempotent-replayed"]], [refusal.text, "true"]);
      refused(await own.api.post("/v1/journals", body, { idempotencyKey: "journal-3" }), "idempotency_key_reused");
    });

    it("that do not balance, or name what is not there, are refused before anybody is asked", async () => {
      const { own, a, b, ask } = await scene();
      const other = await stage.app.newOrganisation();
      const theirs = await other.account();
      const yen = await own.account({ currency: "JPY" });
      refused(
        await ask([
          [a, "debit", 10],
          [b, "credit", 11],
        ]),
        "journal_unbalanced",
        "entries",
      );
      const debits = await ask([
        [a, "debit", 10],
        [b, "debit", 10],
      ]);
      assert.match(String(refused(debits, "journal_unbalanced").detail), /The debits exceed the credits by 20\./);
      refused(
        await ask([
          [a, "debit", 10],
          [a, "credit", 10],
        ]),
        "same_account",
        "entries.1.account_id",
      );
      refused(
        await ask([
          [a, "debit", 10],
          [theirs, "credit", 10],
        ]),
        "account_not_found",
        "entries.1.account_id",
      );
      refused(
        await ask([
          [a, "debit", 10],
          [yen, "credit", 10],
        ]),
        "currency_mismatch",
        "entries.1.account_id",
      );
      refused(await ask([[a, "debit", 10]]), "invalid_request", "entries");
      const eleven = Array.from({ length: 11 }, (_, n): Line => [a, n === 0 ? "debit" : "credit", 1]);
      refused(await ask(eleven), "invalid_request", "entries");
      const empty = await own.account();
      ok(await own.api.post(`/v1/accounts/${empty}/close`), 200);
      refused(
        await ask([
          [a, "debit", 10],
          [empty, "credit", 10],
        ]),
        "account_closed",
        "entries.1.account_id",
      );
      const transfer = ok(await own.api.post("/v1/deposits", { account_id: a, amount: 1, currency: "EUR" }), 201).id;
      refused(await own.api.post(`/v1/journals/${transfer}/reversals`, why), "not_found");
      refused(await own.api.get(`/v1/journals/${transfer}`), "not_found");
      assert.deepEqual(await everyPage(own.api, "/v1/approvals", 10), []);
    });

    it("are judged again when they are posted: no account goes beyond its limit", async () => {
      const { own, checker, a, b, ask } = await scene();
      const big = waiting(
        await ask([
          [a, "debit", 900],
          [b, "credit", 900],
        ]),
      );
      const other = waiting(
        await ask([
          [a, "debit", 900],
          [b, "credit", 900],
        ]),
      );
      const ends = await Promise.all([big, other].map(async ({ id }) => ok(await approve(checker.api, id), 200)));
      assert.equal(ends.filter(({ status }) => status === "executed").length, 1);
      const failed = ends.find(({ status }) => status === "failed");
      assert.ok(failed);
      assert.equal((failed["failure"] as { code: string }).code, "insufficient_funds");
      assert.deepEqual([await own.balance(a), await own.balance(b)], [100, 1_400]);
      await auditBooks(own);
    });

    it("may use the settlement account, which has no floor", async () => {
      const { own, checker, a, ask } = await scene();
      const all = await everyPage(own.api, "/v1/accounts", 10);
      const settlement = all.find((account) => account["type"] === "settlement")?.id ?? "";
      const { id } = waiting(
        await ask([
          [settlement, "debit", 5_000],
          [a, "credit", 5_000],
        ]),
      );
      assert.equal(ok(await approve(checker.api, id), 200).status, "executed");
      assert.equal(await own.balance(a), 6_000);
      await auditBooks(own);
    });
  });
}
