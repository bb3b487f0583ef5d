import { Type } from "typebox";
import { amountField, currencyField, described, idField, nullable, pageParameters, timeParameter, timestampField } from "#http/index.ts";
import { currencies } from "#kernel/currencies.ts";
import type { Currency } from "#kernel/money.ts";
import { labelValues } from "#labels/index.ts";
import { transactionStatuses, transactionTypes } from "#ledger/index.ts";
import { assessmentSchema } from "#risk/index.ts";
import { examples } from "./examples.ts";
import { MAX_NOTE_LENGTH } from "./review-note.ts";
import type { LinkKind } from "./review-linked.ts";
import type { ReviewFilter } from "./review-list.ts";
import type { ReasonCode, Verdict } from "./review-reasons.ts";
import { reasonCodes, reasonsFor, USUAL_REASON } from "./review-reasons.ts";
import type { ReviewStatus } from "./review.ts";
import { reviewStatuses } from "./review.ts";

const payer = idField("account", "The account that pays.");
const payee = idField("account", "The account that is paid.");

/** A review as the API shows it. */
export const reviewSchema = Type.Object(
  {
    id: idField("review"),
    object: Type.Literal("review"),
    status: Type.Enum([...reviewStatuses], {
      description:
        "`open` until it is decided, once. `approved_once`: waits for the approval of a second key. `expired`: was not decided in time, " +
        "which rejects the payment.",
    }),
    transaction_id: idField("transaction", "The payment that waits."),
    from_account_id: payer,
    to_account_id: payee,
    amount: amountField,
    currency: currencyField,
    risk: nullable(assessmentSchema, "How the payment was scored; `reasons` tells why it waits."),
    assigned_to: nullable(Type.String(), "Who has it in hand: your own id of a person, or the id of a key; null when nobody has."),
    assigned_by: nullable(Type.String(), "Id of the API key that assigned it; null when it is not assigned."),
    assigned_at: nullable(timestampField, "When it was assigned, RFC 3339; null when it is not."),
    note_count: Type.Integer({ minimum: 0, description: "How many notes it has." }),
    due_at: described(timestampField, "By when it is to be decided: `review_due_hours` of the organisation after it was opened."),
    overdue: Type.Boolean({ description: "Whether it is undecided though it was due." }),
    expires_at: described(
      timestampField,
      "From when on, undecided, it is expired: `review_expiry_hours` of the organisation after it was due.",
    ),
    first_approved_by: nullable(Type.String(), "Id of the API key that approved first, where two have to; null without a first approval."),
    first_approved_at: nullable(timestampField, "When it was approved first, RFC 3339; null without a first approval."),
    reason_code: nullable(Type.Enum([...reasonCodes]), "Why it was decided so; null while undecided, and when it expired."),
    created_at: timestampField,
    decided_at: nullable(timestampField, "When it was decided, or expired, RFC 3339; null while undecided."),
    decided_by: nullable(Type.String(), "The person who decided, an operator or an API key; null while undecided, and when it expired."),
  },
  {
    $id: "Review",
    description: "The manual review of one suspicious payment, whose funds are held meanwhile.",
    examples: [examples.review],
  },
);

/** A note as the API shows it. */
export const noteSchema = Type.Object(
  {
    id: idField("reviewNote"),
    object: Type.Literal("review_note"),
    review_id: idField("review", "The review that it is about."),
    text: Type.String({ description: "What was written down." }),
    author: nullable(Type.String(), "The person who wrote it: an operator or an API key."),
    created_at: timestampField,
  },
  { $id: "ReviewNote", description: "What an analyst wrote down. Never changed, never taken away.", examples: [examples.note] },
);

/** A transaction that has something in common with a reviewed one. */
export const linkedSchema = Type.Object(
  {
    id: idField("transaction"),
    object: Type.Literal("linked_transaction"),
    link: Type.Enum(["payee", "device"], { description: "What the two have in common." }),
    type: Type.Enum([...transactionTypes], { description: "What kind of movement it is." }),
    status: Type.Enum([...transactionStatuses], { description: "What became of it." }),
    from_account_id: payer,
    to_account_id: payee,
    amount: amountField,
    currency: currencyField,
    risk_score: nullable(Type.Number({ minimum: 0, maximum: 1 }), "How suspicious it was, from 0 to 1; null where nothing was scored."),
    review_id: nullable(idField("review"), "Its own review; null when it needed none."),
    label: nullable(Type.Enum([...labelValues]), "What it turned out to be; null as long as nobody has told."),
    created_at: timestampField,
  },
  {
    $id: "LinkedTransaction",
    description: "Another transaction, in short, that has the payee or the device in common with a reviewed one.",
    examples: [examples.linked],
  },
);

const strict = { additionalProperties: false } as const;

/** An assignee or an API key's id: no place for names, because it is stored in the clear and asked for in query strings. */
const ASSIGNEE = "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$";

export const assignBody = Type.Object(
  {
    assignee: Type.Optional(
      Type.String({
        pattern: ASSIGNEE,
        description:
          "Your own id of a person: 1 to 64 letters, digits and `_` `.` `:` `-`. Not a name or an address, because it is stored in the " +
          "clear. The calling key when absent.",
        examples: ["analyst-7"],
      }),
    ),
  },
  { ...strict, examples: [{}, { assignee: "analyst-7" }] },
);

const noteText = (description: string) =>
  Type.String({ minLength: 1, maxLength: MAX_NOTE_LENGTH, pattern: "\\S", description, examples: [examples.note.text] });

export const noteBody = Type.Object(
  { text: noteText(`Up to ${MAX_NOTE_LENGTH} characters. May name people: it is stored encrypted.`) },
  { ...strict, examples: [{ text: examples.note.text }] },
);

/** The body of a decision. */
export const decisionBody = (verdict: Verdict) =>
  Type.Object(
    {
      reason_code: Type.Optional(
        Type.Unsafe<ReasonCode>(
          Type.String({
            enum: [...reasonCodes],
            description: `Why: ${reasonsFor(verdict)
              .map((code) => `\`${code}\``)
              .join(", ")}. \`${USUAL_REASON[verdict]}\` when absent. The others are for the other decision.`,
          }),
        ),
      ),
      note: Type.Optional(noteText("Kept as a note of the review, as POST /v1/reviews/{id}/notes does.")),
    },
    { ...strict, examples: [{}, { reason_code: reasonsFor(verdict)[0], note: examples.note.text }] },
  );

const minorText = (description: string) =>
  Type.Optional(Type.String({ pattern: "^(0|[1-9][0-9]{0,15})$", description, examples: ["50000"] }));

/** The query of the list of reviews. */
export const reviewQuery = Type.Object(
  {
    ...pageParameters,
    status: Type.Optional(Type.Unsafe<ReviewStatus>(Type.String({ enum: [...reviewStatuses], description: "Only those of this status." }))),
    assigned_to: Type.Optional(
      Type.String({ pattern: ASSIGNEE, description: "Only those in these hands: as given when assigned.", examples: ["analyst-7"] }),
    ),
    assigned: Type.Optional(
      Type.Unsafe<"true" | "false">(
        Type.String({ enum: ["true", "false"], description: "`false`: only those nobody has in hand; `true`: only the others." }),
      ),
    ),
    min_risk_score: Type.Optional(
      Type.String({
        pattern: "^(0(\\.[0-9]{1,4})?|1(\\.0{1,4})?)$",
        description: "Only those with this score or more, 0 to 1 with at most four decimals.",
        examples: ["0.9"],
      }),
    ),
    min_amount: minorText("Only payments of this amount or more, in minor units."),
    max_amount: minorText("Only payments of this amount or less, in minor units."),
    currency: Type.Optional(
      Type.Unsafe<Currency>(Type.String({ enum: [...currencies.keys()].sort(), description: "Only payments in this currency." })),
    ),
    account_id: Type.Optional(idField("account", "Only payments from or to this account.")),
    user_id: Type.Optional(idField("user", "Only payments from or to an account of this user.")),
    due_before: described(timeParameter, "Only those that were or are due before this time, RFC 3339."),
    created_from: described(timeParameter, "Only those opened at this time or later, RFC 3339."),
    created_to: described(timeParameter, "Only those opened at this time or earlier, RFC 3339."),
    order: Type.Optional(
      Type.Unsafe<ReviewFilter["order"]>(
        Type.String({ enum: ["due", "newest"], description: "`due`, when absent: what is due first comes first. `newest`: the reverse." }),
      ),
    ),
  },
  strict,
);

export const DEFAULT_LINKED_DAYS = 30;

/** The query of linked transactions. */
export const linkedQuery = Type.Object(
  {
    ...pageParameters,
    by: Type.Optional(
      Type.Unsafe<LinkKind>(
        Type.String({ enum: ["payee", "device"], description: "What they have in common with the reviewed payment; `payee` when absent." }),
      ),
    ),
    days: Type.Optional(
      Type.String({
        pattern: "^([1-9]|[1-8][0-9]|90)$",
        description: `How many days before and after the payment to look, 1 to 90; ${DEFAULT_LINKED_DAYS} when absent.`,
        examples: ["30"],
      }),
    ),
  },
  strict,
);
