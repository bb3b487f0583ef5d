import type { Organisation } from "#test/support/app.ts";
import { ok } from "#test/support/http-client.ts";
import { payerOf } from "../sca-kit.ts";
import { berlin } from "../suspicious.ts";
import { standingOrder } from "./authentications.ts";
import type { OperationCases } from "./case.ts";
import { metadata, onAccount, reads, reference } from "./case.ts";

const context = { ...berlin, ip: "192.0.2.1" };

async function payment(organisation: Organisation): Promise<Record<string, unknown>> {
  const from_account_id = await organisation.account({ balance: 10_000 });
  const to_account_id = await organisation.account();
  return { from_account_id, to_account_id, amount: 100, currency: "EUR", reference, metadata, context };
}

async function hold(organisation: Organisation): Promise<string> {
  return ok(await organisation.api.post("/v1/holds", await payment(organisation)), 201).id;
}

/** A payment with everything a payment can have: a payer who approved it, and a standing order that it is one of. */
async function approved(organisation: Organisation, type: "transfer" | "withdrawal" | "hold") {
  const payer = await payerOf(organisation);
  const { account: from_account_id, payee: to_account_id } = payer;
  const terms = { amount: 100, currency: "EUR", reference, payee_name: "Bob Example" };
  const parties = type === "withdrawal" ? { from_account_id } : { from_account_id, to_account_id };
  const authentication_id = await payer.approve({ purpose: "payment", payment: { type, ...parties, ...terms } });
  return {
    payer,
    body: { ...(type === "withdrawal" ? { account_id: from_account_id } : parties), ...terms, metadata, context, authentication_id },
  };
}

/** Transfers, deposits, withdrawals, reversals and holds. */
export const paymentCases: OperationCases = {
  createTransfer: {
    async prepare(organisation) {
      const { payer, body } = await approved(organisation, "transfer");
      return { body: { ...body, standing_order_id: await standingOrder(payer) } };
    },
    status: 201,
    events: ["transfer.posted", "authentication.consumed"],
  },
  createTransferBatch: {
    async prepare(organisation) {
      const payer = await payerOf(organisation);
      const named = payer.payment(100, { payee_name: "Bob Example", reference });
      const authentication_id = await payer.approve({ purpose: "batch", batch: [named] });
      const transfers = [{ ...named, metadata, context, standing_order_id: await standingOrder(payer) }];
      return { body: { mode: "atomic", transfers, authentication_id } };
    },
    status: 201,
    events: ["transfer.posted", "authentication.consumed"],
  },
  createDeposit: {
    prepare: async (organisation) => ({
      body: { account_id: await organisation.account(), amount: 100, currency: "EUR", reference, metadata },
    }),
    status: 201,
    events: ["deposit.posted"],
  },
  createWithdrawal: {
    prepare: async (organisation) => ({ body: (await approved(organisation, "withdrawal")).body }),
    status: 201,
    sensitive: true,
    events: ["withdrawal.posted", "authentication.consumed"],
  },
  createReversal: {
    prepare: async (organisation) => ({
      id: ok(await organisation.api.post("/v1/transfers", await payment(organisation)), 201).id,
      body: { amount: 40, reference, metadata },
    }),
    status: 201,
    events: ["reversal.posted"],
  },
  getTransaction: reads((_organisation, { txn }) => ({ id: txn })),
  listTransactions: reads((_organisation, { acc }) => ({ query: { account_id: acc, limit: "1", status: "posted" } })),

  createHold: {
    prepare: async (organisation) => ({ body: { ...(await approved(organisation, "hold")).body, expires_in: 3600 } }),
    status: 201,
    events: ["hold.authorised", "authentication.consumed"],
  },
  getHold: reads((_organisation, { hld }) => ({ id: hld })),
  listHolds: onAccount({ limit: "1" }),
  incrementHold: {
    prepare: async (organisation) => ({ id: await hold(organisation), body: { amount: 50, context } }),
    status: 200,
    events: ["hold.incremented"],
  },
  captureHold: {
    prepare: async (organisation) => ({ id: await hold(organisation), body: { amount: 30, final: false, reference, metadata } }),
    status: 201,
    events: ["capture.posted", "hold.captured"],
  },
  voidHold: { prepare: async (organisation) => ({ id: await hold(organisation) }), status: 200, events: ["hold.voided"] },
};
