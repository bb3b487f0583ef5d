import { setTimeout as sleep } from "node:timers/promises";
import type { MovableClock, Organisation } from "../support/app.ts";
import type { ApiObject } from "../support/http-client.ts";
import { ok } from "../support/http-client.ts";
import { learningCases, learningLandmarks } from "./learning-cases.ts";
import { ruleCases, ruleLandmarks } from "./rules-cases.ts";
import { berlin, suspect } from "./suspicious.ts";

/** One request of an operation: what fills its path, its query and its body. */
export interface Request {
  readonly id?: string;
  /** Further parameters of the path, by name. */
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: Readonly<Record<string, unknown>>;
}

/** The path of a request: an operation's, with its parameters filled in. */
export function pathOf(path: string, { id, path: more }: Pick<Request, "id" | "path">): string {
  return path.replace(/\{(\w+)\}/g, (_whole, name: string) => (name === "id" ? id : more?.[name]) ?? "");
}

export interface OperationCase {
  /** Makes what the request needs, so that it succeeds once. */
  prepare(organisation: Organisation, landmarks: Landmarks, clock: MovableClock): Promise<Request> | Request;
  /** The status of its success. */
  readonly status: number;
  /** The content type of its success where that is no JSON. */
  readonly media?: string;
  /** Calls that are refused for their scope leave a security event. */
  readonly sensitive?: true;
  /** The audit events it leaves, in their order. */
  readonly events: readonly string[];
}

/** Things of an organisation that operations only look at, by the prefix of their ids. */
export type Landmarks = Readonly<
  Record<
    "usr" | "acc" | "txn" | "hld" | "rev" | "key" | "evt" | "org" | "rot" | "dek" | "rul" | "lst" | "dry" | "mdl" | "trn" | "whk" | "dlv",
    string
  >
>;

const metadata = { note: "for tests" };
const reference = "Test";
const person = {
  name: "Ada Lovelace",
  email: "ada@example.com",
  phone: "+442079460000",
  date_of_birth: "1915-12-10",
  address: {
    line1: "St James's Square 12",
    line2: "2nd floor",
    city: "London",
    postal_code: "SW1Y 4JH",
    state: "Greater London",
    country: "GB",
  },
  tax_id: "AB123456C",
  reference: "customer-1",
  metadata,
};
const keyTerms = {
  // What a key that may only manage keys can give.
  scopes: ["api_keys:write"],
  rate_limit_per_minute: 5,
  ip_allowlist: ["192.0.2.0/24"],
  certificate_sha256: "0123456789abcdef".repeat(4),
  expires_at: "2120-01-01T00:00:00Z",
};
// Of all keys only one rotation runs at a time; of a single key there may be several.
const wrapping = { target: "wrapping_keys", reason: "scheduled" };
const context = { ...berlin, ip: "192.0.2.1" };

async function payment(organisation: Organisation): Promise<Record<string, unknown>> {
  const from_account_id = await organisation.account({ balance: 10_000 });
  const to_account_id = await organisation.account();
  return { from_account_id, to_account_id, amount: 100, currency: "EUR", reference, metadata, context };
}

async function hold(organisation: Organisation): Promise<string> {
  return ok(await organisation.api.post("/v1/holds", await payment(organisation)), 201).id;
}

async function openReview(organisation: Organisation, clock: MovableClock): Promise<string> {
  return ok(await (await suspect(organisation, clock)).pay(), 202).review_id;
}

async function apiKey({ api }: Organisation): Promise<string> {
  return ok(await api.post("/v1/api-keys", { name: "For tests", scopes: keyTerms.scopes }), 201).id;
}

const hooks = "https://hooks.example.com/smartfinance";
const POLLS_MAX = 500;

async function webhook({ api }: Organisation): Promise<string> {
  return ok(await api.post("/v1/webhook-endpoints", { url: hooks, event_types: ["account.closed"] }), 201).id;
}

/** An endpoint that nobody answers for, and deliveries that wait for it. */
async function webhookLandmarks(organisation: Organisation): Promise<{ readonly whk: string; readonly dlv: string }> {
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

export async function makeLandmarks(organisation: Organisation, clock: MovableClock): Promise<Landmarks> {
  const { api } = organisation;
  const rev = await openReview(organisation, clock);
  const usr = await organisation.user();
  const acc = await organisation.account({ userId: usr, balance: 50_000 });
  // More than one account, transaction and hold, so that a page of one has a next one.
  const other = await organisation.account({ userId: usr, balance: 500 });
  const txn = ok(await organisation.transfer(acc, other, 100, { metadata }), 201).id;
  const body = { from_account_id: acc, to_account_id: other, amount: 10, currency: "EUR" };
  ok(await api.post("/v1/holds", body), 201);
  const hld = ok(await api.post("/v1/holds", body), 201).id;
  const key = ok(await api.post("/v1/api-keys", { name: "Landmark" }), 201).id;
  const evt = ok(await api.get("/v1/audit/events?limit=1"), 200).data[0]?.id ?? "";
  const dek = (ok(await api.get("/v1/crypto-inventory?limit=1"), 200)["keys"] as ApiObject).data[0]?.id ?? "";
  const rot = ok(await api.post("/v1/key-rotations", { ...wrapping, key_id: dek }), 202).id;
  ok(await api.post("/v1/key-rotations", { ...wrapping, key_id: dek }), 202);
  const rooms = {
    ...(await webhookLandmarks(organisation)),
    ...(await ruleLandmarks(organisation)),
    ...(await learningLandmarks(organisation)),
  };
  return { usr, acc, txn, hld, rev, key, evt, rot, dek, ...rooms, org: organisation.id };
}

const reads = (prepare: OperationCase["prepare"]): OperationCase => ({ prepare, status: 200, events: [] });
const onAccount = (query?: Request["query"]): OperationCase =>
  reads((_organisation, { acc }) => ({ id: acc, ...(query === undefined ? {} : { query }) }));

/** Every operation of the API, by its operationId. */
export const operationCases: Readonly<Record<string, OperationCase>> = {
  getHealth: reads(() => ({})),
  getReadiness: reads(() => ({})),

  createUser: { prepare: () => ({ body: { type: "personal", ...person } }), status: 201, events: ["user.created"] },
  getUser: reads((_organisation, { usr }) => ({ id: usr })),
  listUsers: reads(() => ({ query: { limit: "1" } })),
  updateUser: { prepare: async (organisation) => ({ id: await organisation.user(), body: person }), status: 200, events: ["user.updated"] },
  closeUser: { prepare: async (organisation) => ({ id: await organisation.user() }), status: 200, events: ["user.closed"] },
  eraseUser: {
    async prepare(organisation) {
      const id = await organisation.user();
      ok(await organisation.api.post(`/v1/users/${id}/close`), 200);
      return { id };
    },
    status: 200,
    sensitive: true,
    events: ["user.erased"],
  },

  createApiKey: {
    prepare: () => ({ body: { name: "Another", ...keyTerms } }),
    status: 201,
    sensitive: true,
    events: ["api_key.created"],
  },
  getApiKey: reads((_organisation, { key }) => ({ id: key })),
  listApiKeys: reads(() => ({ query: { limit: "1" } })),
  updateApiKey: {
    prepare: async (organisation) => ({ id: await apiKey(organisation), body: { name: "Changed", ...keyTerms } }),
    status: 200,
    sensitive: true,
    events: ["api_key.updated"],
  },
  rotateApiKey: {
    prepare: async (organisation) => ({ id: await apiKey(organisation), body: { overlap_seconds: 60 } }),
    status: 200,
    sensitive: true,
    events: ["api_key.rotated"],
  },
  revokeApiKey: {
    prepare: async (organisation) => ({ id: await apiKey(organisation) }),
    status: 200,
    sensitive: true,
    events: ["api_key.revoked"],
  },

  getOrganisation: reads(() => ({})),
  updateOrganisation: {
    prepare: () => ({
      body: {
        name: "Renamed",
        rate_limit_per_minute: 9_999_999,
        key_rate_limit_per_minute: 99,
        ip_allowlist: ["127.0.0.0/8"],
        review_due_hours: 25,
        review_expiry_hours: 73,
        review_four_eyes_above: [{ currency: "JPY", amount: 1_000 }],
      },
    }),
    status: 200,
    sensitive: true,
    events: ["organisation.updated"],
  },

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

  createTransfer: { prepare: async (organisation) => ({ body: await payment(organisation) }), status: 201, events: ["transfer.posted"] },
  createTransferBatch: {
    prepare: async (organisation) => ({ body: { mode: "independent", transfers: [await payment(organisation)] } }),
    status: 200,
    events: ["transfer.posted"],
  },
  createDeposit: {
    prepare: async (organisation) => ({
      body: { account_id: await organisation.account(), amount: 100, currency: "EUR", reference, metadata },
    }),
    status: 201,
    events: ["deposit.posted"],
  },
  createWithdrawal: {
    prepare: async (organisation) => ({
      body: {
        account_id: await organisation.account({ balance: 1_000 }),
        amount: 100,
        currency: "EUR",
        reference,
        metadata,
        context,
      },
    }),
    status: 201,
    sensitive: true,
    events: ["withdrawal.posted"],
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
    prepare: async (organisation) => ({ body: { ...(await payment(organisation)), expires_in: 3600 } }),
    status: 201,
    events: ["hold.authorised"],
  },
  getHold: reads((_organisation, { hld }) => ({ id: hld })),
  listHolds: onAccount({ limit: "1" }),
  incrementHold: {
    prepare: async (organisation) => ({ id: await hold(organisation), body: { amount: 50 } }),
    status: 200,
    events: ["hold.incremented"],
  },
  captureHold: {
    prepare: async (organisation) => ({ id: await hold(organisation), body: { amount: 30, final: false, reference, metadata } }),
    status: 201,
    events: ["capture.posted", "hold.captured"],
  },
  voidHold: { prepare: async (organisation) => ({ id: await hold(organisation) }), status: 200, events: ["hold.voided"] },

  getReview: reads((_organisation, { rev }) => ({ id: rev })),
  listReviews: reads((_organisation, { acc, usr }) => ({ query: { limit: "1", status: "open", account_id: acc, user_id: usr } })),
  listReviewNotes: reads((_organisation, { rev }) => ({ id: rev, query: { limit: "1" } })),
  listLinkedTransactions: reads((_organisation, { rev }) => ({ id: rev, query: { by: "payee", days: "30", limit: "1" } })),
  assignReview: {
    prepare: async (organisation, _landmarks, clock) => ({ id: await openReview(organisation, clock), body: { assignee: "analyst-7" } }),
    status: 200,
    events: ["review.assigned"],
  },
  unassignReview: {
    async prepare(organisation, _landmarks, clock) {
      const id = await openReview(organisation, clock);
      ok(await organisation.api.post(`/v1/reviews/${id}/assign`), 200);
      return { id };
    },
    status: 200,
    events: ["review.unassigned"],
  },
  createReviewNote: {
    prepare: async (organisation, _landmarks, clock) => ({ id: await openReview(organisation, clock), body: { text: "Called back." } }),
    status: 201,
    events: ["review.noted"],
  },
  approveReview: {
    prepare: async (organisation, _landmarks, clock) => ({
      id: await openReview(organisation, clock),
      body: { reason_code: "customer_confirmed", note: "Called back." },
    }),
    status: 200,
    sensitive: true,
    events: ["review.approved"],
  },
  rejectReview: {
    prepare: async (organisation, _landmarks, clock) => ({
      id: await openReview(organisation, clock),
      body: { reason_code: "confirmed_fraud", note: "Called back." },
    }),
    status: 200,
    sensitive: true,
    events: ["review.rejected"],
  },

  createRiskLabel: {
    prepare: (_organisation, { txn }) => ({ body: { transaction_id: txn, label: "fraud", source: "dispute" } }),
    status: 201,
    sensitive: true,
    events: ["risk.labelled"],
  },
  getRiskAssessment: reads((_organisation, { txn }) => ({ id: txn })),
  listRiskLabels: reads((_organisation, { txn }) => ({ query: { transaction_id: txn, limit: "1" } })),

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

  startKeyRotation: {
    prepare: (_organisation, { dek }) => ({ body: { ...wrapping, key_id: dek } }),
    status: 202,
    sensitive: true,
    events: ["key_rotation.started"],
  },
  getKeyRotation: reads((_organisation, { rot }) => ({ id: rot })),
  listKeyRotations: reads(() => ({ query: { limit: "1" } })),
  getCryptoInventory: reads(() => ({ query: { limit: "1" } })),

  ...ruleCases,
  ...learningCases,

  listAuditEvents: reads((_organisation, { txn, usr }) => ({ query: { transaction_id: txn, user_id: usr, limit: "1" } })),
  getAuditEvent: reads((_organisation, { evt }) => ({ id: evt })),
  getAuditEventProof: { ...reads((_organisation, { evt }) => ({ id: evt })), media: "text/plain; charset=utf-8" },
  getAuditCheckpoint: { ...reads(() => ({ query: { witnessed: "false" } })), media: "text/plain; charset=utf-8" },
  getAuditConsistency: reads(() => ({ query: { from: "1", to: "2" } })),
  getAuditKey: reads(() => ({})),
  getAuditTile: { ...reads(() => ({ id: "0%2F000.p%2F26" })), media: "application/octet-stream" },
};

/** Query parameters that name things and that a case above leaves out, because they exclude the one it gives. */
export const furtherQueries: Readonly<Record<string, (landmarks: Landmarks) => Readonly<Record<string, string>>>> = {
  listTransactions: ({ usr }) => ({ user_id: usr, limit: "1" }),
};
