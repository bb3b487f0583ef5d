import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject } from "#kernel/json.ts";
import { addPasskey } from "./add-passkey.ts";
import { challengeFactor, startPasskey } from "./challenges.ts";
import { checkPasskey, passkeyRequest } from "./check-factor.ts";
import type { Checked, FailedCheck } from "./factor.ts";
import type { Item } from "#storage/index.ts";
import type { PasskeyFactor } from "./factor-set.ts";
import { factorSets } from "./factor-set.ts";
import { bad, factorKit, good, times } from "./test-kit.ts";
import type { FactorKit } from "./test-kit.ts";
import type { AuthenticatorOptions, Knobs, SoftwareAuthenticator } from "./testing/software-authenticator.ts";
import { softwareAuthenticator } from "./testing/software-authenticator.ts";

const CHALLENGE = new Uint8Array(32).fill(9);
const OTHER_CHALLENGE = Buffer.alloc(32, 8).toString("base64url");

let challenges = 0;

/** The answer to a challenge that no other call has. */
async function answer(
  kit: FactorKit,
  device: SoftwareAuthenticator,
  knobs: Knobs = {},
  asking: { readonly askedAt?: number } = {},
): Promise<Checked | FailedCheck> {
  const challenge = new Uint8Array(32).fill(++challenges);
  const options = await passkeyRequest(kit.deps, kit.subject, challenge);
  assert.ok(options, "there is a passkey to ask for");
  return checkPasskey(kit.deps, kit.subject, challenge, device.get(options, knobs), asking);
}

/** Uses the passkey a second later, in answer to a challenge of that moment. */
async function useLater(kit: FactorKit, device: SoftwareAuthenticator): Promise<void> {
  kit.clock.time += 1_000;
  good(await kit.use(await answer(kit, device, {}, { askedAt: kit.clock.now() })), 200);
}

/** One answer, looked at so many times. */
async function answers(kit: FactorKit, device: SoftwareAuthenticator, count: number): Promise<readonly (Checked | FailedCheck)[]> {
  const options = await passkeyRequest(kit.deps, kit.subject, CHALLENGE);
  assert.ok(options, "there is a passkey to ask for");
  const response = device.get(options);
  return times(count, () => checkPasskey(kit.deps, kit.subject, CHALLENGE, response));
}

async function stored(kit: FactorKit): Promise<PasskeyFactor> {
  const factor = (await kit.set()).factors.find(({ type }) => type === "passkey");
  assert.ok(factor?.type === "passkey");
  return factor;
}

const start = async (kit: FactorKit, body: Parameters<typeof startPasskey>[3] = {}): Promise<JsonObject> =>
  good(await startPasskey(kit.deps, kit.asked, kit.subject, body), 201).public_key as JsonObject;

describe("passkeys", () => {
  for (const algorithm of ["ES256", "EdDSA", "RS256"] as const)
    for (const attestation of ["none", "packed"] as const)
      it(`registers and takes ${algorithm} with ${attestation} attestation`, async () => {
        const kit = factorKit();
        const { device } = await kit.passkey({ algorithm, attestation });
        const checked = await answer(kit, device);
        assert.ok(checked.ok);
        assert.deepEqual(checked.categories, ["possession", "inherence"]);
        assert.equal(checked.deviceBound, true);
        good(await kit.use(checked), 200);
        const factor = await stored(kit);
        assert.equal(factor.attestation, attestation);
        assert.equal(factor.counter, 2);
        assert.equal(factor.last_used_at, kit.clock.now());
      });

  it("asks for user verification, no other algorithms, and none of the passkeys there are", async () => {
    const kit = factorKit();
    const { device } = await kit.passkey();
    const options = await start(kit, { user_name: "ada@example.com" });
    assert.deepEqual(
      (options.pubKeyCredParams as { alg: number }[]).map(({ alg }) => alg),
      [-8, -7, -257],
    );
    assert.equal((options.authenticatorSelection as JsonObject).userVerification, "required");
    assert.deepEqual(
      (options.excludeCredentials as JsonObject[]).map(({ id }) => id),
      [device.credentialId],
    );
    assert.equal((options.user as JsonObject).name, "ada@example.com");
    const request = await passkeyRequest(kit.deps, kit.subject, CHALLENGE);
    assert.equal(request?.userVerification, "required");
    assert.equal(request?.challenge, Buffer.from(CHALLENGE).toString("base64url"));
    assert.equal(await passkeyRequest(kit.deps, kit.newSubject(), CHALLENGE), undefined);
  });

  const wrongs: Readonly<Record<string, Knobs>> = {
    "another challenge": { challenge: OTHER_CHALLENGE },
    "another origin": { origin: "https://localhost.evil.example" },
    "the same origin on another port": { origin: "http://localhost:8081" },
    "another relying party": { rpId: "evil.example" },
    "another type": { type: "payment.get" },
    "a frame of another origin": { crossOrigin: true },
    "no user present": { up: false },
    "no user verified": { uv: false },
    "a changed authenticator data": { tamper: "authenticatorData" },
  };

  for (const [what, knobs] of Object.entries(wrongs)) {
    it(`WA-01 registers nothing with ${what}`, async () => {
      const kit = factorKit();
      const device = softwareAuthenticator({ attestation: "packed" });
      const response = device.create(await start(kit), knobs);
      bad(await addPasskey(kit.deps, kit.asked, kit.subject, { response }), "passkey_invalid");
      assert.deepEqual((await kit.set()).factors, []);
    });

    it(`WA-01 takes no assertion with ${what}`, async () => {
      const kit = factorKit();
      const { device } = await kit.passkey();
      const checked = await answer(kit, device, knobs);
      assert.ok(!checked.ok);
      bad(await kit.use(checked), "authentication_failed");
      assert.equal((await stored(kit)).status, "active");
      good(await kit.use(await answer(kit, device)), 200);
    });
  }

  const assertions: Readonly<Record<string, Knobs>> = {
    "a tampered signature": { tamper: "signature" },
    "a changed client data": { tamper: "clientData" },
    "an unknown credential": { credentialId: Buffer.alloc(32, 1).toString("base64url") },
    "another's user handle": { userHandle: Buffer.from("usr_01J0000000000000000000000B").toString("base64url") },
    "a registration's type": { type: "webauthn.create" },
    "another backup eligibility": { be: true },
    "a backup without eligibility": { be: false, bs: true },
  };
  for (const [what, knobs] of Object.entries(assertions))
    it(`WA-01 takes no assertion with ${what}`, async () => {
      const kit = factorKit();
      const { device } = await kit.passkey();
      bad(await kit.use(await answer(kit, device, knobs)), "authentication_failed");
    });

  it("WA-01 takes no assertion by somebody else's passkey", async () => {
    const kit = factorKit();
    await kit.passkey();
    const other = factorKit();
    const { device } = await other.passkey();
    bad(await kit.use(await answer(kit, device)), "authentication_failed");
  });

  it("WA-01 takes an assertion without a user handle: only discoverable credentials must send one", async () => {
    const kit = factorKit();
    const { device } = await kit.passkey();
    good(await kit.use(await answer(kit, device, { userHandle: null })), 200);
  });

  it("WA-01 answers what is no response at all like any other failure", async () => {
    const kit = factorKit();
    const { device } = await kit.passkey();
    const nonsense: JsonObject[] = [
      {},
      { id: device.credentialId },
      { id: device.credentialId, rawId: device.credentialId, type: "public-key", response: {} },
      {
        id: device.credentialId,
        rawId: device.credentialId,
        type: "public-key",
        response: { clientDataJSON: "bm8", authenticatorData: "", signature: "" },
      },
      { ...device.get({ rpId: "localhost", challenge: "x" }), type: "password" },
    ];
    for (const response of nonsense) {
      const checked = await checkPasskey(kit.deps, kit.subject, CHALLENGE, response);
      assert.ok(!checked.ok);
      assert.equal(checked.code, "authentication_failed");
    }
    bad(await addPasskey(kit.deps, kit.asked, kit.subject, { response: {} }), "passkey_invalid");
  });

  it("registers no format but none and packed, no short RSA key, and no tampered attestation", async () => {
    const cases: readonly (readonly [AuthenticatorOptions, Knobs])[] = [
      [{ attestation: "packed" }, { tamper: "signature" }],
      [{ attestation: "none" }, { format: "apple" }],
      [{ attestation: "none" }, { format: "fido-u2f" }],
      [{ attestation: "packed" }, { format: "none" }],
      [{ algorithm: "RS256", rsaBits: 1024 }, {}],
    ];
    for (const [options, knobs] of cases) {
      const kit = factorKit();
      const response = softwareAuthenticator(options).create(await start(kit), knobs);
      bad(await addPasskey(kit.deps, kit.asked, kit.subject, { response }), "passkey_invalid");
    }
  });

  it("WA-01 takes a challenge of a registration once, in its time, and for nothing else", async () => {
    const kit = factorKit();
    const late = softwareAuthenticator().create(await start(kit));
    kit.clock.time += 5 * 60_000;
    bad(await addPasskey(kit.deps, kit.asked, kit.subject, { response: late }), "passkey_invalid");
    const options = await start(kit);
    const responses = Array.from({ length: 20 }, () => softwareAuthenticator().create(options));
    const added = await Promise.all(responses.map((response) => addPasskey(kit.deps, kit.asked, kit.subject, { response })));
    assert.equal(added.filter((one) => one.ok && one.reply.status === 201).length, 1);
    assert.equal((await kit.set()).factors.length, 1);
    const proving = good(await challengeFactor(kit.deps, kit.asked, kit.subject), 201).public_key as JsonObject;
    const misused = softwareAuthenticator().create({ ...(await start(kit)), challenge: proving.challenge });
    bad(await addPasskey(kit.deps, kit.asked, kit.subject, { response: misused }), "passkey_invalid");
  });

  it("registers one credential once in an organisation", async () => {
    const kit = factorKit();
    const { id, device } = await kit.passkey();
    const other = kit.newSubject();
    const options = good(await startPasskey(kit.deps, kit.asked, other, {}), 201).public_key as JsonObject;
    const response = softwareAuthenticator().create(options, { credentialId: device.credentialId });
    bad(await addPasskey(kit.deps, kit.asked, other, { response }), "passkey_known");
    assert.equal((await stored(kit)).id, id);
  });

  it("WA-02 refuses a counter that is lower or equal, and flags the credential in the same commit", async () => {
    for (const counter of [1, 2]) {
      const kit = factorKit();
      const { device } = await kit.passkey();
      good(await kit.use(await answer(kit, device)), 200);
      const before = kit.events.length;
      bad(await kit.use(await answer(kit, device, { counter })), "authentication_failed");
      assert.equal((await stored(kit)).status, "flagged");
      assert.deepEqual(kit.types().slice(before), ["factor.flagged"]);
      // From then on it proves nothing, whatever it counts.
      assert.equal(await passkeyRequest(kit.deps, kit.subject, CHALLENGE), undefined);
      const response = device.get({ rpId: "localhost", challenge: Buffer.from(CHALLENGE).toString("base64url") }, { counter: 50 });
      bad(await kit.use(await checkPasskey(kit.deps, kit.subject, CHALLENGE, response)), "authentication_failed");
      await kit.settle();
      assert.ok(kit.notices.some(({ notice }) => notice === "factor_flagged"));
    }
  });

  it("WA-02 flags nothing where two challenges were answered in one order and came in the other, and takes the older one no more", async () => {
    const kit = factorKit();
    const { device } = await kit.passkey();
    const askedAt = kit.clock.now();
    const first = await answer(kit, device, {}, { askedAt });
    kit.clock.time += 1_000;
    const second = await answer(kit, device, {}, { askedAt: kit.clock.now() });
    good(await kit.use(second), 200);
    bad(await kit.use(first), "authentication_failed");
    assert.equal((await stored(kit)).status, "active");
    await useLater(kit, device);
    // What was asked for after the last use is no matter of order any more.
    bad(await kit.use(await answer(kit, device, { counter: 2 }, { askedAt: kit.clock.now() })), "authentication_failed");
    assert.equal((await stored(kit)).status, "flagged");
  });

  it("WA-02 flags a copy also where it answers a challenge of before the last use, by the counter of then", async () => {
    const kit = factorKit();
    const { device } = await kit.passkey();
    good(await kit.use(await answer(kit, device, {}, { askedAt: kit.clock.now() })), 200);
    const { counter } = await stored(kit);
    assert.ok(counter > 0);
    kit.clock.time += 1_000;
    const askedAt = kit.clock.now();
    const [late, copied] = [await answer(kit, device, {}, { askedAt }), await answer(kit, device, { counter }, { askedAt })];
    kit.clock.time += 1_000;
    good(await kit.use(await answer(kit, device, { counter: counter + 9 }, { askedAt: kit.clock.now() })), 200);
    bad(await kit.use(late), "authentication_failed");
    assert.equal((await stored(kit)).status, "active");
    bad(await kit.use(copied), "authentication_failed");
    assert.equal((await stored(kit)).status, "flagged");
  });

  it("WA-02 flags a copy that was used first, where the device itself answers an older challenge by the same counter", async () => {
    const kit = factorKit();
    const { device } = await kit.passkey();
    good(await kit.use(await answer(kit, device, {}, { askedAt: kit.clock.now() })), 200);
    kit.clock.time += 1_000;
    const askedAt = kit.clock.now();
    const counter = (await stored(kit)).counter + 1;
    kit.clock.time += 1_000;
    good(await kit.use(await answer(kit, device, { counter }, { askedAt: kit.clock.now() })), 200);
    bad(await kit.use(await answer(kit, device, { counter }, { askedAt })), "authentication_failed");
    assert.equal((await stored(kit)).status, "flagged");
  });

  it("WA-02 flags nothing by what an earlier release did not note", async () => {
    const kit = factorKit();
    const { device } = await kit.passkey();
    const use = (): Promise<void> => useLater(kit, device);
    await use();
    kit.clock.time += 1_000;
    const late = await answer(kit, device, {}, { askedAt: kit.clock.now() });
    await use();
    const item = factorSets.toItem(await kit.set());
    const { former_counters: _, ...factor } = await stored(kit);
    const write = {
      op: "put",
      table: factorSets.table,
      item: { ...item, factors: [factor] } as unknown as Item,
      condition: "none",
    } as const;
    assert.equal((await kit.deps.store.commit([write])).outcome, "committed");
    await use();
    bad(await kit.use(late), "authentication_failed");
    assert.equal((await stored(kit)).status, "active");
    kit.clock.time += 1_000;
    bad(await kit.use(await answer(kit, device, { counter: 4 }, { askedAt: kit.clock.now() })), "authentication_failed");
    assert.equal((await stored(kit)).status, "flagged");
  });

  it("WA-02 flags nothing by a counter that is remembered no more", async () => {
    const kit = factorKit();
    const { device } = await kit.passkey();
    const use = (): Promise<void> => useLater(kit, device);
    await use();
    kit.clock.time += 1_000;
    const late = await answer(kit, device, {}, { askedAt: kit.clock.now() });
    for (let n = 0; n < 11; n++) await use();
    bad(await kit.use(late), "authentication_failed");
    assert.equal((await stored(kit)).status, "active");
  });

  it("WA-02 remembers a few counters only, and none of a passkey that does not count", async () => {
    const kit = factorKit();
    const { device } = await kit.passkey();
    for (let n = 0; n < 12; n++) {
      kit.clock.time += 1_000;
      good(await kit.use(await answer(kit, device, {}, { askedAt: kit.clock.now() })), 200);
    }
    assert.equal((await stored(kit)).former_counters?.length, 10);
    const synced = factorKit();
    const { device: other } = await synced.passkey({ synced: true });
    for (let n = 0; n < 2; n++) good(await synced.use(await answer(synced, other)), 200);
    assert.equal((await stored(synced)).former_counters, undefined);
  });

  it("WA-02 flags a counter that falls to 0, and flags nothing whose signature is not good", async () => {
    const kit = factorKit();
    const { device } = await kit.passkey();
    bad(await kit.use(await answer(kit, device, { counter: 0, tamper: "signature" })), "authentication_failed");
    assert.equal((await stored(kit)).status, "active");
    bad(await kit.use(await answer(kit, device, { counter: 0 })), "authentication_failed");
    assert.equal((await stored(kit)).status, "flagged");
  });

  it("WA-02 accepts 0 after 0, as synced passkeys count, and no assertion twice", async () => {
    const kit = factorKit();
    const { device } = await kit.passkey({ synced: true });
    const [first, again] = await answers(kit, device, 2);
    assert.ok(first !== undefined && again !== undefined);
    good(await kit.use(first), 200);
    bad(await kit.use(again), "authentication_failed");
    assert.equal((await stored(kit)).status, "active");
    assert.equal((await stored(kit)).counter, 0);
    const options = await passkeyRequest(kit.deps, kit.subject, new Uint8Array(32).fill(3));
    assert.ok(options);
    good(await kit.use(await checkPasskey(kit.deps, kit.subject, new Uint8Array(32).fill(3), device.get(options))), 200);
  });

  it("SCA-01 one assertion is used once, however many use it at once, and is not taken for a copied key", async () => {
    for (const synced of [false, true]) {
      const kit = factorKit();
      const { device } = await kit.passkey({ synced });
      const checks = await answers(kit, device, 20);
      assert.ok(checks.every(({ ok }) => ok));
      const used = await Promise.all(checks.map((one) => kit.use(one)));
      assert.equal(used.filter((one) => one.ok && one.reply.status === 200).length, 1);
      assert.equal((await stored(kit)).status, "active");
    }
  });

  it("WA-04 stores backup eligibility and state, and asks for a device-bound key where it is demanded", async () => {
    const kit = factorKit();
    const { device } = await kit.passkey({ synced: true });
    assert.deepEqual([(await stored(kit)).backup_eligible, (await stored(kit)).backed_up], [true, true]);
    const checked = await answer(kit, device, { bs: false });
    assert.ok(checked.ok);
    assert.equal(checked.deviceBound, false);
    good(await kit.use(checked), 200);
    assert.equal((await stored(kit)).backed_up, false);
    assert.equal(await passkeyRequest(kit.deps, kit.subject, CHALLENGE, { deviceBound: true }), undefined);
    const options = await passkeyRequest(kit.deps, kit.subject, CHALLENGE);
    assert.ok(options);
    const demanded = await checkPasskey(kit.deps, kit.subject, CHALLENGE, device.get(options), { deviceBound: true });
    bad(await kit.use(demanded), "authentication_failed");
    const proof = await kit.prove(device);
    const wanted = await start(kit, { device_bound: true });
    assert.equal(wanted.attestation, "direct");
    const response = softwareAuthenticator({ synced: true, attestation: "packed" }).create(wanted);
    bad(await addPasskey(kit.deps, kit.asked, kit.subject, { response, proof }), "passkey_not_device_bound");
    const bound = softwareAuthenticator({ attestation: "packed" }).create(wanted);
    good(await addPasskey(kit.deps, kit.asked, kit.subject, { response: bound, proof }), 201);
    assert.ok(await passkeyRequest(kit.deps, kit.subject, CHALLENGE, { deviceBound: true }));
  });
});
