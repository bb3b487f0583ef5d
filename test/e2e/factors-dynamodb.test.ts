import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { TestApp } from "../support/app.ts";
import { startApp } from "../support/app.ts";
import { dynamoServerForTests } from "../support/dynamodb-server.ts";
import { ok } from "../support/http-client.ts";
import { compromisedSaysNothing, factorResetFlows, oldSessionEnrolsNothing } from "./factor-reset-flows.ts";
import { factorFlows, recorder } from "./factors-flows.ts";
import { currentCode } from "./factors-kit.ts";
import { stageFor } from "./stage.ts";

const server = await dynamoServerForTests({ durable: false });
const sent = recorder();
if (server !== undefined) {
  describe("factors on DynamoDB", () => {
    const stage = stageFor({ store: "dynamodb", server, codeSender: sent.sender });
    factorFlows(stage, sent);
    factorResetFlows(stage, sent);
  });

  describe("factors of two nodes over one DynamoDB", () => {
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

    it("TOTP-01 SCA-01 one code proves once, whichever node is asked", async () => {
      const own = await one.newOrganisation();
      const { api } = own;
      const there = two.anonymous.as(api.key ?? "");
      const path = `/v1/users/${await own.user()}`;
      const totp = ok(await api.post(`${path}/totp`, {}), 201);
      ok(await api.post(`${path}/totp/${totp.id}/activate`, { code: currentCode(totp.secret, one.clock, -1) }), 200);
      for (const steps of [0, 1]) {
        const proof = { type: "totp", code: currentCode(totp.secret, one.clock, steps) };
        const tries = Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? api : there).post(`${path}/recovery-codes`, { proof }));
        const answers = await Promise.all(tries);
        assert.equal(answers.filter(({ status }) => status === 201).length, 1, answers.map(({ text }) => text).join("\n"));
        ok(await api.post(`${path}/factors/unblock`), 200);
      }
    });

    it("WA-05 an operator's session of before a reset enrols nothing, whichever node is asked", () => oldSessionEnrolsNothing(one, two));
    it("SOX-01 what was said in the name of an operator who was compromised counts for nothing", () => compromisedSaysNothing(one, two));

    it("SCA-03 failures are counted exactly, whichever node counts them", async () => {
      const own = await one.newOrganisation();
      const { api } = own;
      const there = two.anonymous.as(api.key ?? "");
      const path = `/v1/users/${await own.user()}`;
      const totp = ok(await api.post(`${path}/totp`, {}), 201);
      ok(await api.post(`${path}/totp/${totp.id}/activate`, { code: currentCode(totp.secret, one.clock) }), 200);
      const proof = { type: "totp", code: "none" };
      const tries = Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? api : there).post(`${path}/recovery-codes`, { proof }));
      const codes = (await Promise.all(tries)).map(({ body }) => body.code);
      assert.ok(codes.filter((code) => code === "authentication_failed").length <= 5, codes.join(" "));
      for (const code of codes) assert.ok(["authentication_failed", "authentication_blocked", "contention"].includes(code), code);
    });
  });
}
