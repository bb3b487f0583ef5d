import type { CodeMessage, CodeSender } from "#factors/index.ts";
import { softwareAuthenticator } from "#factors/testing/software-authenticator.ts";
import type { SoftwareAuthenticator } from "#factors/testing/software-authenticator.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { MovableClock, Organisation } from "#test/support/app.ts";
import { ok } from "#test/support/http-client.ts";
import { currentCode } from "../factors-kit.ts";
import type { Landmarks, OperationCases } from "./case.ts";
import { reads } from "./case.ts";

/** Codes that were sent, for whoever hands `recordingSender` to the app; without it nobody knows them. */
const sent: CodeMessage[] = [];
export const recordingSender: CodeSender = {
  sendCode: async (message) => void sent.push(message),
  sendNotice: () => Promise.resolve(),
};

const user_name = "ada@example.com";
const email = { type: "email_code", destination: "ada@example.com" };

interface Enrolled {
  readonly id: string;
  readonly factor: string;
  readonly secret: string;
}

async function withTotp(organisation: Organisation, clock: MovableClock): Promise<Enrolled> {
  const { api } = organisation;
  const id = await organisation.user();
  const { id: factor, secret } = ok(await api.post(`/v1/users/${id}/totp`, {}), 201);
  ok(await api.post(`/v1/users/${id}/totp/${factor}/activate`, { code: currentCode(secret, clock, -1) }), 200);
  return { id, factor, secret };
}

async function newPasskey(
  { api }: Organisation,
  id: string,
): Promise<{ readonly device: SoftwareAuthenticator; readonly response: JsonObject }> {
  const { public_key } = ok(await api.post(`/v1/users/${id}/passkeys/options`, {}), 201);
  const device = softwareAuthenticator();
  const made = device.create(public_key as JsonObject);
  const { attestationObject, clientDataJSON } = made.response as JsonObject;
  const unused = { publicKeyAlgorithm: -7, publicKey: "AA", authenticatorData: "AA" };
  return { device, response: { ...made, response: { clientDataJSON, attestationObject, transports: ["internal"], ...unused } } };
}

async function withPasskey(organisation: Organisation): Promise<string> {
  const id = await organisation.user();
  ok(await organisation.api.post(`/v1/users/${id}/passkeys`, { response: (await newPasskey(organisation, id)).response }), 201);
  return id;
}

async function pendingAddress({ api }: Organisation, id: string): Promise<{ readonly factor_id: string; readonly code: string }> {
  const made = ok(await api.post(`/v1/users/${id}/codes`, email), 201);
  return { factor_id: made.id, code: sent.findLast(({ subject }) => subject.id === id)?.code ?? "unknown" };
}

export async function factorLandmarks(organisation: Organisation, clock: MovableClock): Promise<Pick<Landmarks, "fac">> {
  const { id, factor } = await withTotp(organisation, clock);
  // Makes the organisation's key for codes, so that no operation that is looked at has to.
  await pendingAddress(organisation, id);
  return { fac: factor };
}

const proof = (secret: string, clock: MovableClock, steps = 0) => ({ type: "totp", code: currentCode(secret, clock, steps) });
/** What a proof has for passkeys, in the place of a code. */
const assertion = {
  id: "AA",
  rawId: "AA",
  type: "public-key",
  authenticatorAttachment: "platform",
  clientExtensionResults: {},
  response: { clientDataJSON: "AA", authenticatorData: "AA", signature: "AA", userHandle: "AA" },
};
const excluded = { proof: { type: "passkey", code: "123456", response: assertion } };

/** The factors of users. */
export const factorCases: OperationCases = {
  listFactors: reads((_organisation, { usr }) => ({ id: usr })),
  createFactorChallenge: {
    prepare: async (organisation) => ({ id: await withPasskey(organisation) }),
    status: 201,
    sensitive: true,
    events: ["factor.challenged"],
  },
  unblockFactors: {
    prepare: async (organisation, _landmarks, clock) => ({ id: (await withTotp(organisation, clock)).id }),
    status: 200,
    sensitive: true,
    events: ["factor.unblocked"],
  },
  resetFactors: {
    prepare: async (organisation, _landmarks, clock) => ({
      id: (await withTotp(organisation, clock)).id,
      body: { reason_code: "lost", attachment_ref: "DMS-2026-4711" },
    }),
    status: 202,
    sensitive: true,
    events: ["approval.requested"],
  },
  removeFactor: {
    async prepare(organisation, _landmarks, clock) {
      const { id, secret } = await withTotp(organisation, clock);
      const { response } = await newPasskey(organisation, id);
      const added = ok(await organisation.api.post(`/v1/users/${id}/passkeys`, { response, proof: proof(secret, clock) }), 201);
      return { id, path: { factor_id: added.id }, body: { proof: proof(secret, clock, 1) } };
    },
    status: 200,
    sensitive: true,
    events: ["factor.verified", "factor.removed"],
    excluded,
  },
  createPasskeyOptions: {
    prepare: async (organisation) => ({ id: await organisation.user(), body: { user_name, device_bound: false } }),
    status: 201,
    sensitive: true,
    events: ["factor.enrolment_started"],
  },
  addPasskey: {
    async prepare(organisation, _landmarks, clock) {
      const { id, secret } = await withTotp(organisation, clock);
      return { id, body: { response: (await newPasskey(organisation, id)).response, proof: proof(secret, clock) } };
    },
    status: 201,
    sensitive: true,
    events: ["factor.verified", "factor.added"],
    excluded,
  },
  startTotp: {
    prepare: async (organisation) => ({ id: await organisation.user(), body: { user_name } }),
    status: 201,
    sensitive: true,
    events: ["factor.enrolment_started"],
  },
  activateTotp: {
    async prepare(organisation, _landmarks, clock) {
      const { id, secret } = await withTotp(organisation, clock);
      const further = ok(await organisation.api.post(`/v1/users/${id}/totp`, {}), 201);
      return { id, path: { factor_id: further.id }, body: { code: currentCode(further.secret, clock), proof: proof(secret, clock) } };
    },
    status: 200,
    sensitive: true,
    events: ["factor.verified", "factor.added"],
    excluded,
  },
  createRecoveryCodes: {
    async prepare(organisation, _landmarks, clock) {
      const { id, secret } = await withTotp(organisation, clock);
      return { id, body: { proof: proof(secret, clock) } };
    },
    status: 201,
    sensitive: true,
    events: ["factor.verified", "factor.added"],
    excluded,
  },
  startCodeFactor: {
    prepare: async (organisation) => ({ id: await organisation.user(), body: email }),
    status: 201,
    sensitive: true,
    events: ["factor.enrolment_started"],
  },
  sendFactorCode: {
    async prepare(organisation, _landmarks, clock) {
      const id = await organisation.user();
      const { factor_id } = await pendingAddress(organisation, id);
      // The next code may be sent half a minute later.
      clock.advance(31_000);
      return { id, path: { factor_id } };
    },
    status: 202,
    sensitive: true,
    events: ["factor.code_sent"],
  },
  activateCodeFactor: {
    async prepare(organisation, _landmarks, clock) {
      const { id, secret } = await withTotp(organisation, clock);
      const { factor_id, code } = await pendingAddress(organisation, id);
      return { id, path: { factor_id }, body: { code, proof: proof(secret, clock) } };
    },
    status: 200,
    sensitive: true,
    events: ["factor.verified", "factor.added"],
    excluded,
  },
};
