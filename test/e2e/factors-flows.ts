import assert from "node:assert/strict";
import { it } from "node:test";
import type { CodeMessage, CodeSender, NoticeMessage } from "#factors/index.ts";
import { softwareAuthenticator } from "#factors/testing/software-authenticator.ts";
import type { SoftwareAuthenticator } from "#factors/testing/software-authenticator.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Organisation } from "../support/app.ts";
import type { Answer, ApiObject } from "../support/http-client.ts";
import { ok, refused } from "../support/http-client.ts";
import { currentCode } from "./factors-kit.ts";
import { person as operator } from "./operators-kit.ts";
import type { Stage } from "./stage.ts";
import { finish } from "./vault-flows.ts";

/** What was sent to people. */
export interface Sent {
  readonly sender: CodeSender;
  readonly codes: CodeMessage[];
  readonly notices: NoticeMessage[];
}

export function recorder(): Sent {
  const codes: CodeMessage[] = [];
  const notices: NoticeMessage[] = [];
  const sender: CodeSender = {
    sendCode: async (message) => void codes.push(message),
    sendNotice: async (message) => void notices.push(message),
  };
  return { sender, codes, notices };
}

const STEP_MS = 30_000;

/** Factors of users from end to end. The stage's app hands codes to `sent`. */
export function factorFlows(stage: Stage, sent: Sent): void {
  const person = async (): Promise<{ readonly own: Organisation; readonly path: string }> => {
    const own = await stage.app.newOrganisation();
    const { id } = ok(await own.api.post("/v1/users", { name: "Ada Lovelace", email: "ada@example.com" }), 201);
    return { own, path: `/v1/users/${id}` };
  };
  const remove = ({ api }: Organisation, path: string, id: string, body?: object): Promise<Answer> =>
    api.send("DELETE", `${path}/factors/${id}`, body === undefined ? undefined : JSON.stringify(body));
  const addPasskey = async (
    { api }: Organisation,
    path: string,
    more: object = {},
  ): Promise<SoftwareAuthenticator & { readonly id: string }> => {
    const { public_key } = ok(await api.post(`${path}/passkeys/options`, { user_name: "Ada" }), 201);
    const device = softwareAuthenticator();
    const { id } = ok(await api.post(`${path}/passkeys`, { response: device.create(public_key as JsonObject), ...more }), 201);
    return Object.assign(device, { id });
  };
  const addTotp = async ({ api }: Organisation, path: string, more: object = {}): Promise<ApiObject> => {
    const made = ok(await api.post(`${path}/totp`, { user_name: "Ada" }), 201);
    const code = currentCode(made.secret, stage.app.clock, -1);
    ok(await api.post(`${path}/totp/${made.id}/activate`, { code, ...more }), 200);
    return made;
  };
  const types = async ({ api }: Organisation): Promise<readonly unknown[]> =>
    ok(await api.get("/v1/audit/events?limit=100"), 200)
      .data.map((event) => event["event_type"])
      .filter((type) => String(type).startsWith("factor."))
      .reverse();

  it("a passkey is registered, proves, and lets others come and go", async () => {
    const { own, path } = await person();
    const device = await addPasskey(own, path);
    const [shown] = ok(await own.api.get(`${path}/factors`), 200).data;
    assert.deepEqual([shown?.id, shown?.["type"], shown?.["device_bound"], shown?.["backed_up"]], [device.id, "passkey", true, false]);
    const challenge = async (): Promise<JsonObject> => ok(await own.api.post(`${path}/factors/challenge`), 201)["public_key"] as JsonObject;
    const totp = await addTotp(own, path, { proof: { type: "passkey", response: device.get(await challenge()) } });
    assert.match(String(totp["uri"]), /^otpauth:\/\/totp\/SmartFinance/);
    refused(await remove(own, path, device.id), "factor_proof_required");
    const response = device.get(await challenge());
    const gone = await remove(own, path, device.id, { proof: { type: "passkey", response } });
    assert.deepEqual(ok(gone, 200), { id: device.id, object: "factor", deleted: true });
    stage.app.clock.advance(STEP_MS);
    refused(await remove(own, path, totp.id, { proof: { type: "totp", code: currentCode(totp.secret, stage.app.clock) } }), "last_factor");
    assert.deepEqual(await types(own), [
      "factor.enrolment_started",
      "factor.added",
      "factor.challenged",
      "factor.enrolment_started",
      "factor.verified",
      "factor.added",
      "factor.challenged",
      "factor.verified",
      "factor.removed",
    ]);
  });

  it("an operator who is signed in enrols nothing for a customer, whatever the roles, and looks and unblocks", async () => {
    const { own, path } = await person();
    const admin = await operator(stage.app, own, ["admin"]);
    const { browser } = admin;
    const challenge = ok(await own.api.post(`${path}/passkeys/options`, {}), 201)["public_key"] as JsonObject;
    const started = ok(await own.api.post(`${path}/totp`, {}), 201);
    const code = currentCode(started.secret, stage.app.clock, -1);
    for (const [to, body] of [
      ["passkeys/options", {}],
      ["passkeys", { response: softwareAuthenticator().create(challenge) }],
      ["totp", {}],
      [`totp/${started.id}/activate`, { code }],
      ["codes", { type: "email_code", destination: "mallory@example.com" }],
      ["recovery-codes", {}],
      ["factors/challenge", {}],
    ] as const)
      refused(await browser.send("POST", `${path}/${to}`, body, { "idempotency-key": undefined }), "beyond_own_permissions");
    refused(await browser.delete(`${path}/factors/${started.id}`), "beyond_own_permissions");
    assert.deepEqual(
      ok(await browser.get(`${path}/factors`), 200).data.map(({ status }) => status),
      ["pending"],
    );
    ok(await own.api.post(`${path}/totp/${started.id}/activate`, { code }), 200);
    ok(await browser.post(`${path}/factors/unblock`), 200);
  });

  it("WA-05 the user is told by e-mail what came and went", async () => {
    const { own, path } = await person();
    const totp = await addTotp(own, path);
    const device = await addPasskey(own, path, { proof: { type: "totp", code: currentCode(totp.secret, stage.app.clock) } });
    stage.app.clock.advance(STEP_MS);
    ok(await remove(own, path, device.id, { proof: { type: "totp", code: currentCode(totp.secret, stage.app.clock) } }), 200);
    for (let poll = 0; poll < 100 && told().length < 3; poll++) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual(told(), ["factor_added", "factor_added", "factor_removed"]);
    function told(): readonly string[] {
      return sent.notices.filter(({ subject, to }) => path.endsWith(subject.id) && to === "ada@example.com").map(({ notice }) => notice);
    }
  });

  it("SCA-01 one assertion, one TOTP code and one recovery code prove once under 20 parallel tries", async () => {
    const { own, path } = await person();
    const totp = await addTotp(own, path);
    const attempts = (proof: object): Promise<Answer[]> =>
      Promise.all(Array.from({ length: 20 }, () => own.api.post(`${path}/recovery-codes`, { proof })));
    const once = (answers: readonly Answer[]): ApiObject => {
      const won = answers.filter(({ status }) => status === 201);
      assert.equal(won.length, 1, answers.map(({ status, text }) => `${status} ${text}`).join("\n"));
      for (const { status, body } of answers)
        assert.ok(status === 201 || ["authentication_failed", "authentication_blocked", "contention"].includes(body.code), body.code);
      return won[0]?.body ?? ({} as ApiObject);
    };
    const { codes } = once(await attempts({ type: "totp", code: currentCode(totp.secret, stage.app.clock) }));
    ok(await own.api.post(`${path}/factors/unblock`), 200);
    // A recovery code adds a factor, so each try has a registration of its own.
    const registrations: JsonObject[] = [];
    for (let n = 0; n < 5; n++) {
      const { public_key } = ok(await own.api.post(`${path}/passkeys/options`, {}), 201);
      registrations.push(softwareAuthenticator().create(public_key as JsonObject));
    }
    const [code] = codes as readonly string[];
    const proof = { type: "recovery_code", code };
    const added = await Promise.all(
      Array.from({ length: 20 }, (_, n) => own.api.post(`${path}/passkeys`, { response: registrations[n % 5], proof })),
    );
    assert.equal(added.filter(({ status }) => status === 201).length, 1);
    const left = ok(await own.api.get(`${path}/factors`), 200).data.find((factor) => factor["type"] === "recovery_code");
    assert.equal(left?.["codes_left"], 9);
    ok(await own.api.post(`${path}/factors/unblock`), 200);
    stage.app.clock.advance(STEP_MS);
    const device = await addPasskey(own, path, { proof: { type: "totp", code: currentCode(totp.secret, stage.app.clock) } });
    const { public_key } = ok(await own.api.post(`${path}/factors/challenge`), 201);
    once(await attempts({ type: "passkey", response: device.get(public_key as JsonObject) }));
    const states = ok(await own.api.get(`${path}/factors`), 200).data.map(({ status }) => status);
    assert.ok(!states.includes("flagged"), "a repeated assertion was taken for a copied key");
  });

  it("WA-02 answers that come in another order than they were given flag nothing; the older one is not taken", async () => {
    const { own, path } = await person();
    const totp = await addTotp(own, path);
    const device = await addPasskey(own, path, { proof: { type: "totp", code: currentCode(totp.secret, stage.app.clock) } });
    const ask = async (): Promise<object> => {
      stage.app.clock.advance(1_000);
      const { public_key } = ok(await own.api.post(`${path}/factors/challenge`), 201);
      return { type: "passkey", response: device.get(public_key as JsonObject) };
    };
    const first = await ask();
    const second = await ask();
    const codes = (proof: object): Promise<Answer> => own.api.post(`${path}/recovery-codes`, { proof }, { idempotencyKey: null });
    ok(await codes(second), 201);
    refused(await codes(first), "authentication_failed");
    ok(await codes(await ask()), 201);
  });

  it("WA-02 a counter that goes back flags the passkey for good", async () => {
    const { own, path } = await person();
    const totp = await addTotp(own, path);
    const device = await addPasskey(own, path, { proof: { type: "totp", code: currentCode(totp.secret, stage.app.clock) } });
    const { public_key } = ok(await own.api.post(`${path}/factors/challenge`), 201);
    const response = device.get(public_key as JsonObject, { counter: 1 });
    refused(await own.api.post(`${path}/recovery-codes`, { proof: { type: "passkey", response } }), "authentication_failed");
    const flagged = ok(await own.api.get(`${path}/factors`), 200).data.find(({ id }) => id === device.id);
    assert.equal(flagged?.status, "flagged");
    refused(await own.api.post(`${path}/factors/challenge`), "no_factor");
  });

  it("SCA-03 five failures in a row block, counted exactly; SCA-02 all in the same words", async () => {
    const { own, path } = await person();
    const totp = await addTotp(own, path);
    const wrong = (n: number): object =>
      [
        { type: "totp", code: "000000" },
        { type: "email_code", code: "000000" },
        { type: "sms_code", code: "000000" },
      ][n % 3] as object;
    const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => own.api.post(`${path}/recovery-codes`, { proof: wrong(n) })));
    const failed = answers.filter(({ body }) => body.code === "authentication_failed");
    assert.equal(failed.length, 5);
    assert.equal(new Set(failed.map(({ body }) => JSON.stringify({ ...body, request_id: "" }))).size, 1);
    for (const answer of answers) if (!failed.includes(answer)) refused(answer, "authentication_blocked");
    const proof = { type: "totp", code: currentCode(totp.secret, stage.app.clock) };
    refused(await own.api.post(`${path}/recovery-codes`, { proof }), "authentication_blocked");
    ok(await own.api.post(`${path}/factors/unblock`), 200);
    ok(await own.api.post(`${path}/recovery-codes`, { proof }), 201);
    assert.equal((await types(own)).filter((type) => type === "factor.blocked").length, 1);
    const user = { object: path.split("/").at(-1), object_type: "user" };
    const told = ok(await own.api.get("/v1/events?types=factor.blocked,factor.unblocked"), 200).data;
    assert.deepEqual(
      told.map(({ type, data }) => [type, data]),
      [
        ["factor.unblocked", user],
        ["factor.blocked", user],
      ],
    );
  });

  it("codes are sent to an address that is sealed, and prove once", async () => {
    const { own, path } = await person();
    const made = ok(await own.api.post(`${path}/codes`, { type: "sms_code", destination: "+442079460060" }), 201);
    assert.equal(made["destination"], "•••60");
    const last = (): string => sent.codes.findLast(({ subject }) => path.endsWith(subject.id))?.code ?? "";
    refused(
      await own.api.post(`${path}/codes/${made.id}/activate`, { code: last() === "111111" ? "222222" : "111111" }),
      "factor_code_wrong",
    );
    assert.equal(ok(await own.api.post(`${path}/codes/${made.id}/activate`, { code: last() }), 200).status, "active");
    refused(await own.api.post(`${path}/codes/${made.id}/send`), "code_sent_lately");
    stage.app.clock.advance(STEP_MS);
    ok(await own.api.post(`${path}/codes/${made.id}/send`), 202);
    const proof = { type: "sms_code", code: last() };
    ok(await own.api.post(`${path}/recovery-codes`, { proof }), 201);
    refused(await own.api.post(`${path}/recovery-codes`, { proof }), "authentication_failed");
    assert.ok(!stage.app.log.some((line) => line.includes("442079460060") || line.includes(made.secret)));
  });

  it("secrets are sealed anew by a rotation of keys, and prove as before", async () => {
    const { own, path } = await person();
    const totp = await addTotp(own, path);
    const keyOf = async (): Promise<unknown> => {
      const item = await stage.app.store.get("smartfinance-factor-secrets", { hash: totp.id });
      return (item?.secret as JsonObject | undefined)?.key_id;
    };
    const before = await keyOf();
    assert.match(String(before), /^dek_/);
    await finish(stage.app, own, ok(await own.api.post("/v1/key-rotations", {}), 202).id);
    assert.notEqual(await keyOf(), before);
    const proof = { type: "totp", code: currentCode(totp.secret, stage.app.clock, 1) };
    ok(await own.api.post(`${path}/recovery-codes`, { proof }), 201);
  });

  it("a closed user gets no factors, an erased one has none, another's are unknown", async () => {
    const { own, path } = await person();
    const totp = await addTotp(own, path);
    const other = await stage.app.newOrganisation();
    refused(await other.api.get(`${path}/factors`), "not_found");
    refused(await other.api.post(`${path}/totp`, {}), "not_found");
    ok(await own.api.post(`${path}/close`), 200);
    refused(await own.api.post(`${path}/totp`, {}), "user_status_conflict");
    ok(await own.api.post(`${path}/erase`), 200);
    refused(await own.api.get(`${path}/factors`), "user_erased");
    refused(await remove(own, path, totp.id), "user_erased");
  });

  it("asks of a proof what goes with its type", async () => {
    const { own, path } = await person();
    const post = (proof: object): Promise<Answer> => own.api.post(`${path}/recovery-codes`, { proof });
    refused(await post({ type: "totp" }), "missing_field", "proof.code");
    refused(await post({ type: "passkey" }), "missing_field", "proof.response");
    const response = softwareAuthenticator().create({ rp: { id: "localhost" }, user: { id: "AA" }, challenge: "AA" });
    const { attestationObject: _left, transports: _too, ...rest } = response.response as JsonObject;
    const assertion = { ...response, response: { ...rest, authenticatorData: "AA", signature: "AA" } };
    refused(await post({ type: "totp", code: "1", response: assertion }), "invalid_request", "proof.response");
    refused(await post({ type: "passkey", code: "1", response: assertion }), "invalid_request", "proof.code");
  });
}
