import { Type } from "typebox";
import {
  amountField,
  currencyField,
  described,
  exampleId,
  idField,
  minorField,
  nullable,
  PLAIN_TEXT,
  timestampField,
} from "#http/index.ts";
import { MAX_JOURNAL_LINES } from "#ledger/index.ts";
import { approvalStatuses } from "./approval.ts";
import { MAX_APPROVALS, MAX_EXPIRY_HOURS, MAX_LIMITS } from "./policy.ts";

const strict = { additionalProperties: false } as const;
const at = "2026-11-22T19:25:52.275Z";
const HASH = "^[0-9a-f]{64}$";

const hashField = Type.String({
  pattern: HASH,
  description: "Lower-case hexadecimal SHA-256 of the RFC 8785 canonical JSON of what is asked for and of what approval it belongs to.",
  examples: ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
});
const reasonField = Type.String({
  minLength: 1,
  maxLength: 500,
  pattern: PLAIN_TEXT,
  description: "For whoever reads the approval later. Up to 500 characters, no control characters; no personal data.",
  examples: ["Checked against the contract."],
});

const whoFields = {
  person_id: nullable(Type.String(), "Whom this counts as: an operator, or an API key that belongs to none."),
  api_key_id: nullable(Type.String(), "The API key that was used; null in a session."),
  operator_id: nullable(Type.String(), "The operator who was signed in; null where an API key was used."),
};
const givenSchema = Type.Object({
  ...whoFields,
  at: timestampField,
  reason: nullable(Type.String(), "What was said to it; null when nothing was."),
});

/** An approval as the API shows it. */
export const approvalSchema = Type.Object(
  {
    id: idField("approval"),
    object: Type.Literal("approval"),
    kind: Type.String({ description: "The kind of operation, as the control policy names it.", examples: ["withdrawal"] }),
    summary: Type.String({ description: "What it is about, in a few words." }),
    status: Type.Enum([...approvalStatuses], {
      description:
        "`pending` waits for approvals. `approved` has them and is being executed. `executed` is done, `failed` was refused when it was to be " +
        "done. `voided`: taken back by its maker, or the maker may not do it any more.",
    }),
    payload: Type.Object(
      {
        operation: Type.String({ description: "The operationId of what is to be done.", examples: ["createWithdrawal"] }),
        params: Type.Record(Type.String(), Type.String(), { description: "The parameters of its path." }),
        body: Type.Unsafe<object>(Type.Object({}, { description: "Its body.", additionalProperties: true })),
        if_match: nullable(Type.String(), "Its `If-Match`; null when none was sent."),
      },
      { description: "Exactly what will be done. Stored encrypted." },
    ),
    payload_hash: described(hashField, "Name it when you approve: it stands for what you have read."),
    revision: Type.Integer({ minimum: 1, description: "Grows with every amendment, which makes the approvals so far void." }),
    required_approvals: Type.Integer({ minimum: 1, maximum: MAX_APPROVALS, description: "Persons beside the maker." }),
    requested_by: Type.Object(whoFields, { description: "The maker, who cannot approve." }),
    approvals: Type.Array(givenSchema, { description: "The approvals so far, of this revision." }),
    ended_by: nullable(givenSchema, "Who rejected it or took it back; null otherwise."),
    failure: nullable(
      Type.Object({
        code: Type.String({ description: "The code of the problem." }),
        detail: nullable(Type.String(), "For humans; may change."),
      }),
      "Why it was not done, though it was approved, or why it is void; null otherwise.",
    ),
    result_object_id: nullable(Type.String(), "The object that was made or changed; null until it is."),
    created_at: timestampField,
    updated_at: timestampField,
    expires_at: described(timestampField, "From then on nobody can approve it any more."),
    version: Type.Integer({ minimum: 1, description: "Grows with every change." }),
  },
  {
    $id: "Approval",
    description: "An operation that waits for a second person, or waited for one.",
    examples: [
      {
        id: exampleId("approval"),
        object: "approval",
        kind: "withdrawal",
        summary: "Debit an account to the outside",
        status: "pending",
        payload: {
          operation: "createWithdrawal",
          params: {},
          body: { account_id: exampleId("account"), amount: 5_000_000, currency: "EUR" },
          if_match: null,
        },
        payload_hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        revision: 1,
        required_approvals: 1,
        requested_by: { person_id: exampleId("operator"), api_key_id: null, operator_id: exampleId("operator") },
        approvals: [],
        ended_by: null,
        failure: null,
        result_object_id: null,
        created_at: at,
        updated_at: at,
        expires_at: "2026-11-25T19:25:52.275Z",
        version: 1,
      },
    ],
  },
);

/** A secret, shown once. */
export const claimedSecretSchema = Type.Object(
  {
    object: Type.Literal("claimed_secret"),
    approval_id: idField("approval"),
    object_id: Type.String({ description: "The object that the secret belongs to.", examples: [exampleId("apiKey")] }),
    secret: Type.String({ description: "Shown this once." }),
  },
  {
    $id: "ClaimedSecret",
    description: "The secret of what an approval made, for its maker.",
    examples: [{ object: "claimed_secret", approval_id: exampleId("approval"), object_id: exampleId("apiKey"), secret: "The whole key." }],
  },
);

export const approveBody = Type.Object({ payload_hash: hashField, reason: Type.Optional(reasonField) }, strict);
export const rejectBody = Type.Object({ reason: reasonField }, strict);
export const cancelBody = Type.Object({ reason: Type.Optional(reasonField) }, { ...strict, examples: [{}, { reason: "A slip." }] });
export const amendBody = Type.Object(
  {
    body: Type.Unsafe<object>(
      Type.Object({}, { description: "The new body of the operation, in the place of the old one.", additionalProperties: true }),
    ),
  },
  { ...strict, examples: [{ body: { account_id: exampleId("account"), amount: 4_000_000, currency: "EUR" } }] },
);

/** The control policy, and what it is set with. `kinds` is the closed list of this installation. */
export function controlPolicySchemas(kinds: readonly string[]) {
  const kind = Type.Unsafe<string>(
    Type.String({ enum: [...kinds].sort(), description: "The kind of operation.", examples: ["withdrawal"] }),
  );
  const approvals = Type.Integer({
    minimum: 1,
    maximum: MAX_APPROVALS,
    description: "How many persons beside the maker have to approve.",
    examples: [1],
  });
  const limits = Type.Array(
    Type.Object({ currency: currencyField, amount: described(amountField, "Up to this, nobody has to approve; minor units.") }, strict),
    { minItems: 1, maxItems: MAX_LIMITS, description: "Each currency once. A currency that is not named always needs approval." },
  );
  const above = "Only above these amounts, for kinds that know amounts; null: always.";
  const expiry = Type.Integer({ minimum: 1, maximum: MAX_EXPIRY_HOURS, description: "So long an approval waits; 72 to begin with." });
  const policy = Type.Object(
    {
      id: idField("organisation"),
      object: Type.Literal("control_policy"),
      controls: Type.Array(Type.Object({ kind, approvals, above_amount: nullable(limits, above) }), {
        description: "A kind that is not named needs nobody else. Manual journals and resets of factors always do.",
      }),
      expiry_hours: expiry,
      updated_at: nullable(timestampField, "When it was set; null when it never was."),
      version: Type.Integer({ minimum: 1, description: "Grows with every change; the `ETag` says the same." }),
    },
    {
      $id: "ControlPolicy",
      description: "Which operations need a second person.",
      examples: [
        {
          id: exampleId("organisation"),
          object: "control_policy",
          controls: [{ kind: "withdrawal", approvals: 1, above_amount: [{ currency: "EUR", amount: 1_000_000 }] }],
          expiry_hours: 72,
          updated_at: at,
          version: 2,
        },
      ],
    },
  );
  const body = Type.Object(
    {
      controls: Type.Array(Type.Object({ kind, approvals, above_amount: Type.Optional(nullable(limits, above)) }, strict), {
        maxItems: kinds.length,
        description: "All of them, each kind once; what is left out is off.",
      }),
      expiry_hours: Type.Optional(expiry),
    },
    {
      ...strict,
      examples: [{ controls: [{ kind: "withdrawal", approvals: 1, above_amount: [{ currency: "EUR", amount: 1_000_000 }] }] }],
    },
  );
  return { policy, body };
}

const entryFields = {
  account_id: idField("account", "Each account once; settlement accounts included, if they exist."),
  direction: Type.Unsafe<"debit" | "credit">(
    Type.String({ enum: ["debit", "credit"], description: "A debit takes from the balance, a credit adds to it." }),
  ),
  amount: amountField,
};
const journalReason = described(reasonField, "Why. Stored encrypted.");
const attachmentField = Type.String({
  minLength: 1,
  maxLength: 200,
  pattern: PLAIN_TEXT,
  description: "Your own name of the document that shows why; no personal data.",
  examples: ["DMS-2026-4711"],
});

export const journalBody = Type.Object(
  {
    currency: currencyField,
    entries: Type.Array(Type.Object(entryFields, strict), {
      minItems: 2,
      maxItems: MAX_JOURNAL_LINES,
      description: "The debits and the credits are equal.",
    }),
    reason: journalReason,
    attachment_ref: attachmentField,
  },
  {
    ...strict,
    examples: [
      {
        currency: "EUR",
        entries: [
          { account_id: exampleId("account"), direction: "debit", amount: 1250 },
          { account_id: exampleId("account"), direction: "credit", amount: 1250 },
        ],
        reason: "Fee booked to the wrong account.",
        attachment_ref: "DMS-2026-4711",
      },
    ],
  },
);
export const journalReversalBody = Type.Object({ reason: journalReason, attachment_ref: attachmentField }, strict);

/** A journal as the API shows it. */
export const journalSchema = Type.Object(
  {
    id: idField("transaction"),
    object: Type.Literal("journal"),
    currency: currencyField,
    amount: described(amountField, "The sum of the debits, in minor units."),
    entries: Type.Array(
      Type.Object({
        ...entryFields,
        number: Type.Integer({ minimum: 1, description: "The number of the entry among the account's." }),
        balance_after: described(minorField, "The balance after this entry, in minor units."),
      }),
      { description: "All entries, in the order in which they were asked for." },
    ),
    reason: Type.String({ description: "Why." }),
    attachment_ref: Type.String({ description: "The organisation's name of the document that shows why." }),
    approval_id: idField("approval"),
    reverses: nullable(idField("transaction"), "The journal that this one reverses; null for all others."),
    reversed: Type.Boolean({ description: "Whether it has been reversed." }),
    posted_at: timestampField,
  },
  {
    $id: "Journal",
    description: "Manual entries to several accounts, which two persons wanted. Never changed; reversed as a whole.",
    examples: [
      {
        id: exampleId("transaction"),
        object: "journal",
        currency: "EUR",
        amount: 1250,
        entries: [
          { account_id: exampleId("account"), direction: "debit", amount: 1250, number: 4, balance_after: 98_750 },
          { account_id: exampleId("account"), direction: "credit", amount: 1250, number: 1, balance_after: 1250 },
        ],
        reason: "Fee booked to the wrong account.",
        attachment_ref: "DMS-2026-4711",
        approval_id: exampleId("approval"),
        reverses: null,
        reversed: false,
        posted_at: at,
      },
    ],
  },
);
