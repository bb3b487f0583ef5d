import { Type } from "typebox";
import { amountField, currencyField, described, idField, nullable, PLAIN_TEXT, referenceField, timestampField } from "#http/index.ts";
import { factorBodies } from "#factors/index.ts";
import { examples } from "./examples.ts";
import { purposes } from "./approval.ts";
import type { Purpose } from "./approval.ts";
import { authenticationStatuses } from "./authentication.ts";
import { MAX_PROOFS } from "./verify-authentication.ts";

const strict = { additionalProperties: false } as const;
/** The most payments of a batch that is approved: as many as an atomic batch takes. */
const MAX_BATCH = 10;

export const payeeNameField = Type.String({
  minLength: 1,
  maxLength: 140,
  pattern: PLAIN_TEXT,
  description: "The payee's name exactly as the payer is shown it. It is signed, and stored sealed.",
  examples: ["Bob Example"],
});
export const authenticationIdField = idField(
  "authentication",
  "An authentication that succeeded for exactly this. It is used up; shown for anything else it is void from then on.",
);
const nameField = described(payeeNameField, "What the user calls the payee. It is signed, and stored sealed.");
const paymentType = Type.Unsafe<"transfer" | "withdrawal" | "hold">(
  Type.String({ enum: ["transfer", "withdrawal", "hold"], description: "What is to be asked for; `transfer` when absent." }),
);

const paymentShown = Type.Object(
  {
    type: described(paymentType, "What is approved."),
    from_account_id: idField("account", "The account that pays."),
    to_account_id: idField("account", "The account that is paid; of a withdrawal the settlement account."),
    amount: amountField,
    currency: currencyField,
    reference: nullable(Type.String(), "The text shown to payer and payee; null where there is none."),
    payee_name: nullable(Type.String(), "The payee's name as the payer is shown it; null where none is."),
  },
  { description: "A payment, as it is signed." },
);

/** An authentication as the API shows it. */
export const authenticationSchema = Type.Object(
  {
    id: idField("authentication"),
    object: Type.Literal("authentication"),
    user_id: idField("user", "Who authenticates."),
    purpose: Type.Enum([...purposes], { description: "What for." }),
    status: Type.Enum([...authenticationStatuses], {
      description:
        "`pending`: waits for the factors. `succeeded`: may be used once, within five minutes. `consumed`: was used. `failed`: answered wrongly " +
        "too often. `invalidated`: canceled, or shown for something else than was approved. `expired`: its time is over.",
    }),
    transaction_id: nullable(idField("transaction"), "The payment that waits for it; null where what is approved is yet to be asked for."),
    approval: Type.Object(
      {
        user_id: idField("user", "Who approves."),
        purpose: Type.Enum([...purposes], { description: "What for." }),
        transaction_id: Type.Optional(nullable(idField("transaction"), "The payment that waits, where one does.")),
        payment: nullable(paymentShown, "The payment that is approved; null for every other purpose."),
        payments: nullable(Type.Array(paymentShown), "The payments of a batch, in their order; null for every other purpose."),
        total: nullable(Type.String(), "What a batch comes to, minor units as decimal digits; null for every other purpose."),
        beneficiary: nullable(
          Type.Object({
            account_id: idField("account", "The account to be trusted."),
            name: Type.String({ description: "What the user calls the payee." }),
            beneficiary_id: nullable(idField("beneficiary"), "The one that is changed; null for a new one."),
          }),
          "The trusted beneficiary; null for every other purpose.",
        ),
        standing_order: nullable(
          Type.Object({
            from_account_id: idField("account", "The account that pays."),
            to_account_id: idField("account", "The account that is paid."),
            amount: amountField,
            currency: currencyField,
            payee_name: nullable(Type.String(), "The payee's name as the payer is shown it; null where none is."),
            standing_order_id: nullable(idField("standingOrder"), "The one that is changed; null for a new one."),
          }),
          "The series of payments; null for every other purpose.",
        ),
      },
      { description: "What is signed, member by member. Show the payer amount, currency and payee from here." },
    ),
    challenge: Type.String({
      description:
        "base64url: SHA-256 of a nonce, which is not shown, and the RFC 8785 text of what is approved. It is for the browser, not to be computed anew.",
    }),
    passkey_options: nullable(
      Type.Object({}, { additionalProperties: true }),
      "What to hand to `navigator.credentials.get()` (PublicKeyCredentialRequestOptionsJSON); null once there is nothing to be asked.",
    ),
    factors: Type.Array(
      Type.Object({
        id: idField("factor"),
        type: Type.String({ description: "Its kind." }),
      }),
      { description: "The factors that were shown; empty before." },
    ),
    used_for: nullable(Type.String(), "The id of what it was used for; null before."),
    created_at: timestampField,
    expires_at: described(timestampField, "Until when it can be answered; once it has succeeded, until when it can be used."),
    succeeded_at: nullable(timestampField, "When the factors were right; null before."),
  },
  {
    $id: "Authentication",
    description: "One strong customer authentication, bound to what is approved.",
    examples: [examples.authentication],
  },
);

const paymentFields = Type.Object(
  {
    type: Type.Optional(paymentType),
    from_account_id: idField("account", "The account that pays; one of this user's."),
    to_account_id: Type.Optional(idField("account", "The account that is paid. Left out for a withdrawal.")),
    amount: amountField,
    currency: currencyField,
    reference: Type.Optional(referenceField),
    payee_name: Type.Optional(payeeNameField),
  },
  { ...strict, description: "A payment that is yet to be asked for. What is asked for then has to be the same in every field." },
);

export const createBody = Type.Object(
  {
    user_id: idField("user", "Who is to authenticate."),
    purpose: Type.Unsafe<Purpose>(
      Type.String({
        enum: [...purposes],
        description: "What for. All but the last two go with a member of what is approved.",
        examples: ["account_access"],
      }),
    ),
    transaction_id: Type.Optional(idField("transaction", "A payment with the status `requires_action`. For the purpose `payment`.")),
    payee_name: Type.Optional(described(payeeNameField, "The payee's name as the payer is shown it. Together with `transaction_id` only.")),
    payment: Type.Optional(paymentFields),
    batch: Type.Optional(
      Type.Array(paymentFields, { minItems: 1, maxItems: MAX_BATCH, description: "The transfers of an atomic batch, in their order." }),
    ),
    beneficiary: Type.Optional(
      Type.Object(
        {
          account_id: idField("account", "The account to be trusted."),
          name: nameField,
          beneficiary_id: Type.Optional(idField("beneficiary", "The one to be changed; left out for a new one.")),
        },
        { ...strict, description: "A payee for the list of trusted beneficiaries." },
      ),
    ),
    standing_order: Type.Optional(
      Type.Object(
        {
          from_account_id: idField("account", "The account that pays; one of this user's."),
          to_account_id: idField("account", "The account that is paid."),
          amount: amountField,
          currency: currencyField,
          payee_name: Type.Optional(payeeNameField),
          standing_order_id: Type.Optional(idField("standingOrder", "The one to be changed; left out for a new one.")),
        },
        { ...strict, description: "A series of payments of one amount to one payee." },
      ),
    ),
  },
  { ...strict, examples: [examples.forWaiting, examples.before] },
);

export const verifyBody = Type.Object(
  {
    proofs: Type.Array(
      Type.Object(
        {
          type: factorBodies.proofField.properties.type,
          code: factorBodies.proofField.properties.code,
          response: factorBodies.proofField.properties.response,
        },
        { ...strict, description: "A `code`, or for `passkey` the `response` to `passkey_options`." },
      ),
      {
        minItems: 1,
        maxItems: MAX_PROOFS,
        description: "The factors shown. They have to be of two different categories; a passkey with user verification is both by itself.",
      },
    ),
  },
  strict,
);

export const beneficiarySchema = Type.Object(
  {
    id: idField("beneficiary"),
    object: Type.Literal("beneficiary"),
    user_id: idField("user", "Whose list it is on."),
    account_id: idField("account", "The account that is trusted."),
    name: Type.String({ description: "What the user calls the payee." }),
    status: Type.Enum(["active", "removed"], { description: "Only an active one exempts payments." }),
    authentication_id: idField("authentication", "The authentication of its latest change."),
    created_at: timestampField,
    updated_at: timestampField,
    version: Type.Integer({ description: "Counts the changes." }),
  },
  { $id: "Beneficiary", description: "A payee whom a user trusts: payments there need no authentication (RTS Art 13)." },
);
export const createBeneficiaryBody = Type.Object(
  {
    user_id: idField("user", "Whose list."),
    account_id: idField("account", "The account to be trusted."),
    name: nameField,
    authentication_id: authenticationIdField,
  },
  strict,
);
export const updateBeneficiaryBody = Type.Object({ name: nameField, authentication_id: authenticationIdField }, strict);

export const standingOrderSchema = Type.Object(
  {
    id: idField("standingOrder"),
    object: Type.Literal("standing_order"),
    user_id: idField("user", "Who made it: one who may start payments from the account."),
    from_account_id: idField("account", "The account that pays."),
    to_account_id: idField("account", "The account that is paid."),
    amount: amountField,
    currency: currencyField,
    status: Type.Enum(["active", "canceled"], { description: "Only payments of an active one are exempt." }),
    payments: Type.Integer({
      minimum: 0,
      description: "Payments of the series, from its first authenticated one on; 0 again after a change.",
    }),
    authentication_id: idField("authentication", "The authentication of its latest change."),
    created_at: timestampField,
    updated_at: timestampField,
    version: Type.Integer({ description: "Counts the changes." }),
  },
  {
    $id: "StandingOrder",
    description: "A series of payments of one amount to one payee (RTS Art 14). You make its payments, and name it in them.",
  },
);
export const createStandingOrderBody = Type.Object(
  {
    from_account_id: idField("account", "The account that pays; a user's."),
    to_account_id: idField("account", "The account that is paid."),
    amount: amountField,
    currency: currencyField,
    payee_name: Type.Optional(payeeNameField),
    authentication_id: authenticationIdField,
  },
  strict,
);
export const updateStandingOrderBody = Type.Object(
  {
    to_account_id: Type.Optional(idField("account", "Another payee; as it is when absent.")),
    amount: Type.Optional(described(amountField, "Another amount, minor units; as it is when absent.")),
    payee_name: Type.Optional(payeeNameField),
    authentication_id: authenticationIdField,
  },
  strict,
);
