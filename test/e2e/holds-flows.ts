import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Organisation } from "../support/app.ts";
import type { ApiObject } from "../support/http-client.ts";
import { freshKey, ok, refused } from "../support/http-client.ts";
import { eventsAfter, newestEvent } from "./audit-trail.ts";
import { activate } from "./risk-engine-kit.ts";
import type { Stage } from "./stage.ts";
import { auditBooks } from "./stage.ts";

const MINUTE_MS = 60_000;

export function holdFlows(stage: Stage): void {
  const begin = async () => {
    const own = await stage.app.newOrganisation();
    const from = await own.account({ balance: 1_000 });
    const to = await own.account();
    const hold = async (amount: number, more: object = {}): Promise<string> =>
      ok(await own.api.post("/v1/holds", { from_account_id: from, to_account_id: to, amount, currency: "EUR", ...more }), 201).id;
    const capture = (id: string, amount?: number, more: object = {}) => own.api.post(`/v1/holds/${id}/capture`, { amount, ...more });
    return { own, from, to, hold, capture };
  };
  const figures = async (own: Organisation, id: string): Promise<number[]> => {
    const { balance, held, available } = ok(await own.api.get(`/v1/accounts/${id}`), 200);
    return [balance, held, available];
  };
  const read = async (own: Organisation, id: string): Promise<ApiObject> => ok(await own.api.get(`/v1/holds/${id}`), 200);

  describe("holds", () => {
    it("reserve, grow, and are captured in parts until a final one releases the rest", async () => {
      const { own, from, to, hold, capture } = await begin();
      const id = await hold(400, { reference: "Hotel", metadata: { room: "12" } });
      assert.deepEqual(await figures(own, from), [1_000, 400, 600]);
      refused(await own.transfer(from, to, 601), "insufficient_funds", "amount");
      assert.equal(ok(await own.api.post(`/v1/holds/${id}/increment`, { amount: 100 }), 200).amount, 500);
      refused(await own.api.post(`/v1/holds/${id}/increment`, { amount: 501 }), "insufficient_funds");
      const idempotencyKey = freshKey();
      const first = await own.api.post(`/v1/holds/${id}/capture`, { amount: 200 }, { idempotencyKey });
      assert.equal(ok(first, 201)["hold_id"], id);
      assert.equal((await own.api.post(`/v1/holds/${id}/capture`, { amount: 200 }, { idempotencyKey })).text, first.text);
      assert.deepEqual(await figures(own, from), [800, 300, 500]);
      refused(await capture(id, 301), "hold_amount_exceeded", "amount");
      ok(await capture(id, 100, { final: true }), 201);
      const done = await read(own, id);
      assert.deepEqual([done.status, done["captured_amount"], done["remaining_amount"]], ["captured", 300, 0]);
      assert.deepEqual(done["metadata"], { room: "12" });
      assert.deepEqual(await figures(own, from), [700, 0, 700]);
      assert.equal(await own.balance(to), 300);
      for (const [path, body] of [
        ["capture", { amount: 1 }],
        ["increment", { amount: 1 }],
        ["void", undefined],
      ] as const)
        refused(await own.api.post(`/v1/holds/${id}/${path}`, body), "hold_not_active");
      await auditBooks(own);
    });

    it("are judged anew as the hold they become when they are raised, so that none grows past the rules", async () => {
      const { own, from, to, hold, capture } = await begin();
      await activate(own, [
        { expression: "amount > 400", action: "block" },
        { expression: 'has(context.country) && context.country == "KP"', action: "review" },
      ]);
      const parties = { from_account_id: from, to_account_id: to, currency: "EUR" };
      refused(await own.api.post("/v1/holds", { ...parties, amount: 401 }), "risk_declined");
      const id = await hold(100);
      ok(await capture(id, 50), 201);
      const raise = (amount: number, more: object = {}, idempotencyKey = freshKey()) =>
        own.api.post(`/v1/holds/${id}/increment`, { amount, ...more }, { idempotencyKey });
      const idempotencyKey = freshKey();
      const declined = await raise(301, {}, idempotencyKey);
      refused(declined, "risk_declined");
      assert.equal((await raise(301, {}, idempotencyKey)).text, declined.text);
      refused(await raise(1, { context: { country: "KP" } }), "risk_declined");
      refused(await raise(1, { context: { latitude: 1 } }), "invalid_request", "context.longitude");
      assert.deepEqual(await figures(own, from), [950, 50, 900]);
      assert.equal((await read(own, id)).amount, 100);
      const told = await newestEvent(own.api);
      assert.equal(ok(await raise(300), 200)["remaining_amount"], 350);
      // What is too much altogether is too much in parts as well.
      refused(await raise(1), "risk_declined");
      const events = (await eventsAfter(own.api, told)).map((event) => [event["event_type"], event["object_id"], event["amount"]]);
      assert.deepEqual(events, [
        ["hold.incremented", id, 300],
        ["hold.declined", id, 1],
      ]);
      assert.equal(ok(await capture(id), 201).amount, 350);
      await auditBooks(own);
    });

    it("tell the audit log, and nobody else, how each raise was judged, as they do of what was declined", async () => {
      const { own, hold } = await begin();
      // As many rules as there may be, under names as long as they may be.
      const names = Array.from({ length: 99 }, (_, n) => `rule_${n}_`.padEnd(40, "x"));
      const allowed = names.map((name) => ({ name, expression: "amount > 100", action: "allow", reason_code: "y".repeat(40) }));
      await activate(own, [...allowed, { name: "large", expression: "amount > 300", action: "block", reason_code: "large" }]);
      const id = await hold(100);
      const seen = await newestEvent(own.api);
      const raise = (amount: number) => own.api.post(`/v1/holds/${id}/increment`, { amount });
      ok(await raise(200), 200);
      refused(await raise(1), "risk_declined");
      const told = await eventsAfter(own.api, seen);
      assert.deepEqual(
        told.map((event) => [event["event_type"], event["object_id"]]),
        [
          ["hold.incremented", id],
          ["hold.declined", id],
        ],
      );
      const [raised, declined] = told.map((event) => event["details"] as ApiObject);
      assert.ok(raised && declined);
      assert.deepEqual(Object.keys(raised).toSorted(), Object.keys(declined).toSorted());
      assert.deepEqual([raised["action"], raised["model"], raised["rule_set"]], ["allow", "factors-1", declined["rule_set"]]);
      assert.ok(typeof raised["risk_score"] === "number" && Array.isArray(raised["reasons"]));
      assert.deepEqual(
        raised["hits"],
        names.map((name) => [name, "allow", "y".repeat(40)]),
      );
      const publicly = ok(await own.api.get(`/v1/events/${told[0]?.id}`), 200);
      assert.deepEqual(publicly["data"], { object: id, object_type: "hold", version: 2 });
    });

    it("count by every raise, so that sums and counts of a time are not evaded by raising", async () => {
      const { own, hold } = await begin();
      await activate(own, [{ expression: "payer_sum_24h > 300.0", action: "block" }]);
      const raise = (id: string, amount: number) => own.api.post(`/v1/holds/${id}/increment`, { amount });
      const id = await hold(100);
      ok(await raise(id, 150), 200);
      ok(await raise(id, 100), 200);
      // 350 have been asked for by now, in whatever pieces.
      refused(await raise(id, 1), "risk_declined");
      assert.equal((await read(own, id)).amount, 350);
    });

    it("count for the payee by every raise, whoever pays, as their creation does", async () => {
      const { own, to, hold } = await begin();
      await activate(own, [{ expression: "payee_sum_24h > 300.0", action: "block" }]);
      const raise = (id: string, amount: number) => own.api.post(`/v1/holds/${id}/increment`, { amount });
      const id = await hold(100);
      ok(await raise(id, 150), 200);
      ok(await raise(id, 100), 200);
      // Another payer, of whom nothing is known: 350 are on their way to the payee by now.
      const other = await own.account({ balance: 1_000 });
      refused(await own.transfer(other, to, 1), "risk_declined");
      refused(await raise(id, 1), "risk_declined");
      await auditBooks(own);
    });

    it("are not raised for a payee who could not be paid, as none is authorised for one", async () => {
      const { own, from, to, hold, capture } = await begin();
      const body = { from_account_id: from, to_account_id: to, amount: 10, currency: "EUR" };
      const id = await hold(100);
      const raise = () => own.api.post(`/v1/holds/${id}/increment`, { amount: 10 });
      for (const [verb, code] of [
        ["freeze", "account_frozen"],
        ["close", "account_closed"],
      ] as const) {
        ok(await own.api.post(`/v1/accounts/${to}/${verb}`), 200);
        refused(await own.api.post("/v1/holds", body), code, "to_account_id");
        refused(await raise(), code, "to_account_id");
        refused(await capture(id), code, "to_account_id");
        if (verb === "close") break;
        ok(await own.api.post(`/v1/accounts/${to}/unfreeze`), 200);
        ok(await raise(), 200);
      }
      assert.deepEqual(await figures(own, from), [1_000, 110, 890]);
      ok(await own.api.post(`/v1/holds/${id}/void`), 200);
      assert.deepEqual(await figures(own, from), [1_000, 0, 1_000]);
    });

    it("are captured whole without being told so", async () => {
      const { own, from, hold, capture } = await begin();
      const id = await hold(100);
      ok(await capture(id, 60), 201);
      ok(await capture(id, 40), 201);
      assert.equal((await read(own, id)).status, "captured");
      assert.deepEqual(await figures(own, from), [900, 0, 900]);
    });

    it("are captured to the rest where no amount is given, with a body and without one", async () => {
      const { own, from, to, hold, capture } = await begin();
      const id = await hold(500, { reference: "Hotel" });
      ok(await capture(id, 120), 201);
      const rest = ok(await capture(id, undefined, { metadata: { bill: "7" } }), 201);
      assert.deepEqual([rest.amount, rest["reference"], rest["metadata"]], [380, "Hotel", { bill: "7" }]);
      const done = await read(own, id);
      assert.deepEqual([done.status, done["captured_amount"], done["remaining_amount"]], ["captured", 500, 0]);
      refused(await capture(id), "hold_not_active");

      const whole = await hold(200);
      ok(await own.api.post(`/v1/holds/${whole}/increment`, { amount: 50 }), 200);
      const idempotencyKey = freshKey();
      const first = await own.api.post(`/v1/holds/${whole}/capture`, undefined, { idempotencyKey });
      assert.equal(ok(first, 201).amount, 250);
      const again = await own.api.post(`/v1/holds/${whole}/capture`, undefined, { idempotencyKey });
      assert.deepEqual([again.text, again.headers["idempotent-replayed"]], [first.text, "true"]);
      refused(await own.api.post(`/v1/holds/${whole}/capture`, {}, { idempotencyKey }), "idempotency_key_reused");
      assert.deepEqual(await figures(own, from), [250, 0, 250]);
      assert.equal(await own.balance(to), 750);

      const late = await hold(100, { expires_in: 60 });
      stage.app.clock.advance(MINUTE_MS);
      refused(await capture(late), "hold_expired");
      const frozen = await hold(100);
      ok(await own.api.post(`/v1/accounts/${from}/freeze`), 200);
      refused(await capture(frozen), "account_frozen");
      refused(await own.api.post(`/v1/holds/${frozen}/capture`, { amount: null }), "invalid_request", "amount");
      refused(await own.api.post(`/v1/holds/${frozen}/capture`, { amount: 0 }), "invalid_request", "amount");
      await auditBooks(own);
    });

    it("give the rest back when they are voided", async () => {
      const { own, from, hold, capture } = await begin();
      const id = await hold(500);
      ok(await capture(id, 120), 201);
      assert.equal(ok(await own.api.post(`/v1/holds/${id}/void`), 200).status, "voided");
      assert.deepEqual(await figures(own, from), [880, 0, 880]);
      refused(await capture(id, 1), "hold_not_active");
      await auditBooks(own);
    });

    it("expire by the clock alone, from that very moment", async () => {
      const { own, from, to, hold, capture } = await begin();
      const id = await hold(1_000, { expires_in: 600 });
      refused(await own.transfer(from, to, 1), "insufficient_funds");
      stage.app.clock.advance(9 * MINUTE_MS);
      ok(await capture(id, 300), 201);
      stage.app.clock.advance(MINUTE_MS);
      const expired = await read(own, id);
      assert.deepEqual([expired.status, expired["remaining_amount"], expired["captured_amount"]], ["expired", 0, 300]);
      assert.deepEqual(await figures(own, from), [700, 0, 700]);
      refused(await capture(id, 1), "hold_expired");
      refused(await own.api.post(`/v1/holds/${id}/increment`, { amount: 1 }), "hold_expired");
      ok(await own.transfer(from, to, 700), 201);
      await auditBooks(own);
    });

    it("keep an account from being closed, and let it be frozen", async () => {
      const { own, from, to, hold, capture } = await begin();
      const id = await hold(10);
      ok(await own.transfer(from, to, 990), 201);
      refused(await own.api.post(`/v1/accounts/${from}/close`), "account_not_empty");
      ok(await own.api.post(`/v1/accounts/${from}/freeze`), 200);
      refused(await capture(id, 10), "account_frozen");
      refused(await own.api.post(`/v1/holds/${id}/increment`, { amount: 1 }), "account_frozen");
      ok(await own.api.post(`/v1/holds/${id}/void`), 200);
    });

    it("are listed by account, newest first", async () => {
      const { own, from, to, hold } = await begin();
      const made: string[] = [];
      for (let n = 0; n < 5; n++) made.push(await hold(1));
      const page = ok(await own.api.get(`/v1/accounts/${from}/holds?limit=3`), 200);
      const rest = ok(await own.api.get(`/v1/accounts/${from}/holds?limit=3&cursor=${encodeURIComponent(String(page.next_cursor))}`), 200);
      assert.deepEqual(
        [...page.data, ...rest.data].map(({ id }) => id),
        made.toReversed(),
      );
      assert.deepEqual(ok(await own.api.get(`/v1/accounts/${to}/holds`), 200).data, []);
    });
  });
}
