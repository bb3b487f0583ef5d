import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import type { Organisation, StartOptions, TestApp } from "../support/app.ts";
import { startApp } from "../support/app.ts";
import type { Answer, ApiObject, Client } from "../support/http-client.ts";
import { ok } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import { colleague } from "./review-queue-flows.ts";
import { auditBooks } from "./stage.ts";
import { HOUR_MS, suspect, SUSPICIOUS_AMOUNT } from "./suspicious.ts";

const server = await dynamoServerForTests({ durable: false });

/** How a review can end, and the refusals of whoever comes second. */
const ENDS = ["review.approved", "review.rejected", "review.expired"];
const LATE = new Set(["review_already_decided", "review_expired", "second_person_required", "contention"]);

/** Two nodes over one store, or the same one twice: SQLite has one process. */
function races(name: string, options: StartOptions): void {
  describe(`races for a review on ${name}`, () => {
    let one: TestApp;
    let two: TestApp;
    before(async () => {
      one = await startApp(options);
      two = options.store === "sqlite" ? one : await startApp({ ...options, besides: one });
    });
    after(async () => {
      if (two !== one) await two.close();
      await one.close();
    });

    /** A waiting payment that takes two keys to approve, and clients of two keys on both nodes. */
    async function open(): Promise<{
      own: Organisation;
      clients: Client[];
      waiting: ApiObject;
      payer: string;
      payee: string;
      balance: number;
    }> {
      const own = await one.newOrganisation();
      const limit = [{ currency: "EUR", amount: 1 }];
      ok(await own.api.patch("/v1/organisation", { review_four_eyes_above: limit, review_due_hours: 1, review_expiry_hours: 1 }), 200);
      const other = await colleague(own);
      const { payer, payee, balance, pay } = await suspect(own, one.clock);
      const waiting = ok(await pay(), 202);
      const clients = [own.api, other, two.anonymous.as(own.apiKey), two.anonymous.as(other.key ?? "")];
      return { own, clients, waiting, payer, payee, balance };
    }

    /** Exactly one end, told by one event, and the money is where that end says. */
    async function check(on: Awaited<ReturnType<typeof open>>, seen: string | undefined): Promise<string> {
      const { own, waiting, payer, payee, balance } = on;
      const ended = (await eventsAfter(own.api, seen)).filter((event) => ENDS.includes(String(event["event_type"])));
      assert.equal(ended.length, 1, JSON.stringify(ended));
      const end = String(ended[0]?.["event_type"]);
      const approved = end === "review.approved";
      const { status } = ok(await own.api.get(`/v1/reviews/${waiting.review_id}`), 200);
      assert.equal(`review.${status}`, end);
      assert.equal(ok(await own.api.get(`/v1/transactions/${waiting.id}`), 200).status, approved ? "posted" : "rejected");
      const account = ok(await own.api.get(`/v1/accounts/${payer}`), 200);
      assert.deepEqual([account["held"], account.balance], [0, balance - (approved ? SUSPICIOUS_AMOUNT : 0)]);
      assert.equal(await own.balance(payee), 11 * 2_500 + (approved ? SUSPICIOUS_AMOUNT : 0));
      const label = ok(await own.api.get(`/v1/risk/labels?transaction_id=${waiting.id}`), 200).data[0]?.["label"];
      assert.equal(label, approved ? "legitimate" : end === "review.rejected" ? "fraud" : undefined);
      await auditBooks(own);
      return end;
    }

    function allKnown(answers: readonly Answer[]): number {
      for (const { status, body, text } of answers) assert.ok(status === 200 || LATE.has(body.code), text);
      return answers.filter(({ status }) => status === 200).length;
    }

    it("approvals at once by two keys: one is the first, one of the other key decides", async () => {
      const on = await open();
      const seen = await newestEvent(on.own.api);
      let answers = await Promise.all(
        Array.from({ length: 12 }, (_, n) => (on.clients[n % 4] ?? on.own.api).post(`/v1/reviews/${on.waiting.review_id}/approve`)),
      );
      // Where contention turned all of one key away, the review waits still: both try again.
      if (allKnown(answers) < 2) {
        const again = await Promise.all(on.clients.slice(0, 2).map((client) => client.post(`/v1/reviews/${on.waiting.review_id}/approve`)));
        answers = [...answers, ...again];
      }
      assert.equal(allKnown(answers), 2);
      assert.equal(await check(on, seen), "review.approved");
      const { first_approved_by, decided_by } = ok(await on.own.api.get(`/v1/reviews/${on.waiting.review_id}`), 200);
      assert.ok(first_approved_by !== null && decided_by !== null && first_approved_by !== decided_by);
    });

    it("approval, rejection and expiry at the same moment: exactly one happens", async () => {
      const ends = new Set<string>();
      for (let round = 0; round < 4; round++) {
        const on = await open();
        ok(await on.own.api.post(`/v1/reviews/${on.waiting.review_id}/approve`), 200);
        const { expires_at } = ok(await on.own.api.get(`/v1/reviews/${on.waiting.review_id}`), 200);
        const seen = await newestEvent(on.own.api);
        // The moment comes while the requests are under way, a little later in every round.
        one.clock.advance(Date.parse(String(expires_at)) - one.clock.now() - 4 * round);
        const verdicts = ["approve", "reject"] as const;
        const [answers] = await Promise.all([
          Promise.all(
            Array.from({ length: 8 }, (_, n) =>
              (on.clients[n % 4] ?? on.own.api).post(`/v1/reviews/${on.waiting.review_id}/${verdicts[n >> 2] ?? "reject"}`),
            ),
          ),
          one.app.reviewExpiry.work(),
          two.app.reviewExpiry.work(),
        ]);
        assert.ok(allKnown(answers) <= 1);
        one.clock.advance(HOUR_MS);
        for (const app of [one, two]) await app.app.reviewExpiry.work();
        ends.add(await check(on, seen));
      }
      assert.ok(ends.has("review.expired"), "in the first round the time is over from the beginning");
    });
  });
}

races("SQLite", { store: "sqlite" });
if (server !== undefined) races("DynamoDB", { store: "dynamodb", server });
