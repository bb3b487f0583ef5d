import { Type } from "typebox";
import { amountField, currencyField, idField, metadataField, minorField, nullable, referenceField, timestampField } from "#http/index.ts";
import { transactionStatuses, transactionTypes } from "#ledger/index.ts";
import { assessmentSchema, riskContextSchema } from "#risk/index.ts";
import { reviewStatuses } from "./review.ts";

const scoreField = nullable(Type.Number({ minimum: 0, maximum: 1 }));

/** A transaction as the API shows it. */
export const transactionSchema = Type.Object(
  {
    id: idField("transaction"),
    object: Type.Literal("transaction"),
    type: Type.Enum([...transactionTypes]),
    status: Type.Enum([...transactionStatuses]),
    from_account_id: idField("account"),
    to_account_id: idField("account"),
    amount: amountField,
    currency: currencyField,
    reference: nullable(Type.String()),
    metadata: metadataField,
    risk_score: scoreField,
    risk: nullable(assessmentSchema),
    review_id: nullable(idField("review")),
    hold_id: nullable(idField("hold")),
    reverses: nullable(idField("transaction")),
    reversed_amount: minorField,
    created_at: timestampField,
    posted_at: nullable(timestampField),
  },
  { $id: "Transaction" },
);

/** A hold as the API shows it. */
export const holdSchema = Type.Object(
  {
    id: idField("hold"),
    object: Type.Literal("hold"),
    status: Type.Enum(["active", "captured", "voided", "expired"]),
    from_account_id: idField("account"),
    to_account_id: idField("account"),
    amount: amountField,
    captured_amount: minorField,
    remaining_amount: minorField,
    currency: currencyField,
    reference: nullable(Type.String()),
    metadata: metadataField,
    risk_score: scoreField,
    expires_at: timestampField,
    created_at: timestampField,
    updated_at: timestampField,
  },
  { $id: "Hold" },
);

/** A review as the API shows it. */
export const reviewSchema = Type.Object(
  {
    id: idField("review"),
    object: Type.Literal("review"),
    status: Type.Enum([...reviewStatuses]),
    transaction_id: idField("transaction"),
    from_account_id: idField("account"),
    to_account_id: idField("account"),
    amount: amountField,
    currency: currencyField,
    risk: nullable(assessmentSchema),
    created_at: timestampField,
    decided_at: nullable(timestampField),
    decided_by: nullable(Type.String()),
  },
  { $id: "Review" },
);

/** The results of a batch, in the order of its transfers. */
export const batchSchema = Type.Object(
  {
    object: Type.Literal("transfer_batch"),
    mode: Type.Enum(["independent", "atomic"]),
    results: Type.Array(
      Type.Object({
        index: Type.Integer({ minimum: 0 }),
        status: Type.Integer({ description: "What POST /v1/transfers would have answered: 201, 202 or a problem's status." }),
        transaction_id: Type.Optional(idField("transaction")),
        transaction_status: Type.Optional(Type.Enum([...transactionStatuses])),
        risk_score: Type.Optional(scoreField),
        review_id: Type.Optional(nullable(idField("review"))),
        code: Type.Optional(Type.String({ description: "The problem's code." })),
        title: Type.Optional(Type.String()),
        param: Type.Optional(Type.String()),
        detail: Type.Optional(Type.String()),
      }),
    ),
  },
  { $id: "TransferBatch" },
);

const free = {
  reference: Type.Optional(referenceField),
  metadata: Type.Optional(metadataField),
};
const strict = { additionalProperties: false } as const;
const parties = {
  from_account_id: idField("account"),
  to_account_id: idField("account"),
  amount: amountField,
  currency: currencyField,
};

export const transferBody = Type.Object({ ...parties, ...free, context: Type.Optional(riskContextSchema) }, strict);
export const batchBody = Type.Object(
  {
    mode: Type.Unsafe<"independent" | "atomic">(
      Type.String({ enum: ["independent", "atomic"], description: "`atomic`: all or none, at most 10 transfers." }),
    ),
    transfers: Type.Array(transferBody, { minItems: 1, maxItems: 1000 }),
  },
  strict,
);
export const depositBody = Type.Object({ account_id: idField("account"), amount: amountField, currency: currencyField, ...free }, strict);
export const withdrawalBody = Type.Object(
  {
    account_id: idField("account"),
    amount: amountField,
    currency: currencyField,
    ...free,
    context: Type.Optional(riskContextSchema),
  },
  strict,
);
export const reversalBody = Type.Object({ amount: Type.Optional(amountField), ...free }, strict);
export const authoriseBody = Type.Object(
  {
    ...parties,
    expires_in: Type.Optional(
      Type.Integer({ minimum: 60, maximum: 31 * 24 * 60 * 60, description: "Seconds until the hold expires; 604800 when absent." }),
    ),
    ...free,
    context: Type.Optional(riskContextSchema),
  },
  strict,
);
export const incrementBody = Type.Object({ amount: amountField }, strict);
export const captureBody = Type.Object(
  { amount: amountField, final: Type.Optional(Type.Boolean({ description: "Releases what remains after this part." })), ...free },
  strict,
);
