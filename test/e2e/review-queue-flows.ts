import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Scope } from "#kernel/scopes.ts";
import type { Item } from "#storage/index.ts";
import type { Organisation } from "../support/app.ts";
import type { Answer, ApiObject, Client } from "../support/http-client.ts";
import { ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import { HOUR_MS, suspect, SUSPICIOUS_AMOUNT } from "./suspicious.ts";
import { finish } from "./vault-flows.ts";
import type { Stage } from "./stage.ts";
import { auditBooks, everyPage, idsOf } from "./stage.ts";

const REVIEWER: readonly Scope[] = ["reviews:read", "reviews:write"];
const NOBODY = "rev_01J0000000000000000000000B";
/** Between the moment before a review expires and the one after it, ms. */
const EXPIRY_MS = 96 * HOUR_MS;

/** A client with a key of its own. */
export async function colleague(own: Organisation, scopes: readonly Scope[] = REVIEWER): Promise<Client & { readonly id: string }> {
  const { id, secret } = ok(await own.api.post("/v1/api-keys", { name: "Colleague", scopes }), 201);
  return { ...own.api.as(secret), id };
}

const typesOf = (events: readonly ApiObject[]): unknown[] => events.map((event) => event["event_type"]);
const labelOf = async (own: Organisation, transaction: string): Promise<ApiObject | undefined> =>
  ok(await own.api.get(`/v1/risk/labels?transaction_id=${transaction}`), 200).data[0];

export function reviewQueueFlows(stage: Stage): void {
  const review = async ({ api }: Organisation, id: string): Promise<ApiObject> => ok(await api.get(`/v1/reviews/${id}`), 200);
  const heldBy = async (own: Organisation, account: string): Promise<unknown> =>
    ok(await own.api.get(`/v1/accounts/${account}`), 200)["held"];

  describe("the review queue", () => {
    it("lists by due time, by every filter, page by page", async () => {
      const own = await stage.app.newOrganisation();
      const { userId, payer, payee, pay, body } = await suspect(own, stage.app.clock);
      const ids: string[] = [];
      for (const amount of [SUSPICIOUS_AMOUNT, SUSPICIOUS_AMOUNT + 1, SUSPICIOUS_AMOUNT + 2]) {
        ids.push(ok(await own.api.post("/v1/transfers", { ...body, amount }), 202).review_id);
        stage.app.clock.advance(1_000);
      }
      const [first = "", second = "", third = ""] = ids;
      const list = async (query: string): Promise<string[]> => idsOf(await everyPage(own.api, `/v1/reviews?${query}`, 2));
      assert.deepEqual(await list(""), ids);
      assert.deepEqual(await list("order=newest"), ids.toReversed());
      assert.deepEqual(idsOf(await everyPage(own.api, "/v1/reviews?status=open", 1)), ids);
      const { due_at, created_at, overdue, expires_at } = await review(own, second);
      assert.equal(Date.parse(String(due_at)) - Date.parse(String(created_at)), 24 * HOUR_MS);
      assert.equal(Date.parse(String(expires_at)) - Date.parse(String(created_at)), EXPIRY_MS);
      assert.equal(overdue, false);
      ok(await own.api.post(`/v1/reviews/${third}/assign`, { assignee: "analyst-7" }), 200);
      const all = ids.join();
      for (const [query, wanted] of [
        [`due_before=${String(due_at)}`, first],
        [`created_from=${String(created_at)}`, [second, third].join()],
        [`created_to=${String(created_at)}`, [first, second].join()],
        [`min_amount=${SUSPICIOUS_AMOUNT + 1}`, [second, third].join()],
        [`max_amount=${SUSPICIOUS_AMOUNT}`, first],
        [`min_amount=${SUSPICIOUS_AMOUNT + 1}&max_amount=${SUSPICIOUS_AMOUNT + 1}`, second],
        ["assigned_to=analyst-7", third],
        ["assigned_to=analyst-8", ""],
        ["assigned=false", [first, second].join()],
        ["assigned=true", third],
        ["min_risk_score=0.8", all],
        ["min_risk_score=1.0", ""],
        ["currency=EUR", all],
        ["currency=JPY", ""],
        [`account_id=${payer}`, all],
        [`account_id=${payee}&order=newest`, ids.toReversed().join()],
        [`user_id=${userId}`, all],
        [`user_id=${userId}&account_id=${payee}&status=open&assigned=true`, third],
        [`account_id=${await own.account()}`, ""],
        ["status=approved_once", ""],
      ] as const)
        assert.equal((await list(query)).join(), wanted, query);
      refused(await own.api.get("/v1/reviews?cursor=rev_1"), "invalid_cursor", "cursor");
      refused(await own.api.get("/v1/reviews?due_before=2026-02-30T00:00:00Z"), "invalid_request", "due_before");
      stage.app.clock.advance(24 * HOUR_MS);
      assert.equal((await review(own, first))["overdue"], true);
      assert.equal((await pay()).status, 201, "a day later nothing is suspicious any more");
    });

    it("puts each review into one pair of hands at a time", async () => {
      const own = await stage.app.newOrganisation();
      const other = await colleague(own);
      const { review_id: id } = ok(await (await suspect(own, stage.app.clock)).pay(), 202);
      const seen = await newestEvent(own.api);
      const claims = await Promise.all([1, 2, 3, 4].map((n) => (n % 2 ? own.api : other).post(`/v1/reviews/${id}/assign`)));
      const won = claims.filter(({ status }) => status === 200);
      assert.equal(won.length, 1);
      for (const claim of claims) if (claim !== won[0]) refused(claim, "review_already_assigned");
      const claimed = await review(own, id);
      assert.deepEqual(won[0]?.body, claimed);
      assert.ok([own.apiKeyId, other.id].includes(String(claimed["assigned_to"])));
      assert.equal(claimed["assigned_by"], claimed["assigned_to"]);
      refused(await other.post(`/v1/reviews/${id}/assign`, { assignee: "analyst-7" }), "review_already_assigned");
      assert.equal(ok(await other.post(`/v1/reviews/${id}/unassign`), 200)["assigned_to"], null);
      refused(await other.post(`/v1/reviews/${id}/unassign`), "review_not_assigned");
      const named = ok(await other.post(`/v1/reviews/${id}/assign`, { assignee: "analyst-7" }), 200);
      assert.deepEqual([named["assigned_to"], named["assigned_by"]], ["analyst-7", other.id]);
      const told = await eventsAfter(own.api, seen);
      assert.deepEqual(typesOf(told), ["review.assigned", "review.unassigned", "review.assigned"]);
      assert.deepEqual(told.at(-1)?.["details"], { assigned_to: "analyst-7" });
      // Who has it in hand is a matter of order, not a lock.
      ok(await own.api.post(`/v1/reviews/${id}/reject`), 200);
      refused(await own.api.post(`/v1/reviews/${id}/unassign`), "review_already_decided");
      refused(await own.api.post(`/v1/reviews/${NOBODY}/assign`), "not_found");
    });

    it("keeps notes: sealed, in order, never taken away", async () => {
      const own = await stage.app.newOrganisation();
      const other = await colleague(own);
      const { review_id: id } = ok(await (await suspect(own, stage.app.clock)).pay(), 202);
      const seen = await newestEvent(own.api);
      const note = (client: Client, text: string): Promise<Answer> => client.post(`/v1/reviews/${id}/notes`, { text });
      const first = ok(await note(own.api, "Ms Lovelace does not answer."), 201);
      assert.deepEqual([first["text"], first["author"], first["review_id"]], ["Ms Lovelace does not answer.", own.apiKeyId, id]);
      ok(await note(other, "She called back."), 201);
      const decided = ok(await other.post(`/v1/reviews/${id}/approve`, { reason_code: "customer_confirmed", note: "It was her." }), 200);
      assert.deepEqual([decided["note_count"], decided["reason_code"]], [3, "customer_confirmed"]);
      ok(await note(own.api, "Closed."), 201);
      const notes = await everyPage(own.api, `/v1/reviews/${id}/notes`, 2);
      assert.deepEqual(
        notes.map((one) => [one["text"], one["author"]]),
        [
          ["Ms Lovelace does not answer.", own.apiKeyId],
          ["She called back.", other.id],
          ["It was her.", other.id],
          ["Closed.", own.apiKeyId],
        ],
      );
      assert.deepEqual(notes[0], first);
      const told = await eventsAfter(own.api, seen);
      assert.deepEqual(typesOf(told), ["review.noted", "review.noted", "review.approved", "review.noted"]);
      assert.ok(!JSON.stringify(told).includes("Lovelace"));
      const stored = await stage.app.store.query({ table: "smartfinance-review-notes", hash: id, order: "ascending", limit: 10 });
      assert.equal(stored.items.length, 4);
      assert.ok(!JSON.stringify(stored.items).includes("Lovelace"));
      const { id: rotation } = ok(await own.api.post("/v1/key-rotations", { target: "data_keys", reason: "scheduled" }), 202);
      await finish(stage.app, own, rotation);
      const after = await stage.app.store.query({ table: "smartfinance-review-notes", hash: id, order: "ascending", limit: 10 });
      const keysIn = (items: readonly Item[]): unknown[] => items.map(({ text }) => (text as { key_id: string }).key_id);
      assert.notDeepEqual(keysIn(after.items), keysIn(stored.items), "a rotation of keys seals notes anew");
      assert.deepEqual(await everyPage(own.api, `/v1/reviews/${id}/notes`, 2), notes);
      refused(await own.api.get(`/v1/reviews/${NOBODY}/notes`), "not_found");
      refused(await own.api.post(`/v1/reviews/${NOBODY}/notes`, { text: "?" }), "not_found");
      refused(await note(own.api, " \n "), "invalid_request", "text");
    });

    it("decides with a reason, tells the customer little and the model what it may learn", async () => {
      const own = await stage.app.newOrganisation();
      const { pay } = await suspect(own, stage.app.clock);
      for (const [verdict, reason_code, risk_reason, label] of [
        ["approve", undefined, "approved_after_review", "legitimate"],
        ["approve", "customer_confirmed", "approved_after_review", "legitimate"],
        ["reject", undefined, "declined_security", "fraud"],
        ["reject", "confirmed_fraud", "declined_security", "fraud"],
        ["reject", "insufficient_information", "declined_unconfirmed", undefined],
        ["reject", "policy", "declined_policy", undefined],
      ] as const) {
        const waiting = ok(await pay(), 202);
        assert.equal(waiting["risk_reason"], "under_review");
        const path = `/v1/reviews/${waiting.review_id}/${verdict}`;
        const wrong = verdict === "approve" ? "policy" : "false_positive";
        refused(await own.api.post(path, { reason_code: wrong }), "reason_not_allowed", "reason_code");
        refused(await own.api.post(path, { reason_code: "because" }), "invalid_request", "reason_code");
        const done = ok(await own.api.post(path, reason_code && { reason_code }), 200);
        assert.equal(done["reason_code"], reason_code ?? (verdict === "approve" ? "false_positive" : "suspected_fraud"));
        assert.equal(ok(await own.api.get(`/v1/transactions/${waiting.id}`), 200)["risk_reason"], risk_reason);
        const told = await labelOf(own, waiting.id);
        assert.deepEqual([told?.["label"], told?.["source"]], label === undefined ? [undefined, undefined] : [label, "review"]);
        if (label !== undefined) assert.deepEqual([told?.["decided_at"], told?.["decided_by"]], [done["decided_at"], own.apiKeyId]);
      }
      await auditBooks(own);
    });

    it("asks for two keys above an amount, and for one to reject", async () => {
      const own = await stage.app.newOrganisation();
      const other = await colleague(own);
      const { payer, payee, balance, body } = await suspect(own, stage.app.clock);
      const limit = [{ currency: "EUR", amount: SUSPICIOUS_AMOUNT }];
      refused(
        await own.api.patch("/v1/organisation", { review_four_eyes_above: [...limit, ...limit] }),
        "invalid_request",
        "review_four_eyes_above",
      );
      assert.deepEqual(
        ok(await own.api.patch("/v1/organisation", { review_four_eyes_above: limit }), 200)["review_four_eyes_above"],
        limit,
      );
      const pay = async (amount: number): Promise<ApiObject> => ok(await own.api.post("/v1/transfers", { ...body, amount }), 202);
      const small = await pay(SUSPICIOUS_AMOUNT);
      assert.equal(ok(await own.api.post(`/v1/reviews/${small.review_id}/approve`), 200).status, "approved");
      const large = await pay(SUSPICIOUS_AMOUNT + 1);
      const seen = await newestEvent(own.api);
      const once = ok(await own.api.post(`/v1/reviews/${large.review_id}/approve`), 200);
      assert.deepEqual([once.status, once["first_approved_by"], once["decided_by"]], ["approved_once", own.apiKeyId, null]);
      assert.equal(await heldBy(own, payer), SUSPICIOUS_AMOUNT + 1);
      assert.equal(await labelOf(own, large.id), undefined);
      assert.deepEqual(idsOf(ok(await own.api.get("/v1/reviews?status=approved_once"), 200).data), [large.review_id]);
      refused(await own.api.post(`/v1/reviews/${large.review_id}/approve`), "second_person_required");
      const done = ok(await other.post(`/v1/reviews/${large.review_id}/approve`), 200);
      assert.deepEqual([done.status, done["first_approved_by"], done["decided_by"]], ["approved", own.apiKeyId, other.id]);
      assert.equal((await labelOf(own, large.id))?.["decided_by"], other.id);
      const told = await eventsAfter(own.api, seen);
      assert.deepEqual(typesOf(told), ["review.approved_once", "review.approved"]);
      assert.deepEqual(
        told.map((event) => event["entries"] === null),
        [true, false],
      );
      const third = await pay(SUSPICIOUS_AMOUNT + 1);
      ok(await own.api.post(`/v1/reviews/${third.review_id}/approve`), 200);
      assert.equal(ok(await own.api.post(`/v1/reviews/${third.review_id}/reject`), 200).status, "rejected");
      assert.equal(await own.balance(payer), balance - 2 * SUSPICIOUS_AMOUNT - 1);
      assert.equal(await own.balance(payee), 11 * 2_500 + 2 * SUSPICIOUS_AMOUNT + 1);
      const fourth = await pay(SUSPICIOUS_AMOUNT + 1);
      assert.deepEqual(ok(await own.api.patch("/v1/organisation", { review_four_eyes_above: [] }), 200)["review_four_eyes_above"], []);
      const kept = ok(await own.api.post(`/v1/reviews/${fourth.review_id}/approve`), 200);
      assert.equal(kept.status, "approved_once", "switching four eyes off is for later payments");
      refused(await own.api.post(`/v1/reviews/${fourth.review_id}/approve`), "second_person_required");
      assert.equal(ok(await other.post(`/v1/reviews/${fourth.review_id}/approve`), 200).status, "approved");
      await auditBooks(own);
    });

    it("gives up what was not decided in time: at once for whoever looks or decides, and by the timer for the funds", async () => {
      const own = await stage.app.newOrganisation();
      const { payer, balance, pay } = await suspect(own, stage.app.clock);
      const [left, tried] = [ok(await pay(), 202), ok(await pay(), 202)];
      ok(await own.api.patch("/v1/organisation", { review_due_hours: 2, review_expiry_hours: 1 }), 200);
      assert.equal((await review(own, left.review_id)).status, "open");
      stage.app.clock.advance(3 * HOUR_MS);
      const shown = await review(own, left.review_id);
      assert.deepEqual(
        [shown.status, shown["overdue"], shown["decided_at"], shown["decided_by"]],
        ["expired", false, shown["expires_at"], null],
      );
      assert.deepEqual(ok(await own.api.get("/v1/reviews?status=open"), 200).data, []);
      const { id, reason_code, status, decided_at, decided_by } = shown;
      const { outcome } = ok(await own.api.get(`/v1/risk/assessments/${left.id}`), 200);
      assert.deepEqual((outcome as { review: unknown }).review, { id, status, reason_code, decided_at, decided_by });
      refused(await own.api.post(`/v1/reviews/${left.review_id}/assign`), "review_expired");
      assert.equal(await heldBy(own, payer), 2 * SUSPICIOUS_AMOUNT);
      const seen = await newestEvent(own.api);
      refused(await own.api.post(`/v1/reviews/${tried.review_id}/approve`), "review_already_decided");
      assert.equal(await heldBy(own, payer), SUSPICIOUS_AMOUNT, "whoever comes too late leaves nothing held behind");
      await Promise.all([stage.app.app.reviewExpiry.work(), stage.app.app.reviewExpiry.work(), stage.app.app.maintain()]);
      await stage.app.app.reviewExpiry.work();
      assert.deepEqual([await heldBy(own, payer), await own.balance(payer)], [0, balance]);
      assert.deepEqual(await review(own, left.review_id), shown, "the timer writes down what was shown");
      const told = await eventsAfter(own.api, seen);
      assert.deepEqual(
        told.map((event) => [event["event_type"], event["object_id"], event["api_key_id"], event["entries"]]),
        [
          ["review.expired", tried.review_id, null, null],
          ["review.expired", left.review_id, null, null],
        ],
      );
      for (const { id } of [left, tried]) {
        const { status, risk_reason } = ok(await own.api.get(`/v1/transactions/${id}`), 200);
        assert.deepEqual([status, risk_reason], ["rejected", "declined_expired"]);
        assert.equal(await labelOf(own, id), undefined, "nobody has judged it");
      }
      assert.deepEqual(idsOf(await everyPage(own.api, "/v1/reviews?status=expired", 1)), [left.review_id, tried.review_id]);
      for (const verdict of ["approve", "reject"])
        refused(await own.api.post(`/v1/reviews/${left.review_id}/${verdict}`), "review_already_decided");
      await auditBooks(own);
    });

    it("shows other payments to the same payee, with what they turned out to be", async () => {
      const own = await stage.app.newOrganisation();
      const { payer, payee, pay } = await suspect(own, stage.app.clock);
      const victim = await own.account({ balance: 5_000 });
      const fraud = ok(await own.transfer(victim, payee, 4_000), 201).id;
      ok(await own.transfer(payee, victim, 10), 201);
      ok(await own.api.post("/v1/risk/labels", { transaction_id: fraud, label: "fraud", source: "dispute" }), 201);
      const waiting = ok(await pay(), 202);
      const path = `/v1/reviews/${waiting.review_id}/linked`;
      const linked = await everyPage(own.api, path, 5);
      const { id, label, link, amount, from_account_id } = linked[0] ?? assert.fail("nothing is linked");
      assert.deepEqual([id, label, link, amount, from_account_id], [fraud, "fraud", "payee", 4_000, victim]);
      assert.equal(linked.length, 1 + 11);
      for (const one of linked) assert.deepEqual([one["to_account_id"], one.id === waiting.id], [payee, false]);
      // The first payment was made 25 hours before.
      assert.equal((await everyPage(own.api, `${path}?days=1`, 20)).length, 1 + 10);
      ok(await own.api.post(`/v1/reviews/${waiting.review_id}/approve`), 200);
      assert.deepEqual(
        idsOf(await everyPage(own.api, path, 100)),
        idsOf(linked),
        "its approval linked it a second time, which changes nothing",
      );
      assert.deepEqual(ok(await own.api.get(`${path}?by=device&limit=100`), 200).object, "list");
      const { review_id } = ok(
        await own.api.post("/v1/withdrawals", {
          account_id: payer,
          amount: 9_000_000,
          currency: "EUR",
          context: { device_id: "x", country: "BR" },
        }),
        202,
      );
      assert.deepEqual(ok(await own.api.get(`/v1/reviews/${review_id}/linked`), 200).data, []);
      refused(await own.api.get(`${path}?cursor=nonsense`), "invalid_cursor", "cursor");
      refused(await own.api.get(`${path}?by=device&cursor=nonsense`), "invalid_cursor", "cursor");
      refused(await own.api.get(`/v1/reviews/${NOBODY}/linked`), "not_found");
    });

    it("is nobody else's", async () => {
      const own = await stage.app.newOrganisation();
      const stranger = await stage.app.newOrganisation();
      const { pay } = await suspect(own, stage.app.clock);
      const { review_id, id } = ok(await pay(), 202);
      const seen = await newestEvent(own.api);
      for (const path of ["", "/notes", "/linked", "/linked?by=device"])
        refused(await stranger.api.get(`/v1/reviews/${review_id}${path}`), "not_found");
      for (const verb of ["assign", "unassign", "approve", "reject"])
        refused(await stranger.api.post(`/v1/reviews/${review_id}/${verb}`), "not_found");
      refused(await stranger.api.post(`/v1/reviews/${review_id}/notes`, { text: "Hello" }), "not_found");
      refused(
        await stranger.api.post("/v1/risk/labels", { transaction_id: id, label: "legitimate", source: "confirmed" }),
        "transaction_not_found",
        "transaction_id",
      );
      refused(await stranger.api.get(`/v1/risk/labels?transaction_id=${id}`), "transaction_not_found", "transaction_id");
      assert.deepEqual(ok(await stranger.api.get("/v1/reviews"), 200).data, []);
      assert.equal(await newestEvent(own.api), seen);
      const reader = await colleague(own, ["reviews:read"]);
      refused(await reader.post(`/v1/reviews/${review_id}/assign`), "insufficient_scope");
      refused(await reader.get("/v1/risk/labels"), "insufficient_scope");
    });
  });

  describe("risk labels", () => {
    it("supersede each other, keep what was told, and list by when it was told last", async () => {
      const own = await stage.app.newOrganisation();
      const from = await own.account({ balance: 1_000 });
      const to = await own.account();
      const paid: string[] = [];
      for (let n = 0; n < 3; n++) paid.push(ok(await own.transfer(from, to, 10), 201).id);
      const [first = "", second = "", third = ""] = paid;
      const label = (transaction_id: string, value: string, source = "confirmed"): Promise<Answer> =>
        own.api.post("/v1/risk/labels", { transaction_id, label: value, source });
      const times: string[] = [];
      const seen = await newestEvent(own.api);
      for (const [id, value, source] of [
        [first, "fraud", "dispute"],
        [second, "legitimate", "confirmed"],
        [third, "fraud", "confirmed"],
        [first, "legitimate", "confirmed"],
      ] as const) {
        times.push(String(ok(await label(id, value, source), 201)["decided_at"]));
        stage.app.clock.advance(1_000);
      }
      const told = await eventsAfter(own.api, seen);
      assert.deepEqual(
        typesOf(told),
        Array.from({ length: 4 }, () => "risk.labelled"),
      );
      assert.deepEqual(told.at(-1)?.["details"], { label: "legitimate", source: "confirmed", before: "fraud" });
      const list = async (query: string): Promise<unknown[]> =>
        (await everyPage(own.api, `/v1/risk/labels?${query}`, 1)).map((one) => one["transaction_id"]);
      assert.deepEqual(await list(""), [first, third, second]);
      assert.deepEqual(await list(`decided_from=${times[2]}`), [first, third]);
      assert.deepEqual(await list(`decided_to=${times[2]}`), [third, second]);
      assert.deepEqual(await list(`decided_from=${times[1]}&decided_to=${times[2]}`), [third, second]);
      assert.deepEqual(await list(`transaction_id=${first}&decided_to=${times[0]}`), [], "times are those of the last judgement");
      const now = (await labelOf(own, first)) ?? assert.fail("no label");
      assert.deepEqual([now["label"], now["source"], now.created_at], ["legitimate", "confirmed", times[0]]);
      assert.deepEqual(now["superseded"], [{ label: "fraud", source: "dispute", decided_at: times[0], decided_by: own.apiKeyId }]);
      refused(await own.api.get(`/v1/risk/labels?transaction_id=${first}&cursor=x`), "invalid_cursor", "cursor");
      const { data } = ok(await own.api.get("/v1/transactions?type=deposit"), 200);
      refused(await label(data[0]?.id ?? "", "fraud"), "transaction_not_scored", "transaction_id");
      refused(await label("txn_01J0000000000000000000000B", "fraud"), "transaction_not_found", "transaction_id");
      refused(await label(first, "fraud", "review"), "invalid_request", "source");
    });

    it("of a decided review give way to a dispute, also when many come at once", async () => {
      const own = await stage.app.newOrganisation();
      const waiting = ok(await (await suspect(own, stage.app.clock)).pay(), 202);
      ok(await own.api.post(`/v1/reviews/${waiting.review_id}/approve`), 200);
      const body = { transaction_id: waiting.id, label: "fraud", source: "dispute" };
      const answers = await Promise.all(Array.from({ length: 5 }, () => own.api.post("/v1/risk/labels", body)));
      for (const answer of answers) if (answer.status !== 201) refused(answer, "contention");
      const done = answers.filter(({ status }) => status === 201).length;
      const { label, source, superseded } = (await labelOf(own, waiting.id)) ?? assert.fail("no label");
      assert.deepEqual([label, source], ["fraud", "dispute"]);
      const before = superseded as unknown as readonly { label: string; source: string }[];
      assert.deepEqual([before.length, before[0]?.label, before[0]?.source], [done, "legitimate", "review"]);
    });
  });
}
