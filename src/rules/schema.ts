import { Type } from "typebox";
import { described, idField, nullable, personField, PLAIN_TEXT, timestampField } from "#http/index.ts";
import { dryRunStatuses, MAX_DAYS, MAX_PAYMENTS } from "./dry-run.ts";
import type { RuleAction } from "./rule.ts";
import { MAX_COST, MAX_EXPRESSION_LENGTH, MAX_RULES, MAX_RULES_BYTES, ruleActions } from "./rule.ts";
import { MAX_ENTRIES, MAX_VALUE_LENGTH, MAX_VALUES_PER_CALL } from "./rule-list.ts";

const SLUG = "^[a-z][a-z0-9_]{0,39}$";
const LIST_VALUE = `^[\\x21-\\x7e]{1,${MAX_VALUE_LENGTH}}$`;

const slug = (description: string, example: string) =>
  Type.String({
    minLength: 1,
    maxLength: 40,
    pattern: SLUG,
    description: `${description} Lower-case letters, digits and \`_\`, up to 40.`,
    examples: [example],
  });
const words = (description: string, example: string) =>
  Type.String({ minLength: 1, maxLength: 500, pattern: PLAIN_TEXT, description, examples: [example] });
const versionField = Type.Integer({ minimum: 1, description: "Counts the changes; the `ETag`." });
const count = (description: string) => Type.Integer({ minimum: 0, description });
const unit = (description: string, example: number) => Type.Number({ minimum: 0, maximum: 1, description, examples: [example] });

const ruleFields = {
  name: slug("Unique in the set; hits and figures are told by it.", "large_to_new_country"),
  expression: Type.String({
    minLength: 1,
    maxLength: MAX_EXPRESSION_LENGTH,
    description:
      "When the rule hits: an expression in CEL (the Common Expression Language) of type bool, checked when it is saved. Scores and " +
      "factors are from 0 to 1, amounts in minor units. A variable that is not known of a payment makes the expression fail unless " +
      "its outcome does not depend on it: then an `allow` does not hit, a `challenge` does, `review` and `block` count as a review.",
    examples: ['amount > 500000 && has(context.country) && context.country in ["AQ", "BV"] && !in_list("trusted_pairs", pair)'],
  }),
  action: Type.Unsafe<RuleAction>(
    Type.String({
      enum: [...ruleActions],
      description:
        "The strongest action of all rules that hit counts: `block` before `review` before `challenge` before `allow`. Where only `allow` " +
        "rules hit, a challenge or a review by the score is lifted, a block by the score is not.",
      examples: ["review"],
    }),
  ),
  reason_code: slug("What the customer may be told.", "unusual_destination"),
};
const ruleText = {
  description: words("What the rule is for.", "Large amounts to places we have no business in."),
  internal_text: words("For your own people; never shown to customers.", "Ask for the invoice."),
  enabled: Type.Boolean({ description: "Whether it takes part. Rules that do not are checked all the same.", examples: [true] }),
};
const ruleBody = Type.Object(
  {
    ...ruleFields,
    description: Type.Optional(nullable(ruleText.description, "What the rule is for.")),
    internal_text: Type.Optional(nullable(ruleText.internal_text, "For your own people; never shown to customers.")),
    enabled: Type.Optional(
      described(ruleText.enabled, "Whether it takes part; true when absent. Rules that do not are checked all the same."),
    ),
  },
  { additionalProperties: false, description: "A rule." },
);
const rulesBody = Type.Array(ruleBody, {
  maxItems: MAX_RULES,
  description: `Up to ${MAX_RULES} rules, together up to ${MAX_RULES_BYTES} bytes of JSON and ${MAX_COST} comparisons (a \`contains\` or \`size\` counts for 200). An empty set in force switches rules off.`,
});
const setDescription = words("What this version is about.", "After the November wave");

export const createRuleSetBody = Type.Object(
  { description: Type.Optional(nullable(setDescription, "What this version is about.")), rules: rulesBody },
  { additionalProperties: false },
);
export const updateRuleSetBody = Type.Object(
  { description: Type.Optional(nullable(setDescription, "What this version is about.")), rules: Type.Optional(rulesBody) },
  { additionalProperties: false, minProperties: 1 },
);

const ruleSetFields = {
  id: idField("ruleSet"),
  object: Type.Literal("rule_set", { description: "What this is." }),
  number: Type.Integer({ minimum: 1, description: "Counts your rule sets." }),
  status: Type.Enum(["draft", "active", "superseded"], {
    description: "`draft` until it is put in force for the first time, and unchangeable from then on. `superseded`: it was in force once.",
  }),
  description: nullable(setDescription, "What this version is about."),
  rules_sha256: Type.String({
    description: "SHA-256 (hexadecimal) of the rules' canonical JSON (RFC 8785), by which audit events name them.",
    examples: ["4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"],
  }),
  created_by: personField("Who drafted it."),
  edited_by: personField("Who edited it last."),
  created_at: described(timestampField, "When it was drafted."),
  updated_at: described(timestampField, "When its contents changed last."),
  activated_at: nullable(timestampField, "When it was last put in force; null when it never was."),
  activated_by: nullable(personField("Who put it in force."), "Who put it in force; null while nobody has."),
  version: versionField,
};

export const ruleSetSchema = Type.Object(
  {
    ...ruleSetFields,
    rules: Type.Array(
      Type.Object(
        {
          ...ruleFields,
          description: nullable(ruleText.description, "What the rule is for."),
          internal_text: nullable(ruleText.internal_text, "For your own people; never shown to customers."),
          enabled: ruleText.enabled,
        },
        { description: "A rule." },
      ),
      { description: "In the order in which hits are told." },
    ),
  },
  { $id: "RuleSet", description: "One version of your risk rules." },
);
export const ruleSetSummarySchema = Type.Object(
  { ...ruleSetFields, rule_count: count("How many rules it has.") },
  { $id: "RuleSetSummary", description: "One version of your risk rules, without the rules themselves." },
);

const above = {
  challenge: "A payment that scores above this has to be confirmed by the customer.",
  review: "A payment that scores above this waits for a reviewer. 1 switches it off.",
  block: "A payment that scores above this is refused.",
};
const threshold = { challenge: unit(above.challenge, 0.6), review: unit(above.review, 0.8), block: unit(above.block, 0.95) };
export const changePolicyBody = Type.Object(
  {
    challenge_above: Type.Optional(nullable(threshold.challenge, `${above.challenge} At most \`review_above\`. Null or absent: off.`)),
    review_above: described(threshold.review, `${above.review} Up to four decimals, as the others.`),
    block_above: Type.Optional(nullable(threshold.block, `${above.block} At least \`review_above\`. Null or absent: off.`)),
  },
  { additionalProperties: false },
);
export const riskPolicySchema = Type.Object(
  {
    id: idField("organisation"),
    object: Type.Literal("risk_policy", { description: "What this is." }),
    challenge_above: nullable(threshold.challenge, `${above.challenge} Null: off.`),
    review_above: threshold.review,
    block_above: nullable(threshold.block, `${above.block} Null: off.`),
    active_rule_set_id: nullable(idField("ruleSet"), "The rules in force; null when there are none."),
    updated_at: nullable(timestampField, "When any of this changed last; null when nothing was ever set."),
    version: versionField,
  },
  { $id: "RiskPolicy", description: "What is done with a payment by its score, and which rules are in force." },
);

const listName = slug('How rules name it: `in_list("blocked_payees", payee_account_id)`.', "blocked_payees");
const listDescription = words("What the list is for.", "Accounts that fraud went to.");
export const createRuleListBody = Type.Object(
  { name: listName, description: Type.Optional(nullable(listDescription, "What the list is for.")) },
  { additionalProperties: false },
);
const listValue = Type.String({
  minLength: 1,
  maxLength: MAX_VALUE_LENGTH,
  pattern: LIST_VALUE,
  description:
    "An account id, a device id, a pair `<payer account>:<payee account>` … exactly as rules compare it: printable ASCII without spaces, " +
    `up to ${MAX_VALUE_LENGTH} characters. No personal data: it is stored and audited in clear.`,
  examples: ["acc_01M82BHM94EKAVVN1J472JCKY4"],
});
export const entriesBody = Type.Object(
  { values: Type.Array(listValue, { minItems: 1, maxItems: MAX_VALUES_PER_CALL, description: `1 to ${MAX_VALUES_PER_CALL} values.` }) },
  { additionalProperties: false },
);
export const ruleListSchema = Type.Object(
  {
    id: idField("ruleList"),
    object: Type.Literal("risk_list", { description: "What this is." }),
    name: listName,
    description: nullable(listDescription, "What the list is for."),
    size: Type.Integer({ minimum: 0, maximum: MAX_ENTRIES, description: `How many entries it has, at most ${MAX_ENTRIES}.` }),
    created_at: timestampField,
    updated_at: described(timestampField, "When its entries changed last."),
    version: versionField,
  },
  { $id: "RiskList", description: "A named list that risk rules can ask about." },
);
export const listEntrySchema = Type.Object(
  {
    object: Type.Literal("risk_list_entry", { description: "What this is." }),
    value: listValue,
    added_by: personField("Who added it."),
    added_at: described(timestampField, "When it was added."),
  },
  { $id: "RiskListEntry", description: "A value in a list." },
);

export const startDryRunBody = Type.Object(
  {
    days: Type.Integer({
      minimum: 1,
      maximum: MAX_DAYS,
      description: `How many days back, 1 to ${MAX_DAYS}. Of more than ${MAX_PAYMENTS} payments a random part of the newest is looked at.`,
      examples: [7],
    }),
  },
  { additionalProperties: false },
);
export const dryRunSchema = Type.Object(
  {
    id: idField("dryRun"),
    object: Type.Literal("dry_run", { description: "What this is." }),
    rule_set_id: idField("ruleSet"),
    rule_set_version: Type.Integer({ minimum: 1, description: "The version of the rule set that was tried." }),
    days: Type.Integer({ minimum: 1, maximum: MAX_DAYS, description: "How many days back it goes." }),
    from: described(timestampField, "Payments created from here, inclusive."),
    to: described(timestampField, "Payments created up to here, exclusive."),
    status: Type.Enum([...dryRunStatuses], { description: "A run fails when its draft is edited meanwhile." }),
    reason: nullable(Type.String({ examples: ["The rule set was changed."] }), "Why it failed; null otherwise."),
    progress: Type.Object(
      { steps_done: count("Steps that are done."), steps_total: count("Steps there are.") },
      { description: "How far it has come." },
    ),
    examined: count("Payments looked at so far; deposits, reversals, holds and their captures are not."),
    matched: count("Those that any rule would have hit."),
    reviewed: count("Of those examined: how many had to be reviewed."),
    rejected: count("Of those examined: how many a reviewer turned down."),
    rules: Type.Array(
      Type.Object(
        {
          rule: described(ruleFields.name, "The rule's name."),
          action: described(ruleFields.action, "What it asks for."),
          hits: count("Payments it would have hit, those included that it failed for and counts as a hit."),
          failures: count("Payments it could not be evaluated for, since something that it reads was not stored then."),
          reviewed: count("Of the hits: how many had to be reviewed."),
          rejected: count("Of the hits: how many a reviewer turned down."),
          amounts: Type.Array(
            Type.Object({
              currency: Type.String({ description: "ISO 4217 alphabetic code.", examples: ["EUR"] }),
              amount: count("In minor units, at most 9007199254740991."),
            }),
            { description: "Sums of the hits, at most twenty currencies." },
          ),
        },
        { description: "What one rule would have done." },
      ),
      { description: "The rules that are enabled." },
    ),
    created_at: timestampField,
    updated_at: described(timestampField, "When its figures were written down last."),
    ended_at: nullable(timestampField, "When it was completed, failed or was canceled."),
    version: versionField,
  },
  { $id: "DryRun", description: "Rules tried on past payments in the background. Nothing comes of it but these figures." },
);
