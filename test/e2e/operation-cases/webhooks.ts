import { setTimeout as sleep } from "node:timers/promises";
import type { Organisation } from "#test/support/app.ts";
import { ok } from "#test/support/http-client.ts";
import type { Landmarks, OperationCases } from "./case.ts";
import { reads } from "./case.ts";

const hooks = "https://hooks.example.com/smartfinance";
const POLLS_MAX = 500;

async function webhook({ api }: Organisation): Promise<string> {
  return ok(await api.post("/v1/webhook-endpoints", { url: hooks, event_types: ["account.closed"] }), 201).id;
}

/** An endpoint that nobody answers for, and deliveries that wait for it. */
export async function webhookLandmarks(organisation: Organisation): Promise<Pick<Landmarks, "whk" | "dlv">> {
  const { api } = organisation;
  const whk = await webhook(organisation);
  for (let n = 0; n < 2; n++) ok(await api.post(`/v1/accounts/${await organisation.account()}/close`), 200);
  for (let poll = 0; poll < POLLS_MAX; poll++) {
    await organisation.deliver?.();
    const { data } = ok(await api.get(`/v1/webhook-endpoints/${whk}/deliveries`), 200);
    if (data.length > 1) return { whk, dlv: data[0]?.id ?? "" };
    await sleep(20);
  }
  throw new Error("nothing was queued for the webhook endpoint");
}

/** Webhook endpoints, deliveries and the events that clients are told. */
export const webhookCases: OperationCases = {
  createWebhookEndpoint: {
    prepare: () => ({ body: { url: hooks, event_types: ["transfer.posted", "hold.voided"], description: "Ledger" } }),
    status: 201,
    sensitive: true,
    events: ["webhook_endpoint.created"],
  },
  listWebhookEndpoints: reads(() => ({})),
  getWebhookEndpoint: reads((_organisation, { whk }) => ({ id: whk })),
  updateWebhookEndpoint: {
    prepare: (_organisation, { whk }) => ({
      id: whk,
      body: { url: hooks, event_types: ["account.closed"], description: "Changed", status: "enabled" },
    }),
    status: 200,
    sensitive: true,
    events: ["webhook_endpoint.updated"],
  },
  deleteWebhookEndpoint: {
    prepare: async (organisation) => ({ id: await webhook(organisation) }),
    status: 200,
    sensitive: true,
    events: ["webhook_endpoint.deleted"],
  },
  rotateWebhookSecret: {
    prepare: (_organisation, { whk }) => ({ id: whk, body: { overlap_seconds: 0 } }),
    status: 200,
    sensitive: true,
    events: ["webhook_endpoint.secret_rotated"],
  },
  listWebhookDeliveries: reads((_organisation, { whk }) => ({ id: whk, query: { limit: "1", status: "pending" } })),
  getWebhookDelivery: reads((_organisation, { whk, dlv }) => ({ id: whk, path: { delivery_id: dlv } })),
  resendWebhookDelivery: {
    prepare: (_organisation, { whk, dlv }) => ({ id: whk, path: { delivery_id: dlv } }),
    status: 202,
    sensitive: true,
    events: ["webhook_delivery.resent"],
  },

  listEvents: reads((_organisation, { txn }) => ({ query: { object: txn, limit: "1", types: "transfer.posted" } })),
  getEvent: reads((_organisation, { evt }) => ({ id: evt })),
  streamEvents: { ...reads(() => ({ query: { types: "transfer.posted" } })), media: "text/event-stream; charset=utf-8" },
};
