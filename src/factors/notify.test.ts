import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BuiltEvent } from "#audit/index.ts";
import type { FactorId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { NoticeMessage } from "./code-sender.ts";
import { createFactorNotices } from "./notify.ts";
import type { FactorDeps } from "./deps.ts";
import { tellLost } from "./release-factor.ts";
import { removeFactor } from "./remove-factor.ts";
import { activateCodeFactor, startCodeFactor } from "./send-code.ts";
import { bad, factorKit, good } from "./test-kit.ts";

const event = (event_type: string, organisation_id: string, details: JsonObject): BuiltEvent => ({
  item: { event_type, organisation_id, details },
  line: "",
  text: "",
});

describe("notices", () => {
  it("are sent for what a person has to know, once to each address", async () => {
    const kit = factorKit();
    const sent: NoticeMessage[] = [];
    const notices = createFactorNotices({
      ...kit.deps,
      contactOf: async () => ({ email: "ada@example.com", phone: "+442079460000" }),
      codeSender: { ...kit.deps.codeSender, sendNotice: async (message) => void sent.push(message) },
    });
    const { id, organisationId } = kit.subject;
    const of = (type: string, details: JsonObject = {}) => event(type, organisationId, { subject_id: id, ...details });
    notices.onCommitted([
      of("factor.added"),
      of("factor.verified"),
      of("factor.refused"),
      of("factor.code_sent"),
      of("transfer.posted"),
      of("factor.blocked", { step: "blocked" }),
      of("factor.blocked", { step: "warned" }),
      of("factor.blocked", { step: "blocked_for_good" }),
      event("factor.added", organisationId, { subject_id: "acc_01J0000000000000000000000B" }),
      event("factor.added", organisationId, {}),
    ]);
    await notices.settle();
    assert.deepEqual(
      sent.filter(({ channel }) => channel === "email").map(({ notice }) => notice),
      ["factor_added", "blocked", "last_warning", "blocked_for_good"],
    );
    assert.equal(sent.length, 8);
  });

  it("reach an address that was taken away itself, once, and a transport that fails changes nothing", async () => {
    for (const contact of [undefined, { email: "ada@example.com", phone: null }]) {
      const kit = factorKit({ contactOf: async () => contact });
      const { device } = await kit.passkey();
      const asked = { type: "email_code", destination: "ada@example.com" } as const;
      const id = good(await startCodeFactor(kit.deps, kit.asked, kit.subject, asked), 201).id as FactorId;
      const code = kit.codes.at(-1)?.code ?? "";
      good(await activateCodeFactor(kit.deps, kit.asked, kit.subject, id, { code, proof: await kit.prove(device) }), 200);
      await kit.settle();
      const told = () => kit.notices.filter(({ notice }) => notice === "factor_removed").map(({ to }) => to);
      bad(await removeFactor(kit.deps, kit.asked, kit.subject, id, {}), "factor_proof_required");
      await kit.settle();
      assert.deepEqual(told(), []);
      good(await removeFactor(kit.deps, kit.asked, kit.subject, id, { proof: await kit.prove(device) }), 200);
      await kit.settle();
      assert.deepEqual(told(), ["ada@example.com"]);
    }
    const errors: string[] = [];
    const kit = factorKit({ contactOf: async () => undefined, onError: (_error, what) => void errors.push(what) });
    const { device } = await kit.passkey();
    const asked = { type: "sms_code", destination: "+442079460000" } as const;
    const id = good(await startCodeFactor(kit.deps, kit.asked, kit.subject, asked), 201).id as FactorId;
    const code = kit.codes.at(-1)?.code ?? "";
    good(await activateCodeFactor(kit.deps, kit.asked, kit.subject, id, { code, proof: await kit.prove(device) }), 200);
    await kit.settle();
    const deps = { ...kit.deps, codeSender: { ...kit.deps.codeSender, sendNotice: () => Promise.reject(new Error("down")) } };
    good(await removeFactor(deps, kit.asked, kit.subject, id, { proof: await kit.prove(device) }), 200);
    await kit.settle();
    assert.deepEqual(errors, ["a notice was not sent"]);
  });

  it("are bounded: what is too much is told, and stops nothing", async () => {
    const kit = factorKit();
    const gate = Promise.withResolvers<void>();
    const errors: string[] = [];
    let sent = 0;
    const notices = createFactorNotices({
      ...kit.deps,
      codeSender: {
        ...kit.deps.codeSender,
        async sendNotice() {
          await gate.promise;
          sent += 1;
        },
      },
      onError: (_error, what) => void errors.push(what),
    });
    const { id, organisationId } = kit.subject;
    notices.onCommitted(Array.from({ length: 1_005 }, () => event("factor.added", organisationId, { subject_id: id })));
    gate.resolve();
    await notices.settle();
    assert.equal(sent, 1_000);
    assert.equal(errors.length, 5);
  });

  it("go to every address, also where one of them, such as a lost telephone's, takes nothing", async () => {
    const errors: string[] = [];
    const told: string[] = [];
    const kit = factorKit({ contactOf: async () => ({ email: "ada@example.com", phone: "+442079460001" }) });
    const deps: FactorDeps = {
      ...kit.deps,
      onError: (_error, what) => void errors.push(what),
      codeSender: {
        ...kit.deps.codeSender,
        async sendNotice({ to }) {
          if (to === "+442079460000" || to === "ada@example.com") throw new Error("nobody takes it");
          told.push(to);
        },
      },
    };
    const lost = ["+442079460000", "+442079460002"].map((to) => ({ channel: "sms", to }) as const);
    await tellLost(deps, kit.subject, lost, "factors_reset");
    assert.deepEqual([told, errors.length], [["+442079460002"], 1]);
    const notices = createFactorNotices(deps);
    notices.onCommitted([event("factor.reset", kit.subject.organisationId, { subject_id: kit.subject.id })]);
    await notices.settle();
    assert.deepEqual([told, errors.length], [["+442079460002", "+442079460001"], 2]);
  });

  it("keep nobody waiting for a transport that never answers, which is told", async ({ mock }) => {
    const errors: unknown[] = [];
    const told: string[] = [];
    const kit = factorKit({ contactOf: async () => ({ email: "ada@example.com", phone: "+442079460001" }) });
    const deps: FactorDeps = {
      ...kit.deps,
      onError: (error) => void errors.push(error),
      codeSender: {
        ...kit.deps.codeSender,
        sendNotice({ to }) {
          told.push(to);
          return to === "ada@example.com" ? new Promise(() => {}) : Promise.resolve();
        },
      },
    };
    mock.timers.enable({ apis: ["setTimeout"] });
    const notices = createFactorNotices(deps);
    notices.onCommitted([event("factor.reset", kit.subject.organisationId, { subject_id: kit.subject.id })]);
    let settled = false;
    const settling = notices.settle().then(() => (settled = true));
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([told.toSorted(), settled], [["+442079460001", "ada@example.com"], false]);
    mock.timers.tick(5_000);
    await settling;
    assert.match(String(errors), /not answered within 5000 ms/);
  });

  it("are not piled up in a transport that answers none", async ({ mock }) => {
    const kit = factorKit({ contactOf: async () => ({ email: "ada@example.com", phone: null }) });
    const errors: unknown[] = [];
    const answers: (() => void)[] = [];
    let sent = 0;
    const codeSender: FactorDeps["codeSender"] = {
      ...kit.deps.codeSender,
      sendNotice() {
        sent += 1;
        return new Promise((resolve) => void answers.push(resolve));
      },
    };
    mock.timers.enable({ apis: ["setTimeout"] });
    const notices = createFactorNotices({ ...kit.deps, codeSender, onError: (error) => void errors.push(error) });
    const round = async (): Promise<void> => {
      const { organisationId, id } = kit.subject;
      notices.onCommitted(Array.from({ length: 600 }, () => event("factor.added", organisationId, { subject_id: id })));
      const settled = notices.settle();
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      mock.timers.tick(5_000);
      await settled;
    };
    await round();
    await round();
    assert.equal(sent, 1_000);
    assert.equal(errors.length, 1_200);
    for (const answer of answers) answer();
    await round();
    assert.equal(sent, 1_600);
  });
});
