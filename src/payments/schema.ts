import { Type } from "typebox";
import {
  amountField,
  currencyField,
  described,
  idField,
  metadataField,
  minorField,
  nullable,
  referenceField,
  timestampField,
} from "#http/index.ts";
import { transactionStatuses, transactionTypes } from "#ledger/index.ts";
import { authenticationIdField, exemptions, payeeNameField, scaModes } from "#authentications/index.ts";
import { assessmentSchema, riskContextSchema } from "#risk/index.ts";
import { examples } from "./examples.ts";
import { riskReasons } from "./review-reasons.ts";

const scoreField = nullable(
  Type.Number({ minimum: 0, maximum: 1 }),
  "How suspicious the payment is, from 0 to 1 with at most four decimals; null where nothing was scored.",
);
const payer = idField("account", "The account that pays.");
const payee = idField("account", "The account that is paid.");
const keptReference = nullable(Type.String(), "The text shown to payer and payee; null when none was given.");
const statusField = Type.Enum([...transactionStatuses], {
  description:
    "`posted`: the money has moved. `pending_review`: its funds are held until a review is decided. `requires_action`: its funds are held until " +
    "its payer has approved it. `rejected`: nothing moved. " +
    "`blocked`: asked for and declined at once, nothing was ever held.",
});

const counters = Type.Object({
  count: Type.Integer({ minimum: 0, description: "Payments that went through as low value since the payer was last authenticated." }),
  amount: described(minorField, "What they came to, minor units of EUR."),
});
const scaSchema = Type.Object({
  mode: Type.Enum([...scaModes], { description: "The organisation's policy at the payment." }),
  outcome: Type.Enum(["authenticated", "exempt", "required"], {
    description: "What was decided. `required`: the payment waited, or waits, for it.",
  }),
  exemption: nullable(Type.Enum([...exemptions]), "The exemption that was applied; null for none."),
  authentication_id: nullable(idField("authentication"), "The authentication the payment was approved by; null for none."),
  inputs: Type.Object(
    {
      action: Type.Enum(["allow", "challenge", "review"], { description: "What risk asked for." }),
      risk_score: Type.Number({ minimum: 0, maximum: 1, description: "The score." }),
      risk_flags: Type.Array(Type.String(), { description: "What spoke against the payment." }),
      own_account: Type.Boolean({ description: "Payer's and payee's account are one user's." }),
      trusted_beneficiary: Type.Boolean({ description: "The payee was on the payer's list." }),
      standing_order_id: nullable(idField("standingOrder"), "The series the payment named; null for none."),
      fraud_rate_ppm: nullable(Type.Integer(), "The reported fraud rate, millionths; null for none."),
      exemption_threshold: nullable(Type.Integer(), "Up to which amount that rate exempts, minor units of EUR; null where it does not."),
    },
    { description: "What was decided by." },
  ),
  counters_before: described(counters, "The payer's counters before this payment."),
  counters_after: described(counters, "And after it."),
});

/** A transaction as the API shows it. */
export const transactionSchema = Type.Object(
  {
    id: idField("transaction"),
    object: Type.Literal("transaction"),
    type: Type.Enum([...transactionTypes], { description: "What kind of movement this is." }),
    status: statusField,
    from_account_id: payer,
    to_account_id: payee,
    amount: amountField,
    currency: currencyField,
    reference: keptReference,
    metadata: metadataField,
    risk_score: scoreField,
    risk: nullable(assessmentSchema, "How the payment was scored; null where nothing was."),
    risk_reason: nullable(
      Type.Enum([...riskReasons]),
      "What customers may be told of why the payment waits, or did not go through; tells nothing of how it was scored. Null for one " +
        "that never waited.",
    ),
    sca: nullable(scaSchema, "Why the payer had to be authenticated, or had not; null where nobody asked."),
    requires_action: nullable(
      Type.Object({
        type: Type.Literal("authenticate"),
        user_id: idField(
          "user",
          "Who can approve the payment: the account's first owner, or another holder where that one has no passkey.",
        ),
        transaction_id: idField("transaction", "What to name in POST /v1/authentications."),
        expires_at: described(timestampField, "Until when. Then the payment is rejected and its funds are free."),
      }),
      "What the payment waits for; null unless its status is `requires_action`.",
    ),
    review_id: nullable(idField("review"), "The review that decides, or decided, this payment; null when it needed none."),
    hold_id: nullable(idField("hold"), "The hold that this captures; null for everything but captures."),
    reverses: nullable(idField("transaction"), "The transaction that this reverses; null for everything but reversals."),
    reversed_amount: described(minorField, "How much of the amount has been reversed, in minor units."),
    created_at: timestampField,
    posted_at: nullable(timestampField, "When the money moved, RFC 3339; null while or where it has not."),
  },
  { $id: "Transaction", description: "A movement of money from one account to another.", examples: [examples.transaction] },
);

/** A hold as the API shows it. */
export const holdSchema = Type.Object(
  {
    id: idField("hold"),
    object: Type.Literal("hold"),
    status: Type.Enum(["active", "captured", "voided", "expired"], {
      description: "Only an active hold reserves funds and can be used. `expired` from the very moment of `expires_at`.",
    }),
    from_account_id: payer,
    to_account_id: payee,
    amount: described(amountField, "Everything authorised so far, increments included, in minor units."),
    captured_amount: described(minorField, "What has been captured, in minor units."),
    remaining_amount: described(minorField, "What is still reserved and can be captured, in minor units; 0 unless active."),
    currency: currencyField,
    reference: keptReference,
    metadata: metadataField,
    risk_score: scoreField,
    expires_at: described(timestampField, "When what remains is released, RFC 3339, UTC."),
    created_at: timestampField,
    updated_at: timestampField,
  },
  {
    $id: "Hold",
    description: "Funds of a payer set aside for a payee, to be captured wholly, in parts, or voided.",
    examples: [examples.hold],
  },
);

/** The results of a batch, in the order of its transfers. */
export const batchSchema = Type.Object(
  {
    object: Type.Literal("transfer_batch"),
    mode: Type.Enum(["independent", "atomic"], { description: "As it was asked for." }),
    results: Type.Array(
      Type.Object({
        index: Type.Integer({ minimum: 0, description: "The place of the transfer in the request, from 0." }),
        status: Type.Integer({ description: "What POST /v1/transfers would have answered: 201, 202 or a problem's status." }),
        transaction_id: Type.Optional(
          idField("transaction", "The transaction; absent for a transfer that was refused, unless it was blocked."),
        ),
        transaction_status: Type.Optional(statusField),
        risk_score: Type.Optional(scoreField),
        review_id: Type.Optional(nullable(idField("review"), "The review that the payment waits for; null when it needs none.")),
        code: Type.Optional(Type.String({ description: "The problem's code, for a transfer that was refused." })),
        title: Type.Optional(Type.String({ description: "The problem's title." })),
        param: Type.Optional(Type.String({ description: "The field at fault, counted from the transfer." })),
        detail: Type.Optional(Type.String({ description: "For humans; may change." })),
      }),
      { description: "One for each transfer, in their order." },
    ),
  },
  { $id: "TransferBatch", description: "What became of each transfer of a batch.", examples: [examples.batch] },
);

const free = {
  reference: Type.Optional(referenceField),
  metadata: Type.Optional(metadataField),
};
const strict = { additionalProperties: false } as const;
const parties = {
  from_account_id: payer,
  to_account_id: payee,
  amount: amountField,
  currency: described(currencyField, "ISO 4217 alphabetic code, the same as that of both accounts."),
};

const approved = { payee_name: Type.Optional(payeeNameField), authentication_id: Type.Optional(authenticationIdField) };
const standingOrder = { standing_order_id: Type.Optional(idField("standingOrder", "The standing order this is a payment of.")) };

export const transferBody = Type.Object(
  { ...parties, ...free, ...approved, ...standingOrder, context: Type.Optional(riskContextSchema) },
  { ...strict, examples: [examples.transferBody] },
);
/** A transfer of a batch: what approves it approves the whole batch. */
const batchedTransfer = Type.Object(
  { ...parties, ...free, ...standingOrder, payee_name: approved.payee_name, context: Type.Optional(riskContextSchema) },
  { ...strict, examples: [examples.transferBody] },
);
export const batchBody = Type.Object(
  {
    mode: Type.Unsafe<"independent" | "atomic">(
      Type.String({ enum: ["independent", "atomic"], description: "`atomic`: all or none, at most 10 transfers." }),
    ),
    authentication_id: approved.authentication_id,
    transfers: Type.Array(batchedTransfer, { minItems: 1, maxItems: 1000, description: "1 to 1,000 transfers, decided in this order." }),
  },
  { ...strict, examples: [examples.batchBody] },
);
export const depositBody = Type.Object(
  { account_id: idField("account", "The account that is credited."), amount: amountField, currency: parties.currency, ...free },
  { ...strict, examples: [examples.depositBody] },
);
export const withdrawalBody = Type.Object(
  {
    account_id: idField("account", "The account that is debited."),
    amount: amountField,
    currency: parties.currency,
    ...free,
    ...approved,
    context: Type.Optional(riskContextSchema),
  },
  { ...strict, examples: [examples.withdrawalBody] },
);
export const reversalBody = Type.Object(
  { amount: Type.Optional(described(amountField, "Minor units to give back; all that has not been reversed yet when absent.")), ...free },
  { ...strict, examples: [{}, { amount: 250, reference: "Refund" }] },
);
export const authoriseBody = Type.Object(
  {
    ...parties,
    expires_in: Type.Optional(
      Type.Integer({ minimum: 60, maximum: 31 * 24 * 60 * 60, description: "Seconds until the hold expires; 604800 when absent." }),
    ),
    ...free,
    ...approved,
    context: Type.Optional(riskContextSchema),
  },
  { ...strict, examples: [examples.authoriseBody] },
);
export const incrementBody = Type.Object(
  { amount: described(amountField, "By how much to raise the hold, in minor units."), context: Type.Optional(riskContextSchema) },
  { ...strict, examples: [{ amount: 1000 }] },
);
export const captureBody = Type.Object(
  {
    amount: Type.Optional(described(amountField, "Minor units to capture; all that remains of the hold when absent.")),
    final: Type.Optional(Type.Boolean({ description: "Whether to release what remains after this part; false when absent." })),
    ...free,
  },
  { ...strict, examples: [{}, { amount: 2000, final: true }] },
);
