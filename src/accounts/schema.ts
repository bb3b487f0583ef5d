import { Type } from "typebox";
import { currencyField, idField, metadataField, minorField, nullable, timestampField } from "#http/index.ts";
import { accountTypes } from "#ledger/index.ts";

/** An account as the API shows it. */
export const accountSchema = Type.Object(
  {
    id: idField("account"),
    object: Type.Literal("account"),
    user_id: nullable(idField("user")),
    type: Type.Enum([...accountTypes]),
    currency: currencyField,
    status: Type.Enum(["active", "frozen", "closed"]),
    balance: minorField,
    held: minorField,
    available: nullable(minorField),
    overdraft_limit: minorField,
    interest_rate_bps: Type.Integer(),
    metadata: metadataField,
    version: Type.Integer({ minimum: 1 }),
    created_at: timestampField,
    updated_at: timestampField,
  },
  {
    $id: "Account",
    description: "`available` is `balance` - `held` + `overdraft_limit`, and null for settlement accounts, which have no floor.",
  },
);

/** An account's balance at one time. */
export const balanceSchema = Type.Object(
  {
    object: Type.Literal("balance"),
    account_id: idField("account"),
    currency: currencyField,
    balance: minorField,
    at: timestampField,
  },
  { $id: "Balance" },
);

/** One entry of an account. */
export const entrySchema = Type.Object(
  {
    object: Type.Literal("entry"),
    account_id: idField("account"),
    number: Type.Integer({ minimum: 1, description: "1, 2, 3 … without a gap." }),
    transaction_id: idField("transaction"),
    amount: Type.Integer({ description: "Signed, in minor units: a debit is negative." }),
    balance_after: minorField,
    posted_at: timestampField,
  },
  { $id: "Entry", description: "Immutable. A correction is a further entry." },
);
