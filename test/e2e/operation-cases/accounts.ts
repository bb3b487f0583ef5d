import type { Organisation } from "#test/support/app.ts";
import { ok } from "#test/support/http-client.ts";
import type { OperationCases } from "./case.ts";
import { metadata, onAccount, reads } from "./case.ts";

/** An account that another user holds as well, and that user. */
async function sharedAccount(organisation: Organisation): Promise<{ readonly id: string; readonly path: { readonly user_id: string } }> {
  const id = await organisation.account();
  const user_id = await organisation.user();
  ok(await organisation.api.post(`/v1/accounts/${id}/holders`, { user_id, role: "joint_owner" }), 201);
  return { id, path: { user_id } };
}

export const accountCases: OperationCases = {
  createAccount: {
    prepare: async (organisation) => ({
      body: {
        type: "savings",
        currency: "EUR",
        user_id: await organisation.user(),
        overdraft_limit: 500,
        interest_rate_bps: 25,
        metadata,
      },
    }),
    status: 201,
    events: ["account.created"],
    excluded: { holders: [{ user_id: "usr_01J0000000000000000000000B", role: "owner" }] },
  },
  getAccount: onAccount(),
  listAccounts: reads((_organisation, { usr }) => ({ query: { user_id: usr, limit: "1" } })),
  updateAccount: {
    prepare: async (organisation) => ({
      id: await organisation.account(),
      body: { overdraft_limit: 700, interest_rate_bps: 10, metadata },
    }),
    status: 200,
    events: ["account.updated"],
  },
  addAccountHolder: {
    prepare: async (organisation) => ({
      id: await organisation.account(),
      body: { user_id: await organisation.user(), role: "joint_owner" },
    }),
    status: 201,
    events: ["account.holder_added"],
  },
  updateAccountHolder: {
    prepare: async (organisation) => ({ ...(await sharedAccount(organisation)), body: { role: "viewer" } }),
    status: 200,
    events: ["account.holder_changed"],
  },
  removeAccountHolder: {
    prepare: (organisation) => sharedAccount(organisation),
    status: 200,
    events: ["account.holder_removed"],
  },
  freezeAccount: { prepare: async (organisation) => ({ id: await organisation.account() }), status: 200, events: ["account.frozen"] },
  unfreezeAccount: {
    async prepare(organisation) {
      const id = await organisation.account();
      ok(await organisation.api.post(`/v1/accounts/${id}/freeze`), 200);
      return { id };
    },
    status: 200,
    events: ["account.unfrozen"],
  },
  closeAccount: { prepare: async (organisation) => ({ id: await organisation.account() }), status: 200, events: ["account.closed"] },
  getBalance: onAccount({ at: "2026-01-01T00:00:00Z" }),
  listEntries: onAccount({ limit: "1", posted_from: "2020-01-01T00:00:00Z", posted_to: "2120-01-01T00:00:00Z" }),
};
