import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import type { TestApp } from "../support/app.ts";
import { organisationOf, startApp } from "../support/app.ts";
import { ok } from "../support/http-client.ts";
import { scaEdgeFlows } from "./sca-edge-flows.ts";
import { exemptionFlows } from "./sca-exemption-flows.ts";
import { scaAuthenticationFlows } from "./sca-authentication-flows.ts";
import { scaFlows } from "./sca-flows.ts";
import { challengeAll, payerOf, proofOf, setPolicy } from "./sca-kit.ts";
import { auditBooks, stageFor } from "./stage.ts";

const server = await dynamoServerForTests({ durable: false });
if (server !== undefined) {
  describe("strong customer authentication on DynamoDB", () => {
    const stage = stageFor({ store: "dynamodb", server });
    scaFlows(stage);
    scaAuthenticationFlows(stage);
    exemptionFlows(stage);
    scaEdgeFlows(stage);
  });

  describe("strong customer authentication of two nodes over one DynamoDB", () => {
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
    const begin = async () => {
      const own = await one.newOrganisation();
      const there = organisationOf(own, two.anonymous.as(own.apiKey));
      const payer = await payerOf(own);
      /** The same payment twenty times, by both nodes in turn. */
      const twenty = (body: object) =>
        Promise.all(Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? own : there).api.post("/v1/transfers", body)));
      return { own, payer, twenty };
    };

    it("SCA-01 an authentication is taken once", async () => {
      const { own, payer, twenty } = await begin();
      const authentication_id = await payer.approve({ purpose: "payment", payment: payer.payment(500) });
      const answers = await twenty({ ...payer.payment(500), authentication_id });
      assert.equal(answers.filter(({ status }) => status === 201).length, 1);
      for (const { status, body, text } of answers)
        assert.ok(status === 201 || body.code === "authentication_not_usable" || body.code === "contention", text);
      assert.equal(await own.balance(payer.payee), 500);
      await auditBooks(own);
    });

    it("SCA-01 a payment that waits ends once, whichever node is answered, refused, or notices its time is over", async () => {
      for (let round = 0; round < 3; round++) {
        const { own, payer } = await begin();
        await challengeAll(own);
        one.clock.advance(5_000);
        const paid = ok(await payer.pay(700), 202);
        const asked = await Promise.all(
          Array.from({ length: 4 }, async () => ok(await payer.ask({ purpose: "payment", transaction_id: paid.id }), 201)),
        );
        const there = organisationOf(own, two.anonymous.as(own.apiKey));
        const answers = await Promise.all(
          asked.map((authentication, n) => {
            const { api } = n % 2 === 0 ? own : there;
            const path = `/v1/authentications/${authentication.id}`;
            if (n === round) return api.post(`${path}/cancel`);
            return api.post(`${path}/verify`, { proofs: [proofOf(payer.device, authentication)] });
          }),
        );
        await Promise.all([one, two].map(({ app }) => app.actionExpiry.work()));
        const { status } = ok(await there.api.get(`/v1/transactions/${paid.id}`), 200);
        const verified = answers.filter((answer, n) => n !== round && answer.status === 200).length;
        assert.equal(verified, status === "posted" ? 1 : 0, String(status));
        assert.equal(await own.balance(payer.payee), status === "posted" ? 700 : 0);
        const { held } = ok(await own.api.get(`/v1/accounts/${payer.account}`), 200);
        assert.equal(held, status === "requires_action" ? 700 : 0);
        await auditBooks(own);
      }
    });

    it("SCA-09 small payments do not pass the limit", async () => {
      const { own, payer, twenty } = await begin();
      await setPolicy(own, { sca: "psd2", low_value: "count" });
      // The other node learns of the policy within five seconds of its clock.
      one.clock.advance(5_000);
      const posted = (await twenty(payer.payment(10))).filter(({ status }) => status === 201).length;
      assert.ok(posted <= 5, `${posted} went through`);
      assert.equal(await own.balance(payer.payee), 10 * posted);
      await auditBooks(own);
    });
  });
}
