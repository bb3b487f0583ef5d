import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ApiObject } from "../support/http-client.ts";
import { ok, refused } from "../support/http-client.ts";
import type { Payer } from "./sca-kit.ts";
import { challengeAll, payerOf, setPolicy, statusOf } from "./sca-kit.ts";
import { berlin } from "./suspicious.ts";
import type { Stage } from "./stage.ts";
import { auditBooks } from "./stage.ts";

interface Shared {
  /** The second holder of the account, with a passkey; the first owner has none. */
  readonly other: Payer;
  readonly account: string;
  pay(amount: number, more?: object): ReturnType<Payer["pay"]>;
  /** The second holder answers for a payment that waits. */
  answer(id: string): Promise<void>;
}

async function shared(stage: Stage, role: string): Promise<Shared> {
  const own = await stage.app.newOrganisation();
  const other = await payerOf(own);
  const account = await own.account({ balance: 100_000 });
  ok(await own.api.post(`/v1/accounts/${account}/holders`, { user_id: other.userId, role }), 201);
  return {
    other,
    account,
    pay: (amount, more = {}) => own.transfer(account, other.payee, amount, { context: berlin, ...more }),
    async answer(id) {
      ok(await other.answer(ok(await other.ask({ purpose: "payment", transaction_id: id }), 201)), 200);
      assert.equal(await statusOf(own, id), "posted");
    },
  };
}

/** Strong authentication of accounts that several people hold: any of them who may start payments does. */
export function scaHolderFlows(stage: Stage): void {
  describe("strong authentication of a shared account", () => {
    for (const role of ["joint_owner", "authorised_signatory"])
      it(`asks a holder who has a factor where the first owner has none: ${role}`, async () => {
        const one = await shared(stage, role);
        const { own } = one.other;
        await challengeAll(own);
        const challenged = ok(await one.pay(500), 202);
        assert.equal(challenged.status, "requires_action");
        // The one named is one who can: the first owner could not.
        assert.equal((challenged["requires_action"] as ApiObject)["user_id"], one.other.userId);
        await one.answer(challenged.id);
        await setPolicy(own, { sca: "psd2" });
        const ruled = ok(await one.pay(500), 202);
        assert.equal(ruled.status, "requires_action");
        await one.answer(ruled.id);
        await auditBooks(own);
      });

    it("asks nobody who may not pay: a viewer, or a signatory who is restricted", async () => {
      const one = await shared(stage, "viewer");
      const { own, userId } = one.other;
      await setPolicy(own, { sca: "psd2" });
      const unable = refused(await one.pay(500), "authentication_unavailable");
      assert.match(String(unable["title"]), /passkey/);
      // It tells whom a passkey is missing, and where one is made.
      assert.match(String(unable["detail"]), /usr_\w+ .*POST \/v1\/users\/usr_\w+\/passkeys\/options/);
      const path = `/v1/accounts/${one.account}/holders/${userId}`;
      ok(await own.api.patch(path, { role: "authorised_signatory" }), 200);
      assert.equal(ok(await one.pay(500), 202).status, "requires_action");
      ok(await own.api.post(`/v1/users/${userId}/status`, { status: "restricted", reason_code: "court_order" }), 200);
      refused(await one.pay(500), "authentication_unavailable");
    });

    it("lets a joint owner make a series of payments, as long as that one may start payments", async () => {
      const one = await shared(stage, "joint_owner");
      const { own, userId, payee } = one.other;
      await setPolicy(own, { sca: "psd2", recurring: true });
      const terms = { from_account_id: one.account, to_account_id: payee, amount: 5_000, currency: "EUR" };
      const authentication_id = await one.other.approve({ purpose: "standing_order", standing_order: terms });
      const order = ok(await own.api.post("/v1/standing-orders", { ...terms, authentication_id }), 201);
      assert.equal(order["user_id"], userId);
      const listed = ok(await own.api.get(`/v1/standing-orders?user_id=${userId}`), 200).data;
      assert.deepEqual(
        listed.map(({ id }) => id),
        [order.id],
      );
      const named = { standing_order_id: order.id };
      await one.answer(ok(await one.pay(5_000, named), 202).id);
      const later = ok(await one.pay(5_000, named), 201);
      assert.equal((later["sca"] as ApiObject)["exemption"], "recurring");
      // Not for another account of the same person.
      refused(await own.transfer(await own.account({ balance: 9_000 }), payee, 5_000, named), "not_found", "standing_order_id");

      const changed = { standing_order: { ...terms, amount: 6_000, standing_order_id: order.id }, purpose: "standing_order" };
      const early = await one.other.approve(changed);
      const late = await one.other.approve(changed);
      ok(await own.api.patch(`/v1/standing-orders/${order.id}`, { amount: 6_000, authentication_id: early }), 200);
      const made = await one.other.approve({ purpose: "standing_order", standing_order: terms });
      ok(await own.api.patch(`/v1/accounts/${one.account}/holders/${userId}`, { role: "viewer" }), 200);
      refused(await one.pay(6_000, named), "standing_order_not_active", "standing_order_id");
      refused(
        await own.api.patch(`/v1/standing-orders/${order.id}`, { amount: 6_000, authentication_id: late }),
        "not_found",
        "authentication_id",
      );
      refused(await own.api.post("/v1/standing-orders", { ...terms, authentication_id: made }), "not_found", "authentication_id");
      refused(await one.other.ask({ purpose: "standing_order", standing_order: terms }), "account_not_found");
      ok(await own.api.post(`/v1/standing-orders/${order.id}/cancel`), 200);
      await auditBooks(own);
    });
  });
}
