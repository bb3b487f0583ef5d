import type { Organisation } from "#test/support/app.ts";
import { ok } from "#test/support/http-client.ts";
import type { Payer } from "../sca-kit.ts";
import { payerOf, proofOf } from "../sca-kit.ts";
import type { Landmarks, OperationCases } from "./case.ts";
import { reads, reference } from "./case.ts";

const payee_name = "Bob Example";
const name = "Bob";

const termsOf = (payer: Payer, amount = 100) => ({
  from_account_id: payer.account,
  to_account_id: payer.payee,
  amount,
  currency: "EUR",
  payee_name,
});

/** A standing order of 100 to the payer's payee. */
export async function standingOrder(payer: Payer): Promise<string> {
  const standing_order = termsOf(payer);
  const authentication_id = await payer.approve({ purpose: "standing_order", standing_order });
  return ok(await payer.own.api.post("/v1/standing-orders", { ...standing_order, authentication_id }), 201).id;
}

async function beneficiary(payer: Payer): Promise<string> {
  const body = { account_id: payer.payee, name };
  const authentication_id = await payer.approve({ purpose: "beneficiary", beneficiary: body });
  return ok(await payer.own.api.post("/v1/beneficiaries", { ...body, user_id: payer.userId, authentication_id }), 201).id;
}

/** Two of each, so that a page of one has a next one. */
export async function authenticationLandmarks(organisation: Organisation): Promise<Pick<Landmarks, "aut" | "ben" | "sto">> {
  const payer = await payerOf(organisation);
  await beneficiary(payer);
  await standingOrder(payer);
  const other = { ...payer, payee: await organisation.account() };
  const aut = ok(await payer.ask({ purpose: "account_access" }), 201).id;
  return { aut, ben: await beneficiary(other), sto: await standingOrder(payer) };
}

const assertion = {
  id: "AA",
  rawId: "AA",
  type: "public-key",
  authenticatorAttachment: "platform",
  clientExtensionResults: {},
  response: { clientDataJSON: "AA", authenticatorData: "AA", signature: "AA", userHandle: "AA" },
};

/** Authentications, their policy, trusted beneficiaries and standing orders. */
export const authenticationCases: OperationCases = {
  createAuthentication: {
    async prepare(organisation) {
      const payer = await payerOf(organisation);
      const payment = { type: "transfer", ...termsOf(payer), reference };
      return { body: { user_id: payer.userId, purpose: "payment", payment } };
    },
    status: 201,
    events: ["authentication.created"],
    excluded: {
      transaction_id: "txn_01J0000000000000000000000B",
      payee_name,
      batch: [
        {
          type: "transfer",
          from_account_id: "acc_01J0000000000000000000000B",
          to_account_id: "acc_01J0000000000000000000000B",
          amount: 1,
          currency: "EUR",
          reference,
          payee_name,
        },
      ],
      beneficiary: { account_id: "acc_01J0000000000000000000000B", name, beneficiary_id: "ben_01J0000000000000000000000B" },
      standing_order: {
        from_account_id: "acc_01J0000000000000000000000B",
        to_account_id: "acc_01J0000000000000000000000B",
        amount: 1,
        currency: "EUR",
        payee_name,
        standing_order_id: "sto_01J0000000000000000000000B",
      },
    },
  },
  verifyAuthentication: {
    async prepare(organisation) {
      const payer = await payerOf(organisation);
      const asked = ok(await payer.ask({ purpose: "payment", payment: payer.payment(100) }), 201);
      return { id: asked.id, body: { proofs: [proofOf(payer.device, asked)] } };
    },
    status: 200,
    events: ["factor.verified", "authentication.succeeded"],
    excluded: { proofs: [{ type: "passkey", code: "123456", response: assertion }] },
  },
  cancelAuthentication: {
    prepare: async (organisation) => ({ id: ok(await (await payerOf(organisation)).ask({ purpose: "credential" }), 201).id }),
    status: 200,
    events: ["authentication.canceled"],
  },
  getAuthentication: reads((_organisation, { aut }) => ({ id: aut })),
  listAuthentications: reads((_organisation, { usr }) => ({ query: { limit: "1", user_id: usr } })),
  getScaPolicy: reads(() => ({})),
  updateScaPolicy: {
    // Such that payments of other cases stay as they are.
    prepare: () => ({
      body: {
        sca: "risk_only",
        low_value: "amount",
        trusted_beneficiaries: true,
        recurring: true,
        own_accounts: true,
        risk_analysis: true,
        fraud_rate_ppm: 50,
        device_bound: false,
      },
    }),
    status: 200,
    sensitive: true,
    events: ["sca_policy.updated"],
  },

  createBeneficiary: {
    async prepare(organisation) {
      const payer = await payerOf(organisation);
      const body = { account_id: payer.payee, name };
      return {
        body: { ...body, user_id: payer.userId, authentication_id: await payer.approve({ purpose: "beneficiary", beneficiary: body }) },
      };
    },
    status: 201,
    events: ["authentication.consumed", "beneficiary.created"],
  },
  getBeneficiary: reads((_organisation, { ben }) => ({ id: ben })),
  listBeneficiaries: reads((_organisation, { usr }) => ({ query: { limit: "1", user_id: usr } })),
  updateBeneficiary: {
    async prepare(organisation) {
      const payer = await payerOf(organisation);
      const id = await beneficiary(payer);
      const changed = { account_id: payer.payee, name: "Bobby", beneficiary_id: id };
      return { id, body: { name: "Bobby", authentication_id: await payer.approve({ purpose: "beneficiary", beneficiary: changed }) } };
    },
    status: 200,
    events: ["authentication.consumed", "beneficiary.updated"],
  },
  removeBeneficiary: {
    prepare: async (organisation) => ({ id: await beneficiary(await payerOf(organisation)) }),
    status: 200,
    events: ["beneficiary.removed"],
  },

  createStandingOrder: {
    async prepare(organisation) {
      const payer = await payerOf(organisation);
      const terms = termsOf(payer);
      return { body: { ...terms, authentication_id: await payer.approve({ purpose: "standing_order", standing_order: terms }) } };
    },
    status: 201,
    events: ["authentication.consumed", "standing_order.created"],
  },
  getStandingOrder: reads((_organisation, { sto }) => ({ id: sto })),
  listStandingOrders: reads((_organisation, { usr }) => ({ query: { limit: "1", user_id: usr } })),
  updateStandingOrder: {
    async prepare(organisation) {
      const payer = await payerOf(organisation);
      const id = await standingOrder(payer);
      const { to_account_id, amount } = termsOf(payer, 200);
      const changed = { ...termsOf(payer, 200), standing_order_id: id };
      const authentication_id = await payer.approve({ purpose: "standing_order", standing_order: changed });
      return { id, body: { to_account_id, amount, payee_name, authentication_id } };
    },
    status: 200,
    events: ["authentication.consumed", "standing_order.updated"],
  },
  cancelStandingOrder: {
    prepare: async (organisation) => ({ id: await standingOrder(await payerOf(organisation)) }),
    status: 200,
    events: ["standing_order.canceled"],
  },
};
