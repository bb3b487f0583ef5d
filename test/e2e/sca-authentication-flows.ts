import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ApiObject } from "../support/http-client.ts";
import { freshKey, ok, refused } from "../support/http-client.ts";
import type { JsonObject } from "#kernel/json.ts";
import { newestEvent } from "./audit-trail.ts";
import { currentCode } from "./factors-kit.ts";
import { BALANCE, challengeAll, figures, payerOf, proofOf, statusOf } from "./sca-kit.ts";
import type { Stage } from "./stage.ts";
import { auditBooks } from "./stage.ts";

const MINUTE_MS = 60_000;
const times = <T>(count: number, make: (n: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, n) => make(n)));

/** Payments that are approved before they are asked for, and what an approval is good for. */
export function scaAuthenticationFlows(stage: Stage): void {
  const challenged = async () => {
    const own = await stage.app.newOrganisation();
    const payer = await payerOf(own);
    await challengeAll(own);
    return payer;
  };

  describe("an authentication", () => {
    it("SCA-01 is taken once, also by twenty payments at the same time", async () => {
      const own = await stage.app.newOrganisation();
      const payer = await payerOf(own);
      const authentication_id = await payer.approve({ purpose: "payment", payment: payer.payment(12_350) });
      const answers = await times(20, () => payer.pay(12_350, { authentication_id }));
      const won = answers.filter(({ status }) => status === 201);
      for (const answer of answers) if (answer.status !== 201) refused(answer, "authentication_not_usable", "authentication_id");
      assert.equal(won.length, 1);
      assert.deepEqual(await figures(own, payer.account), [BALANCE - 12_350, 0]);
      const used = ok(await own.api.get(`/v1/authentications/${authentication_id}`), 200);
      assert.deepEqual([used.status, used["used_for"]], ["consumed", won[0]?.body.id]);
      await auditBooks(own);
    });

    it("SCA-01 is answered once, also by twenty answers at the same time", async () => {
      const payer = await challenged();
      const waiting = ok(await payer.pay(900), 202);
      const asked = ok(await payer.ask({ purpose: "payment", transaction_id: waiting.id }), 201);
      const answers = await times(20, () => payer.answer(asked));
      assert.equal(answers.filter(({ status }) => status === 200).length, 1);
      for (const answer of answers) assert.ok([200, 409, 403].includes(answer.status), `${answer.status} ${answer.text}`);
      assert.deepEqual(await figures(payer.own, payer.account), [BALANCE - 900, 0]);
      await auditBooks(payer.own);
    });

    it("SCA-02 SCA-03 fails alike whatever was wrong, and five failures end it with its payment", async () => {
      const payer = await challenged();
      const { own } = payer;
      const waiting = ok(await payer.pay(900), 202);
      const asked = ok(await payer.ask({ purpose: "payment", transaction_id: waiting.id }), 201);
      const told = new Set<string>();
      const wrong = [
        { origin: "https://evil.example" },
        { rpId: "evil.example" },
        { tamper: "signature" },
        { uv: false },
        { challenge: Buffer.alloc(32).toString("base64url") },
      ] as const;
      for (const knobs of wrong) {
        const answer = await payer.answer(asked, knobs);
        refused(answer, "authentication_failed");
        told.add(JSON.stringify({ ...answer.body, request_id: "" }));
      }
      assert.equal(told.size, 1);
      assert.equal(ok(await own.api.get(`/v1/authentications/${asked.id}`), 200).status, "failed");
      assert.equal(await statusOf(own, waiting.id), "rejected");
      assert.deepEqual(await figures(own, payer.account), [BALANCE, 0]);
      // The person is blocked, too: the next one is not even looked at.
      const next = ok(await payer.pay(900), 202);
      refused(await payer.answer(ok(await payer.ask({ purpose: "payment", transaction_id: next.id }), 201)), "authentication_blocked");
      assert.equal(await statusOf(own, next.id), "requires_action");
      stage.app.clock.advance(14 * MINUTE_MS);
      refused(await payer.answer(ok(await payer.ask({ purpose: "payment", transaction_id: next.id }), 201)), "authentication_blocked");
    });

    it("SCA-03 a success begins the row of failures anew", async () => {
      const payer = await challenged();
      for (let round = 0; round < 2; round++) {
        const waiting = ok(await payer.pay(100), 202);
        const asked = ok(await payer.ask({ purpose: "payment", transaction_id: waiting.id }), 201);
        for (let n = 0; n < 4; n++) refused(await payer.answer(asked, { tamper: "signature" }), "authentication_failed");
        ok(await payer.answer(asked), 200);
      }
    });

    it("SCA-06 WA-03 approves one payment to the character, and is void once it is shown for another", async () => {
      const own = await stage.app.newOrganisation();
      const payer = await payerOf(own);
      const other = await own.account();
      const approved = payer.payment(12_350, { payee_name: "Bob Example", reference: "Lunch" });
      const changes: readonly [object, string][] = [
        [{ amount: 12_351 }, "amount"],
        [{ to_account_id: other }, "to_account_id"],
        [{ payee_name: "Bob Exampla" }, "payee_name"],
        [{ reference: "Lunch " }, "reference"],
        [{ payee_name: undefined }, "payee_name"],
        [{ payee_name: undefined, amount: 1 }, "amount"],
      ];
      for (const [change, differs] of changes) {
        const authentication_id = await payer.approve({ purpose: "payment", payment: approved });
        const body = { ...approved, ...change, authentication_id };
        const idempotencyKey = freshKey();
        const first = await own.api.post("/v1/transfers", body, { idempotencyKey });
        refused(first, "authentication_mismatch", differs);
        assert.equal((await own.api.post("/v1/transfers", body, { idempotencyKey })).text, first.text);
        refused(await own.api.post("/v1/transfers", { ...approved, authentication_id }), "authentication_not_usable");
        assert.equal(ok(await own.api.get(`/v1/authentications/${authentication_id}`), 200).status, "invalidated");
      }
      assert.deepEqual(await figures(own, payer.account), [BALANCE, 0]);
      const authentication_id = await payer.approve({ purpose: "payment", payment: approved });
      assert.equal(ok(await own.api.post("/v1/transfers", { ...approved, authentication_id }), 201).status, "posted");
    });

    it("SCA-06 outlives a payment that is refused for another reason, and five minutes, not more", async () => {
      const own = await stage.app.newOrganisation();
      const payer = await payerOf(own);
      const payment = payer.payment(100);
      const authentication_id = await payer.approve({ purpose: "payment", payment });
      ok(await own.api.post(`/v1/accounts/${payer.payee}/freeze`), 200);
      refused(await payer.pay(100, { authentication_id }), "account_frozen");
      ok(await own.api.post(`/v1/accounts/${payer.payee}/unfreeze`), 200);
      ok(await payer.pay(100, { authentication_id }), 201);
      const late = await payer.approve({ purpose: "payment", payment });
      stage.app.clock.advance(5 * MINUTE_MS);
      refused(await payer.pay(100, { authentication_id: late }), "authentication_not_usable", "authentication_id");
    });

    it("SCA-07 approves a batch as it stands: another payee, amount or order is another batch", async () => {
      const own = await stage.app.newOrganisation();
      const payer = await payerOf(own);
      const other = await own.account();
      const batch = [payer.payment(1_000), payer.payment(2_000, { to_account_id: other })];
      const post = (transfers: readonly object[], authentication_id: string) =>
        own.api.post("/v1/transfers/batch", { mode: "atomic", transfers, authentication_id });
      const different: readonly [readonly object[], string][] = [
        [[...batch].reverse(), "transfers.0.to_account_id"],
        [[...batch, payer.payment(1)], "transfers"],
        [[batch[0] ?? {}], "transfers"],
        [[payer.payment(1_001), payer.payment(1_999, { to_account_id: other })], "transfers.0.amount"],
        [[payer.payment(1_000), payer.payment(2_000)], "transfers.1.to_account_id"],
      ];
      for (const [transfers, differs] of different) {
        const id = await payer.approve({ purpose: "batch", batch });
        refused(await post(transfers, id), "authentication_mismatch", differs);
        refused(await post(batch, id), "authentication_not_usable");
      }
      const asked = ok(await payer.ask({ purpose: "batch", batch }), 201);
      assert.equal((asked["approval"] as ApiObject)["total"], "3000");
      ok(await payer.answer(asked), 200);
      const answers = await times(10, () => post(batch, asked.id));
      assert.equal(answers.filter(({ status }) => status === 201).length, 1);
      assert.deepEqual(await figures(own, payer.account), [BALANCE - 3_000, 0]);
      refused(
        await own.api.post("/v1/transfers/batch", { mode: "independent", transfers: batch, authentication_id: asked.id }),
        "invalid_request",
        "authentication_id",
      );
      await auditBooks(own);
    });

    it("SCA-08 takes two categories: two factors of one do not do, and are not even looked at", async () => {
      const payer = await challenged();
      const waiting = ok(await payer.pay(100), 202);
      const asked = ok(await payer.ask({ purpose: "payment", transaction_id: waiting.id }), 201);
      const path = `/v1/authentications/${asked.id}/verify`;
      const code = "123456";
      const short = [
        [{ type: "totp", code }],
        [
          { type: "totp", code },
          { type: "sms_code", code },
        ],
        [
          { type: "recovery_code", code },
          { type: "email_code", code },
        ],
      ];
      const seen = await newestEvent(payer.own.api);
      for (const proofs of short) refused(await payer.own.api.post(path, { proofs }), "factors_insufficient", "proofs");
      assert.equal(await newestEvent(payer.own.api), seen);
      const proof = proofOf(payer.device, asked);
      refused(await payer.own.api.post(path, { proofs: [proof, proof] }), "factors_insufficient", "proofs");
      refused(await payer.own.api.post(path, { proofs: [proof, { type: "totp", code }] }), "authentication_failed");
      ok(await payer.answer(asked), 200);
    });

    it("SCA-03 takes two factors or none: a code that is spent neither uses the passkey beside it nor ends the row of failures", async () => {
      const payer = await challenged();
      const factors = `/v1/users/${payer.userId}`;
      const { public_key } = ok(await payer.own.api.post(`${factors}/factors/challenge`), 201);
      const totp = ok(await payer.own.api.post(`${factors}/totp`), 201);
      const code = currentCode(totp.secret, stage.app.clock);
      const proof = { type: "passkey", response: payer.device.get(public_key as JsonObject) };
      ok(await payer.own.api.post(`${factors}/totp/${totp.id}/activate`, { code, proof }), 200);
      const asked = ok(await payer.ask({ purpose: "account_access" }), 201);
      for (let n = 0; n < 4; n++) refused(await payer.answer(asked, { tamper: "signature" }), "authentication_failed");
      // Right, and of the step that put it into use.
      const proofs = [proofOf(payer.device, asked), { type: "totp", code }];
      refused(await payer.own.api.post(`/v1/authentications/${asked.id}/verify`, { proofs }), "authentication_failed");
      const next = ok(await payer.ask({ purpose: "account_access" }), 201);
      refused(await payer.answer(next), "authentication_blocked");
    });

    it("is nobody else's: another user's, another organisation's and unknown ones read alike", async () => {
      const own = await stage.app.newOrganisation();
      const [alice, bob] = [await payerOf(own), await payerOf(own)];
      const stranger = await payerOf(await stage.app.newOrganisation());
      const authentication_id = await alice.approve({ purpose: "payment", payment: alice.payment(100) });
      refused(await bob.pay(100, { authentication_id }), "not_found", "authentication_id");
      refused(await stranger.pay(100, { authentication_id }), "not_found", "authentication_id");
      refused(await stranger.own.api.get(`/v1/authentications/${authentication_id}`), "not_found");
      refused(await bob.ask({ purpose: "payment", payment: alice.payment(100) }), "account_not_found", "payment.from_account_id");
      refused(await stranger.ask({ user_id: alice.userId, purpose: "account_access" }), "user_not_found", "user_id");
      ok(await alice.pay(100, { authentication_id }), 201);
    });

    it("is that of anybody who may start payments from the account, and of nobody who may not any more", async () => {
      const own = await stage.app.newOrganisation();
      const signatory = await payerOf(own);
      const viewer = await payerOf(own);
      const owner = await own.user();
      const holders = [
        { user_id: owner, role: "owner" },
        { user_id: signatory.userId, role: "authorised_signatory" },
        { user_id: viewer.userId, role: "viewer" },
      ];
      const { id: account } = ok(await own.api.post("/v1/accounts", { type: "checking", currency: "EUR", holders }), 201);
      ok(await own.api.post("/v1/deposits", { account_id: account, amount: 1_000, currency: "EUR" }), 201);
      const payment = { ...signatory.payment(100), from_account_id: account };
      refused(await viewer.ask({ purpose: "payment", payment }), "account_not_found", "payment.from_account_id");
      const authentication_id = await signatory.approve({ purpose: "payment", payment });
      ok(await own.api.post("/v1/transfers", { ...payment, authentication_id }), 201);
      const gone = await signatory.approve({ purpose: "payment", payment });
      ok(await own.api.send("DELETE", `/v1/accounts/${account}/holders/${signatory.userId}`, undefined), 200);
      refused(await own.api.post("/v1/transfers", { ...payment, authentication_id: gone }), "not_found", "authentication_id");

      // A payment that waits: whoever may not approve it learns nothing of it.
      const shared = ok(await own.api.post(`/v1/accounts/${signatory.account}/holders`, { user_id: viewer.userId, role: "viewer" }), 201);
      assert.equal(shared.id, signatory.account);
      await challengeAll(own);
      const waiting = ok(await signatory.pay(100), 202);
      refused(await viewer.ask({ purpose: "payment", transaction_id: waiting.id }), "transaction_not_found", "transaction_id");
      ok(await signatory.answer(ok(await signatory.ask({ purpose: "payment", transaction_id: waiting.id }), 201)), 200);
    });

    it("is refused for what does not make sense", async () => {
      const own = await stage.app.newOrganisation();
      const payer = await payerOf(own);
      refused(await payer.ask({ purpose: "payment" }), "missing_field");
      refused(await payer.ask({ purpose: "batch", payment: payer.payment(1) }), "invalid_request", "payment");
      refused(await payer.ask({ purpose: "payment", payment: payer.payment(1), payee_name: "Bob" }), "invalid_request", "payee_name");
      refused(await payer.ask({ purpose: "payment", payment: { ...payer.payment(1), type: "withdrawal" } }), "invalid_request");
      const posted = ok(await payer.pay(1), 201);
      refused(await payer.ask({ purpose: "payment", transaction_id: posted.id }), "transaction_not_found", "transaction_id");
      const user_id = await own.user();
      refused(await payer.ask({ user_id, purpose: "account_access" }), "authentication_unavailable", "user_id");
      ok(await payer.answer(ok(await payer.ask({ purpose: "account_access" }), 201)), 200);
    });
  });
}
