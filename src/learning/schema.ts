import { Type } from "typebox";
import { described, idField, nullable, personField, PLAIN_TEXT, timestampField } from "#http/index.ts";
import type { ImportBody } from "./import-model.ts";
import { modelOrigins, modelStates } from "./model-record.ts";

const sha256 = (description: string) => Type.String({ description, examples: ["5e".repeat(32)] });
const count = (description: string, example = 0) => Type.Integer({ minimum: 0, description, examples: [example] });

export const descriptionField = Type.String({
  minLength: 1,
  maxLength: 500,
  pattern: PLAIN_TEXT,
  description: "What the model is about.",
  examples: ["With the payments of November"],
});
export const delayField = Type.Integer({
  minimum: 0,
  maximum: 90,
  description: "How many days a fraud may take to be reported: of younger payments nobody knows yet what they were. 7 when absent.",
  examples: [7],
});

const ownName = Type.String({ pattern: "^[a-z][a-z0-9_]{0,59}$", description: "A feature of the product.", examples: ["amount"] });

export const importModelBody = Type.Object(
  {
    format: Type.Unsafe<ImportBody["format"]>(
      Type.String({
        enum: ["xgboost", "smartfinance"],
        description:
          "`xgboost`: the JSON of XGBoost's `save_model` (booster `gbtree`, objective `binary:logistic`, numeric splits). `smartfinance`: the " +
          "product's own, as `npm run fraud:train` writes it.",
      }),
    ),
    encoding: Type.Optional(
      Type.Unsafe<"text" | "gzip">(
        Type.String({
          enum: ["text", "gzip"],
          description: "What `content` is: the JSON `text` (when absent), or its `gzip` in base64, for models larger than a body may be.",
        }),
      ),
    ),
    content: Type.String({
      minLength: 1,
      maxLength: 1_000_000,
      description: "The model. At most 32 MiB unpacked, 5,000 trees of 16 levels and 8,191 nodes each, 200,000 nodes together.",
      examples: ["H4sIAAAAAAAAA6tWKkktLlGyUlAqSy0qzszPU7JSMKwFAEbjXQ8YAAAA"],
    }),
    features: Type.Optional(
      Type.Record(Type.String({ pattern: "^[A-Za-z0-9_.:\\-\\[\\]]{1,100}$" }), ownName, {
        maxProperties: 200,
        additionalProperties: false,
        description:
          "The product's name (as in GET /v1/risk/assessments/{id}) for each feature of the model that is called otherwise there. Every " +
          "feature that a tree looks at must be one that the product computes, in its unit.",
        examples: [{ f0: "amount", f1: "payer_count_24h" }],
      }),
    ),
    description: Type.Optional(nullable(descriptionField, "What the model is about.")),
    label_delay_days: Type.Optional(delayField),
  },
  {
    additionalProperties: false,
    examples: [{ format: "xgboost", content: '{"learner":{"…":"…"}}', features: { f0: "amount", f1: "payer_count_24h" } }],
  },
);

export const promoteModelBody = Type.Object(
  {
    review_capacity_per_day: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 10_000,
        description: "How many accounts your reviewers can look at in a day: what card precision is reckoned over. 100 when absent.",
        examples: [100],
      }),
    ),
  },
  { additionalProperties: false },
);

const summaryFields = {
  id: idField("riskModel"),
  object: Type.Literal("risk_model", { description: "What this is." }),
  number: Type.Integer({ minimum: 1, description: "Counts your models." }),
  state: Type.Enum([...modelStates], {
    description:
      "`champion`: decides. `shadow`: scores every payment beside what decides, and changes nothing. `candidate`: neither yet. `retired`: " +
      "neither any more.",
  }),
  unusable: Type.Boolean({
    description:
      "It was made for other features than this version of the product computes, so it is not used; the factors decide in its place.",
    examples: [false],
  }),
  origin: Type.Enum([...modelOrigins], { description: "Whether it was trained here or imported, and in which format." }),
  description: nullable(descriptionField, "What the model is about."),
  sha256: sha256("SHA-256 (hexadecimal) of the content's canonical JSON (RFC 8785). It is checked each time the model is read."),
  features_sha256: sha256("SHA-256 (hexadecimal) of the declaration of the features that it was made for."),
  training_id: nullable(idField("modelTraining"), "The training it came from; null for an imported one."),
  judged_from: described(timestampField, "Only payments made from here on may judge it: it has learnt nothing from them."),
  label_delay_days: described(delayField, "How many days a fraud may take to be reported: younger payments judge nothing."),
  created_by: personField("Who trained or imported it, and cannot promote it."),
  created_at: timestampField,
  state_since: described(timestampField, "When its state changed last."),
  promoted_by: nullable(personField("Who last put it in force."), "Who last put it in force; null when nobody did."),
  version: Type.Integer({ minimum: 1, description: "Counts the changes." }),
};

const quality = (description: string) =>
  Type.Object(
    {
      average_precision: Type.Number({ description: "The area under precision over recall, 0 to 1.", examples: [0.681] }),
      card_precision: Type.Number({
        description: "Of the accounts with the day's highest scores, as many as can be reviewed, the share that was defrauded; 0 to 1.",
        examples: [0.29],
      }),
    },
    { description },
  );

const evaluation = Type.Object(
  {
    against: nullable(idField("riskModel"), "The model that decided until then; null: the five factors."),
    from: described(timestampField, "Payments made from here, inclusive: neither model has learnt from them."),
    to: described(timestampField, "Payments made up to here, exclusive."),
    payments: count("Payments of which it is known what they were.", 41_210),
    frauds: count("Those of them that were fraud.", 380),
    review_capacity_per_day: Type.Integer({ minimum: 1, description: "Accounts that can be reviewed in a day.", examples: [100] }),
    model: quality("How well this model found the frauds."),
    in_force: quality("How well that found them which decided until then."),
    best_card_precision: Type.Number({ description: "The card precision of knowing everything.", examples: [0.42] }),
    evaluated_at: described(timestampField, "When they were held against each other."),
  },
  { description: "What it was last promoted on." },
);

const card = Type.Object(
  {
    bytes: count("Size of the content.", 812_000),
    from: nullable(timestampField, "The first payment learnt from, as the model's file says; null where that is not known."),
    to: nullable(timestampField, "The last payment learnt from."),
    rows: count("Payments learnt from.", 60_000),
    frauds: count("Those of them that were fraud.", 540),
    trees: count("Trees.", 180),
    nodes: count("Nodes of all trees.", 9_800),
    depth: count("Levels of the deepest tree.", 5),
    calibration: Type.String({ description: "How margins become probabilities: `none`, `platt` or `isotonic`.", examples: ["isotonic"] }),
    review_margin: nullable(
      Type.Number({ description: "Log-odds above which the probability is above 0.8.", examples: [1.93] }),
      "Log-odds above which the probability is above 0.8; null where none is.",
    ),
    options: Type.Array(
      Type.Object(
        {
          name: Type.String({ description: "The option.", examples: ["maxDepth"] }),
          value: Type.String({ description: "Its value.", examples: ["5"] }),
        },
        { description: "An option." },
      ),
      { description: "What it was trained with, and what came of it." },
    ),
    metrics: Type.Array(
      Type.Object(
        {
          name: Type.String({ description: "The measure.", examples: ["validation_average_precision"] }),
          value: Type.Number({ description: "Its value.", examples: [0.684] }),
        },
        { description: "A measure." },
      ),
      { description: "On payments held back at its training, or what its file says." },
    ),
    features: Type.Array(
      Type.Object(
        {
          name: Type.String({ description: "The feature.", examples: ["amount"] }),
          unit: Type.String({ description: "Its unit.", examples: ["reference cents"] }),
          share: Type.Number({ description: "Its share of what all splits gained, 0 to 1.", examples: [0.31] }),
        },
        { description: "A feature." },
      ),
      { description: "What it looks at, the most telling first." },
    ),
  },
  { description: "What somebody must know of the model who answers for it." },
);

export const riskModelSummarySchema = Type.Object(summaryFields, {
  $id: "RiskModelSummary",
  description: "A fraud model, without its card.",
});
export const riskModelSchema = Type.Object(
  { ...summaryFields, card, evaluation: nullable(evaluation, "What it was last promoted on; null when it never was.") },
  { $id: "RiskModel", description: "A fraud model: boosted trees over the product's features. Its content never changes." },
);

export const rollbackSchema = Type.Object(
  {
    object: Type.Literal("risk_model_rollback", { description: "What this is." }),
    former_champion_id: idField("riskModel", "The model that decided until now."),
    champion_id: nullable(idField("riskModel"), "The model that decides from now on; null: the five factors."),
    former_left: count("How many steps one can still go back."),
    rolled_back_at: described(timestampField, "When."),
  },
  { $id: "RiskModelRollback", description: "What going back came to." },
);
