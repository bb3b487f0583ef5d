/** What the OpenAPI document shows for authentications: Alice approves a payment to Bob that waits. */

const user = "usr_01M82BHM94EKAVVN1J472JCKY4";
const alice = "acc_01M82BHM94EKAVVN1J472JCKY4";
const bob = "acc_01M82BHM94EKDS19EG849YHCB7";
const transaction = "txn_01M82BK3W7F8HSV0T5X9C2QJRD";
const challenge = "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg";
const payment = {
  type: "transfer",
  from_account_id: alice,
  to_account_id: bob,
  amount: 12_350,
  currency: "EUR",
  reference: "Lunch",
  payee_name: "Bob Example",
};

export const examples = {
  forWaiting: { user_id: user, purpose: "payment", transaction_id: transaction, payee_name: "Bob Example" },
  before: { user_id: user, purpose: "payment", payment },
  authentication: {
    id: "aut_01M82BK5D0EZ5VVN1J472JCKY4",
    object: "authentication",
    user_id: user,
    purpose: "payment",
    status: "pending",
    transaction_id: transaction,
    approval: {
      user_id: user,
      purpose: "payment",
      transaction_id: transaction,
      payment,
      payments: null,
      total: null,
      beneficiary: null,
      standing_order: null,
    },
    challenge,
    passkey_options: {
      challenge,
      rpId: "bank.example",
      userVerification: "required",
      timeout: 300_000,
      allowCredentials: [{ id: "4UyGIcOsqPKGhAJx7jGdQnYJ1u2w8b1cUu5rxfSJqEo", type: "public-key", transports: ["internal"] }],
    },
    factors: [],
    used_for: null,
    created_at: "2026-11-22T19:31:09.120Z",
    expires_at: "2026-11-22T19:36:09.120Z",
    succeeded_at: null,
  },
};
