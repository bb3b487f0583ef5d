/** What the OpenAPI document shows for payments: one story, in which Alice pays Bob. A test holds each against its schema. */

const alice = "acc_01M82BHM94EKAVVN1J472JCKY4";
const bob = "acc_01M82BHM94EKDS19EG849YHCB7";
const transfer = "txn_01M82BHNRJEVBSSMQ92ZWY0M4T";
const suspicious = "txn_01M82BK3W7F8HSV0T5X9C2QJRD";
const review = "rev_01M82BK3W7F8JAY41N6E8RKPZB";
const at = "2026-11-22T19:25:52.275Z";
const later = "2026-11-22T19:31:07.804Z";
const parties = { from_account_id: alice, to_account_id: bob };

const calm = {
  risk_score: 0.1775,
  model: "factors-1",
  factors: { velocity: 0.05, amount: 0.05, location: 0.3, device: 0.4, behaviour: 0.3 },
  reasons: ["location_absent", "device_absent"],
  velocity_count: 1,
};
const alarming = {
  risk_score: 0.83,
  model: "factors-1",
  factors: { velocity: 0.9, amount: 0.8, location: 1, device: 1, behaviour: 0.1 },
  reasons: ["velocity_burst", "amount_unusual", "location_impossible_travel", "device_new"],
  velocity_count: 11,
};

const transaction = {
  id: transfer,
  object: "transaction",
  type: "transfer",
  status: "posted",
  ...parties,
  amount: 1250,
  currency: "EUR",
  reference: "Lunch",
  metadata: { order: "4711" },
  risk_score: calm.risk_score,
  risk: calm,
  review_id: null,
  hold_id: null,
  reverses: null,
  reversed_amount: 0,
  created_at: at,
  posted_at: at,
};
const capturing = { amount: 2000, type: "capture", hold_id: "hld_01M82BJ0F3EZ5VVN1J472JCKY4", reference: "Room 12", metadata: {} };

export const examples = {
  transaction,
  pending: {
    ...transaction,
    id: suspicious,
    status: "pending_review",
    amount: 60_000,
    reference: "Deposit for the car",
    metadata: {},
    risk_score: alarming.risk_score,
    risk: alarming,
    review_id: review,
    created_at: later,
    posted_at: null,
  },
  deposit: {
    ...transaction,
    id: "txn_01M82BHM9WEKGPQJ1Z6V3N8XTC",
    type: "deposit",
    from_account_id: "acc_01M82BHM94EKM0R5Y8D2F7WQZA",
    to_account_id: alice,
    amount: 100_000,
    reference: "Salary",
    risk_score: null,
    risk: null,
  },
  capture: { ...transaction, ...capturing, id: "txn_01M82BJ4C1EZ7R5Y8D2F7WQZAM" },
  reversal: {
    ...transaction,
    id: "txn_01M82BMA6YFBQVVN1J472JCKY4",
    type: "reversal",
    from_account_id: bob,
    to_account_id: alice,
    amount: 250,
    reference: "Refund",
    metadata: {},
    risk_score: null,
    risk: null,
    reverses: transfer,
    created_at: later,
    posted_at: later,
  },
  hold: {
    id: capturing.hold_id,
    object: "hold",
    status: "active",
    ...parties,
    amount: 5000,
    captured_amount: 2000,
    remaining_amount: 3000,
    currency: "EUR",
    reference: "Room 12",
    metadata: {},
    risk_score: calm.risk_score,
    expires_at: "2026-11-29T19:25:52.275Z",
    created_at: at,
    updated_at: later,
  },
  review: {
    id: review,
    object: "review",
    status: "open",
    transaction_id: suspicious,
    ...parties,
    amount: 60_000,
    currency: "EUR",
    risk: alarming,
    created_at: later,
    decided_at: null,
    decided_by: null,
  },
  decided: { decided_at: "2026-11-22T19:40:12.091Z", decided_by: "key_01M82BHM8XEK6XS3S5A9Q0VWET" },
  batch: {
    object: "transfer_batch",
    mode: "independent",
    results: [
      { index: 0, status: 201, transaction_id: transfer, transaction_status: "posted", risk_score: calm.risk_score, review_id: null },
      { index: 1, status: 422, code: "insufficient_funds", title: "The available balance is too small.", param: "amount" },
    ],
  },

  transferBody: {
    ...parties,
    amount: 1250,
    currency: "EUR",
    reference: "Lunch",
    metadata: { order: "4711" },
    context: { device_id: "device-1", ip: "192.0.2.1", latitude: 52.52, longitude: 13.405, country: "DE", user_agent: "Mozilla/5.0" },
  },
  batchBody: {
    mode: "independent",
    transfers: [
      { ...parties, amount: 1250, currency: "EUR", reference: "Lunch" },
      { ...parties, amount: 1_000_000, currency: "EUR" },
    ],
  },
  depositBody: { account_id: alice, amount: 100_000, currency: "EUR", reference: "Salary" },
  withdrawalBody: { account_id: alice, amount: 20_000, currency: "EUR", reference: "Cash" },
  authoriseBody: { ...parties, amount: 5000, currency: "EUR", expires_in: 604_800, reference: "Room 12" },
};
