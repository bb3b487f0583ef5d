import { Type } from "typebox";
import { currencyField, described, exampleId, idField, metadataField, minorField, nullable, timestampField } from "#http/index.ts";
import type { HolderRole } from "#ledger/index.ts";
import { accountTypes, holderRoles } from "#ledger/index.ts";

const id = exampleId("account");
const at = "2026-11-22T19:25:52.275Z";

/** What names a holder of an account. */
export const holderFields = {
  user_id: idField("user", "The user who holds the account."),
  role: Type.Unsafe<HolderRole>(
    Type.String({
      enum: [...holderRoles],
      description:
        "`owner` and `joint_owner` own the money, an `authorised_signatory` may act for them, a `viewer` looks on, and a `beneficial_owner` " +
        "is a person behind a business.",
    }),
  ),
};

/** An account as the API shows it. */
export const accountSchema = Type.Object(
  {
    id: idField("account"),
    object: Type.Literal("account"),
    user_id: nullable(idField("user"), "Its first owner; null for an account of the organisation itself."),
    holders: Type.Array(Type.Object(holderFields), { description: "Everybody who holds it, the first owner first." }),
    type: Type.Enum([...accountTypes], {
      description: "Settlement accounts stand for the outside: money enters and leaves through them. The ledger opens one per currency.",
    }),
    currency: currencyField,
    status: Type.Enum(["active", "frozen", "closed"], {
      description: "No money moves on a frozen account until it is unfrozen; a closed one stays closed.",
    }),
    restriction: nullable(
      Type.Enum(["pending", "restricted"]),
      "What the statuses of its owners and beneficial owners do to it: no money moves while one is `pending`, or restricted without ever " +
        "having been verified; none leaves while one is `restricted`. Null where all are active.",
    ),
    balance: described(minorField, "The sum of its entries, in minor units. Negative where an overdraft is in use."),
    held: described(minorField, "What holds and payments in review reserve, in minor units."),
    available: nullable(
      minorField,
      "What can be spent, in minor units: `balance` - `held` + `overdraft_limit`. Null for settlement accounts.",
    ),
    overdraft_limit: described(minorField, "How far the balance may go below zero, in minor units."),
    interest_rate_bps: Type.Integer({ description: "Interest a year in basis points: 25 is 0.25 %." }),
    metadata: metadataField,
    version: Type.Integer({ minimum: 1, description: "Grows with every change; the `ETag` says the same." }),
    created_at: timestampField,
    updated_at: timestampField,
  },
  {
    $id: "Account",
    description: "`available` is `balance` - `held` + `overdraft_limit`, and null for settlement accounts, which have no floor.",
    examples: [
      {
        id,
        object: "account",
        user_id: exampleId("user"),
        holders: [{ user_id: exampleId("user"), role: "owner" }],
        type: "checking",
        currency: "EUR",
        status: "active",
        restriction: null,
        balance: 98_750,
        held: 5000,
        available: 93_750,
        overdraft_limit: 0,
        interest_rate_bps: 0,
        metadata: {},
        version: 4,
        created_at: at,
        updated_at: at,
      },
    ],
  },
);

/** An account's balance at one time. */
export const balanceSchema = Type.Object(
  {
    object: Type.Literal("balance"),
    account_id: idField("account"),
    currency: currencyField,
    balance: described(minorField, "The sum of the entries posted until `at`, in minor units."),
    at: described(timestampField, "The time this is the balance of, RFC 3339, UTC."),
  },
  {
    $id: "Balance",
    description: "An account's balance at one time.",
    examples: [{ object: "balance", account_id: id, currency: "EUR", balance: 98_750, at }],
  },
);

/** One entry of an account. */
export const entrySchema = Type.Object(
  {
    object: Type.Literal("entry"),
    account_id: idField("account"),
    number: Type.Integer({ minimum: 1, description: "1, 2, 3 … without a gap." }),
    transaction_id: idField("transaction", "The transaction it was posted by."),
    amount: Type.Integer({ description: "Signed, in minor units: a debit is negative." }),
    balance_after: described(minorField, "The balance after this entry, in minor units."),
    posted_at: described(timestampField, "When it was posted, RFC 3339, UTC."),
  },
  {
    $id: "Entry",
    description: "Immutable. A correction is a further entry.",
    examples: [
      {
        object: "entry",
        account_id: id,
        number: 2,
        transaction_id: exampleId("transaction"),
        amount: -1250,
        balance_after: 98_750,
        posted_at: at,
      },
    ],
  },
);
