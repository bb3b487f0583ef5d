import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FactorId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import { addPasskey } from "./add-passkey.ts";
import { createRecoveryCodes } from "./add-recovery-codes.ts";
import { activateTotp, startTotp } from "./add-totp.ts";
import { startPasskey } from "./challenges.ts";
import { checkCode } from "./check-factor.ts";
import type { Subject } from "./factor.ts";
import { factorsOf } from "./present-factor.ts";
import { removeFactor } from "./remove-factor.ts";
import { bad, factorKit, good, times } from "./test-kit.ts";
import type { FactorKit } from "./test-kit.ts";
import { softwareAuthenticator } from "./testing/software-authenticator.ts";
import { stepAt, totpCode } from "./totp.ts";

async function recoveryCodes(kit: FactorKit, code: string): Promise<{ readonly id: FactorId; readonly codes: readonly string[] }> {
  const made = good(await createRecoveryCodes(kit.deps, kit.asked, kit.subject, { proof: { type: "totp", code } }), 201);
  return { id: made.id as FactorId, codes: made.codes as readonly string[] };
}

const remove = (kit: FactorKit, id: string, proof?: Parameters<typeof removeFactor>[4]["proof"]) =>
  removeFactor(kit.deps, kit.asked, kit.subject, id as FactorId, proof === undefined ? {} : { proof });

async function newDevice(kit: FactorKit): Promise<JsonObject> {
  const options = good(await startPasskey(kit.deps, kit.asked, kit.subject, {}), 201).public_key as JsonObject;
  return softwareAuthenticator().create(options);
}

describe("enrolment", () => {
  it("WA-05 adds a second factor with the proof of the first only", async () => {
    const kit = factorKit();
    const { device } = await kit.passkey();
    const response = await newDevice(kit);
    bad(await addPasskey(kit.deps, kit.asked, kit.subject, { response }), "factor_proof_required");
    bad(await addPasskey(kit.deps, kit.asked, kit.subject, { response, proof: { type: "totp", code: "123456" } }), "authentication_failed");
    good(await addPasskey(kit.deps, kit.asked, kit.subject, { response, proof: await kit.prove(device) }), 201);
    const totp = good(await startTotp(kit.deps, kit.asked, kit.subject, {}), 201);
    const code = totpCode(String(totp.secret), stepAt(kit.clock.now()));
    const id = totp.id as FactorId;
    bad(await activateTotp(kit.deps, kit.asked, kit.subject, id, { code }), "factor_proof_required");
    good(await activateTotp(kit.deps, kit.asked, kit.subject, id, { code, proof: await kit.prove(device) }), 200);
    assert.equal((await kit.set()).factors.filter(({ status }) => status === "active").length, 3);
  });

  it("WA-05 an enrolment begun before there was a factor needs the proof all the same", async () => {
    const kit = factorKit();
    const totp = good(await startTotp(kit.deps, kit.asked, kit.subject, {}), 201);
    const response = await newDevice(kit);
    await kit.passkey();
    const code = totpCode(String(totp.secret), stepAt(kit.clock.now()));
    bad(await activateTotp(kit.deps, kit.asked, kit.subject, totp.id as FactorId, { code }), "factor_proof_required");
    bad(await addPasskey(kit.deps, kit.asked, kit.subject, { response }), "factor_proof_required");
  });

  it("WA-05 a flagged passkey lets nobody in by the back door", async () => {
    const kit = factorKit();
    const { device } = await kit.passkey();
    const first = await kit.prove(device);
    assert.ok(first.type === "passkey");
    device.counter = 0;
    bad(
      await addPasskey(kit.deps, kit.asked, kit.subject, { response: await newDevice(kit), proof: await kit.prove(device) }),
      "authentication_failed",
    );
    bad(await addPasskey(kit.deps, kit.asked, kit.subject, { response: await newDevice(kit) }), "factor_proof_required");
  });

  it("WA-05 a proof by passkey is taken once, rightly answered or not, and only for a challenge of its own", async () => {
    const kit = factorKit();
    const { device } = await kit.passkey();
    const proof = await kit.prove(device);
    good(await addPasskey(kit.deps, kit.asked, kit.subject, { response: await newDevice(kit), proof }), 201);
    bad(await addPasskey(kit.deps, kit.asked, kit.subject, { response: await newDevice(kit), proof }), "authentication_failed");
    assert.equal((await kit.set()).factors.find(({ id }) => id.length > 0)?.status, "active");
    const late = await kit.prove(device);
    kit.clock.time += 5 * 60_000;
    bad(await addPasskey(kit.deps, kit.asked, kit.subject, { response: await newDevice(kit), proof: late }), "authentication_failed");
  });

  it("WA-05 one proof adds one factor, however many try at once", async () => {
    const kit = factorKit();
    const { code } = await kit.totp();
    const responses: JsonObject[] = [];
    for (let n = 0; n < 5; n++) responses.push(await newDevice(kit));
    const proof = { type: "totp", code: code() } as const;
    const added = await Promise.all(responses.map((response) => addPasskey(kit.deps, kit.asked, kit.subject, { response, proof })));
    assert.equal(added.filter((one) => one.ok && one.reply.status === 201).length, 1);
    assert.equal((await kit.set()).factors.filter(({ type }) => type === "passkey").length, 1);
  });

  it("WA-05 the last factor cannot go, nor any without proof", async () => {
    const kit = factorKit();
    const { id, code } = await kit.totp();
    bad(await remove(kit, id, { type: "totp", code: code() }), "last_factor");
    kit.clock.time += 60_000;
    const passkey = await kit.passkey({}, { type: "totp", code: code() });
    bad(await remove(kit, passkey.id), "factor_proof_required");
    bad(await remove(kit, passkey.id, { type: "totp", code: "000000" }), "authentication_failed");
    good(await remove(kit, id, await kit.prove(passkey.device)), 200);
    bad(await remove(kit, passkey.id, await kit.prove(passkey.device)), "last_factor");
    bad(await remove(kit, id, await kit.prove(passkey.device)), "not_found");
    bad(await checkAndUse(kit, kit.subject, code(1)), "authentication_failed");
  });

  it("WA-05 two removals at once leave one", async () => {
    const kit = factorKit();
    const totp = await kit.totp();
    const passkey = await kit.passkey({}, { type: "totp", code: totp.code() });
    const proofs = [await kit.prove(passkey.device), { type: "totp", code: totp.code(1) } as const];
    const [first, second] = proofs;
    const gone = await Promise.all([remove(kit, totp.id, first), remove(kit, passkey.id, second)]);
    assert.equal(gone.filter((one) => one.ok && one.reply.status === 200).length, 1);
    assert.equal((await kit.set()).factors.length, 1);
  });

  it("WA-05 the subject is told of what comes and goes, and a removed passkey may come again", async () => {
    const kit = factorKit();
    const { code } = await kit.totp();
    const { id, device } = await kit.passkey({}, { type: "totp", code: code() });
    good(await remove(kit, id, { type: "totp", code: code(1) }), 200);
    await kit.settle();
    assert.deepEqual(
      kit.notices.map(({ notice, to, channel }) => `${notice} ${channel} ${to}`),
      ["factor_added email ada@example.com", "factor_added email ada@example.com", "factor_removed email ada@example.com"],
    );
    kit.clock.time += 90_000;
    const options = good(await startPasskey(kit.deps, kit.asked, kit.subject, {}), 201).public_key as JsonObject;
    const response = softwareAuthenticator().create(options, { credentialId: device.credentialId });
    good(await addPasskey(kit.deps, kit.asked, kit.subject, { response, proof: { type: "totp", code: code() } }), 201);
  });

  it("WA-05 recovery codes need another factor, come and go by its proof, and are never a way around it", async () => {
    const kit = factorKit();
    bad(await createRecoveryCodes(kit.deps, kit.asked, kit.subject, {}), "no_factor");
    const totp = await kit.totp();
    bad(await createRecoveryCodes(kit.deps, kit.asked, kit.subject, {}), "factor_proof_required");
    const { id, codes } = await recoveryCodes(kit, totp.code());
    assert.equal(codes.length, 10);
    assert.equal(new Set(codes).size, 10);
    const recovery = (n: number) => ({ type: "recovery_code", code: codes[n] ?? "" }) as const;
    bad(await createRecoveryCodes(kit.deps, kit.asked, kit.subject, { proof: recovery(0) }), "factor_proof_too_weak");
    // With one more factor the first could go, but not by a recovery code.
    good(await addPasskey(kit.deps, kit.asked, kit.subject, { response: await newDevice(kit), proof: recovery(0) }), 201);
    bad(await remove(kit, totp.id, recovery(1)), "factor_proof_too_weak");
    bad(
      await addPasskey(kit.deps, kit.asked, kit.subject, { response: await newDevice(kit), proof: recovery(0) }),
      "authentication_failed",
    );
    const shown = await factorsOf(kit.deps, kit.subject);
    assert.equal(shown.find((factor) => factor.id === id)?.codes_left, 9);
  });

  it("a recovery code is used once, however many use it at once, and however it is typed", async () => {
    const kit = factorKit();
    const { code } = await kit.totp();
    const { codes } = await recoveryCodes(kit, code());
    const [first = "", second = ""] = codes;
    const checks = await times(20, () => checkCode(kit.deps, kit.subject, "recovery_code", first));
    const used = await Promise.all(checks.map((one) => kit.use(one)));
    assert.equal(used.filter((one) => one.ok && one.reply.status === 200).length, 1);
    const other = factorKit();
    assert.ok(!(await checkCode(other.deps, other.subject, "recovery_code", second)).ok);
    const typed = ` ${second.toLowerCase().replaceAll("-", " ").replaceAll("0", "o").replaceAll("1", "l")}`;
    assert.ok((await checkCode(kit.deps, kit.subject, "recovery_code", typed)).ok);
  });

  it("a new set of recovery codes voids the old, and nothing stored is a code", async () => {
    const kit = factorKit();
    const { code } = await kit.totp();
    const old = await recoveryCodes(kit, code());
    const next = await recoveryCodes(kit, code(1));
    assert.ok(!(await checkCode(kit.deps, kit.subject, "recovery_code", old.codes[0] ?? "")).ok);
    assert.ok((await checkCode(kit.deps, kit.subject, "recovery_code", next.codes[0] ?? "")).ok);
    const text = JSON.stringify(await kit.set()) + kit.events.map(({ line }) => line).join("\n");
    for (const one of [...old.codes, ...next.codes]) {
      assert.ok(!text.includes(one));
      assert.ok(!text.includes(one.replaceAll("-", "")));
    }
  });

  it("an enrolment that nobody finishes runs out and its secret goes; pending ones go without proof", async () => {
    const kit = factorKit();
    const started = good(await startTotp(kit.deps, kit.asked, kit.subject, {}), 201);
    const code = totpCode(String(started.secret), stepAt(kit.clock.now()) + 20);
    bad(await activateTotp(kit.deps, kit.asked, kit.subject, started.id as FactorId, { code: "000000" }), "factor_code_wrong");
    kit.clock.time += 10 * 60_000;
    bad(await activateTotp(kit.deps, kit.asked, kit.subject, started.id as FactorId, { code }), "factor_not_pending");
    assert.deepEqual(await factorsOf(kit.deps, kit.subject), []);
    const further = good(await startTotp(kit.deps, kit.asked, kit.subject, {}), 201);
    const gone = await kit.deps.store.get("smartfinance-factor-secrets", { hash: String(started.id) });
    assert.equal(gone?.secret, null);
    await kit.passkey();
    good(await remove(kit, String(further.id)), 200);
    assert.equal((await kit.deps.store.get("smartfinance-factor-secrets", { hash: String(further.id) }))?.secret, null);
    assert.ok(kit.types().includes("factor.enrolment_ended"));
  });

  it("has no more factors of a type than it may have", async () => {
    const kit = factorKit();
    for (let n = 0; n < 3; n++) good(await startTotp(kit.deps, kit.asked, kit.subject, {}), 201);
    bad(await startTotp(kit.deps, kit.asked, kit.subject, {}), "limit_reached");
    const first = await kit.passkey({ synced: true });
    for (let n = 1; n < 10; n++) await kit.passkey({ synced: true }, await kit.prove(first.device));
    const proof = await kit.prove(first.device);
    bad(await addPasskey(kit.deps, kit.asked, kit.subject, { response: await newDevice(kit), proof }), "limit_reached");
  });

  it("another organisation's subject of the same id has nothing", async () => {
    const kit = factorKit();
    const { code } = await kit.totp();
    const other: Subject = { ...kit.subject, organisationId: "org_01J0000000000000000000000B" as Subject["organisationId"] };
    assert.deepEqual(await factorsOf(kit.deps, other), []);
    bad(await checkAndUse(kit, other, code()), "authentication_failed");
    assert.equal((await kit.set()).lock.failures, 0, "a stranger's failures are not counted against the owner");
  });

  it("an operator's factors are kept like a user's, under the organisation's key", async () => {
    const kit = factorKit();
    const operator: Subject = { organisationId: kit.subject.organisationId, kind: "operator", id: kit.deps.ids.next("operator") };
    const started = good(await startTotp(kit.deps, kit.asked, operator, {}), 201);
    const code = (steps: number): string => totpCode(String(started.secret), stepAt(kit.clock.now()) + steps);
    good(await activateTotp(kit.deps, kit.asked, operator, started.id as FactorId, { code: code(-1) }), 200);
    good(await kit.use(await checkCode(kit.deps, operator, "totp", code(0))), 200);
    await kit.settle();
    assert.deepEqual(
      kit.notices.map(({ notice, subject }) => [notice, subject]),
      [["factor_added", operator]],
    );
    const event = kit.events.find(({ item }) => item.event_type === "factor.added")?.item;
    assert.deepEqual([event?.user_id, event?.details], [null, { subject_id: operator.id, type: "totp" }]);
    // The same id as a user's is nobody's.
    bad(await checkAndUse(kit, { ...operator, kind: "user" }, code(1)), "authentication_failed");
  });

  it("SCA-02 answers every wrong factor in the same words", async () => {
    const kit = factorKit();
    const { code } = await kit.totp();
    const { codes } = await recoveryCodes(kit, code());
    good(await kit.use(await checkCode(kit.deps, kit.subject, "recovery_code", codes[0] ?? "")), 200);
    const told = new Set<string>();
    const tries = [
      ["totp", "000000"],
      ["totp", code()],
      ["recovery_code", codes[0] ?? ""],
      ["sms_code", "123456"],
    ] as const;
    for (const [type, typed] of tries)
      told.add(JSON.stringify(bad(await kit.use(await checkCode(kit.deps, kit.subject, type, typed)), "authentication_failed")));
    told.add(JSON.stringify(bad(await checkAndUse(kit, kit.newSubject(), "000000"), "authentication_failed")));
    assert.equal(told.size, 1);
  });
});

const checkAndUse = async (kit: FactorKit, subject: Subject, code: string) => kit.use(await checkCode(kit.deps, subject, "totp", code));
