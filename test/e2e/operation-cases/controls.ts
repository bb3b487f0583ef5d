import type { Organisation } from "#test/support/app.ts";
import type { ApiObject } from "#test/support/http-client.ts";
import { ok } from "#test/support/http-client.ts";
import { approve, colleague, setPolicy, waiting } from "../controls-kit.ts";
import type { Colleague } from "../controls-kit.ts";
import type { OperationCases } from "./case.ts";
import { reads } from "./case.ts";

const why = { reason: "Booked to the wrong customer.", attachment_ref: "DMS-2026-4711" };

async function journalBody(organisation: Organisation) {
  const entries = [
    { account_id: await organisation.account({ balance: 500 }), direction: "debit", amount: 20 },
    { account_id: await organisation.account(), direction: "credit", amount: 20 },
  ];
  return { currency: "EUR", entries, ...why };
}

/** A journal that somebody else than the organisation's own key asks for, or that key itself. */
async function pending(organisation: Organisation, maker?: Colleague): Promise<ApiObject> {
  return waiting(await (maker?.api ?? organisation.api).post("/v1/journals", await journalBody(organisation)));
}

async function posted(organisation: Organisation): Promise<string> {
  const { id } = await pending(organisation, await colleague(organisation, "Maker"));
  return String(ok(await approve(organisation.api, id), 200)["result_object_id"]);
}

/** An approval whose secret nobody has taken yet; nothing is controlled any more afterwards. */
async function claimable(organisation: Organisation): Promise<string> {
  const { api } = await colleague(organisation, "Checker");
  ok(await setPolicy(organisation.api, [{ kind: "api_key" }]), 200);
  const { id } = waiting(await organisation.api.post("/v1/api-keys", { name: "Approved", scopes: ["accounts:read"] }));
  ok(await approve(api, id), 200);
  ok(await approve(api, waiting(await setPolicy(organisation.api, [])).id), 200);
  return id;
}

/** A pending approval, and a journal. */
export async function controlLandmarks(organisation: Organisation): Promise<{ readonly apr: string }> {
  await pending(organisation);
  return { apr: (await pending(organisation)).id };
}

/** Approvals, the control policy, and manual journals. */
export const controlCases: OperationCases = {
  getApproval: reads((_organisation, { apr }) => ({ id: apr })),
  listApprovals: reads(() => ({ query: { limit: "1", status: "pending", kind: "journal" } })),
  approveApproval: {
    async prepare(organisation) {
      const { id, payload_hash } = await pending(organisation, await colleague(organisation, "Maker"));
      return { id, body: { payload_hash, reason: "Seen." } };
    },
    status: 200,
    sensitive: true,
    events: ["approval.approved", "journal.posted", "approval.executed"],
    eventsOfOthers: ["journal.posted", "approval.executed"],
    alone: "insufficient_scope",
  },
  rejectApproval: {
    prepare: async (organisation) => ({
      id: (await pending(organisation, await colleague(organisation, "Maker"))).id,
      body: { reason: "Not seen." },
    }),
    status: 200,
    sensitive: true,
    events: ["approval.rejected"],
    alone: "insufficient_scope",
  },
  cancelApproval: {
    prepare: async (organisation) => ({ id: (await pending(organisation)).id, body: { reason: "A slip." } }),
    status: 200,
    events: ["approval.voided"],
    alone: "not_the_maker",
  },
  amendApproval: {
    prepare: async (organisation) => ({ id: (await pending(organisation)).id, body: { body: await journalBody(organisation) } }),
    status: 200,
    sensitive: true,
    events: ["approval.amended"],
    alone: "not_the_maker",
  },
  claimApproval: {
    prepare: async (organisation) => ({ id: await claimable(organisation) }),
    status: 200,
    sensitive: true,
    events: ["api_key.rotated", "approval.claimed"],
    alone: "not_the_maker",
  },
  getControlPolicy: reads(() => ({})),
  updateControlPolicy: {
    prepare: () => ({ body: { controls: [], expiry_hours: 48 } }),
    status: 200,
    sensitive: true,
    events: ["control_policy.updated"],
    excluded: { controls: [{ kind: "withdrawal", approvals: 1, above_amount: [{ currency: "EUR", amount: 100 }] }] },
  },
  createJournal: {
    prepare: async (organisation) => ({ body: await journalBody(organisation) }),
    status: 202,
    sensitive: true,
    events: ["approval.requested"],
  },
  reverseJournal: {
    prepare: async (organisation) => ({ id: await posted(organisation), body: why }),
    status: 202,
    sensitive: true,
    events: ["approval.requested"],
  },
  getJournal: reads(async (organisation) => ({ id: await posted(organisation) })),
};
