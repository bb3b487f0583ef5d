import type { MovableClock, Organisation } from "#test/support/app.ts";
import { ok } from "#test/support/http-client.ts";
import { invite, PASSWORD, person } from "../operators-kit.ts";
import type { Landmarks, OperationCases } from "./case.ts";
import { reads } from "./case.ts";

export async function operatorLandmarks(organisation: Organisation): Promise<Pick<Landmarks, "opr">> {
  await invite(organisation, ["auditor"]);
  return { opr: (await invite(organisation, ["auditor"])).id };
}

/** Somebody who has come, with a second factor. */
const come = (organisation: Organisation, clock: MovableClock) =>
  person({ anonymous: organisation.api, clock }, organisation, ["developer"]);
const exception = { reason: "Stands in for a colleague.", expires_at: "2031-01-01T00:00:00Z" };

const text = "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0";
const assertion = {
  id: text,
  rawId: text,
  type: "public-key",
  authenticatorAttachment: "platform",
  clientExtensionResults: {},
  response: { clientDataJSON: text, authenticatorData: text, signature: text, userHandle: text },
};

async function disabled(organisation: Organisation): Promise<{ readonly id: string }> {
  const { id } = await invite(organisation, ["developer"]);
  ok(await organisation.api.post(`/v1/operators/${id}/disable`, undefined), 200);
  return { id };
}

let invited = 0;

export const operatorCases: OperationCases = {
  inviteOperator: {
    prepare: () => ({ body: { name: "Ada Lovelace", email: `ada-${++invited}@example.com`, roles: ["developer"] } }),
    excluded: { exception },
    status: 201,
    sensitive: true,
    events: ["operator.invited"],
    alone: "beyond_own_permissions",
  },
  listOperators: reads(() => ({ query: { limit: "1" } })),
  getOperator: reads((_organisation, { opr }) => ({ id: opr })),
  updateOperator: {
    prepare: async (organisation) => ({
      id: (await invite(organisation, ["developer"])).id,
      body: { name: "Ada King", roles: ["auditor"] },
    }),
    excluded: { exception },
    status: 200,
    sensitive: true,
    events: ["operator.updated"],
    alone: "beyond_own_permissions",
  },
  inviteOperatorAgain: {
    prepare: async (organisation) => ({ id: (await invite(organisation, ["developer"])).id }),
    status: 200,
    sensitive: true,
    events: ["operator.invited_again"],
    alone: "beyond_own_permissions",
  },
  disableOperator: {
    prepare: async (organisation) => ({ id: (await invite(organisation, ["developer"])).id }),
    status: 200,
    sensitive: true,
    events: ["operator.disabled"],
  },
  enableOperator: {
    prepare: disabled,
    status: 200,
    sensitive: true,
    events: ["operator.enabled"],
    alone: "beyond_own_permissions",
  },
  listOperatorSessions: reads((_organisation, { opr }) => ({ id: opr })),
  revokeOperatorSessions: {
    prepare: async (organisation) => ({ id: (await invite(organisation, ["developer"])).id }),
    status: 200,
    sensitive: true,
    events: ["session.all_ended"],
  },
  unblockOperatorFactors: {
    prepare: async (organisation, _landmarks, clock) => ({ id: (await come(organisation, clock)).id }),
    status: 200,
    sensitive: true,
    events: ["factor.unblocked"],
  },
  resetOperatorFactors: {
    prepare: async (organisation, _landmarks, clock) => ({
      id: (await come(organisation, clock)).id,
      body: { reason_code: "compromised", attachment_ref: "DMS-2026-4711" },
    }),
    status: 202,
    sensitive: true,
    events: ["approval.requested"],
  },
  getSessionPolicy: reads(() => ({})),
  updateSessionPolicy: {
    prepare: () => ({ body: { idle_minutes: 10, absolute_minutes: 60 } }),
    status: 200,
    sensitive: true,
    events: ["session_policy.updated"],
  },
  acceptInvitation: {
    prepare: async (organisation) => ({ body: { token: (await invite(organisation, ["developer"])).token, password: PASSWORD } }),
    status: 200,
    events: ["operator.activated", "session.opened"],
    eventsOfOthers: ["operator.activated", "session.opened"],
  },
  getSignInOptions: reads((organisation) => ({ id: organisation.id })),
  signIn: {
    prepare: async (organisation, _landmarks, clock) => ({
      body: { organisation_id: organisation.id, email: (await come(organisation, clock)).email, password: PASSWORD },
    }),
    excluded: { passkey: assertion },
    status: 201,
    events: ["session.opened"],
    eventsOfOthers: ["session.opened"],
  },
};
