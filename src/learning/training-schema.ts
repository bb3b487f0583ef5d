import { Type } from "typebox";
import { described, idField, personField, nullable, TIME, timestampField } from "#http/index.ts";
import { delayField, descriptionField } from "./schema.ts";
import { MAX_ROWS, trainingPhases, trainingStatuses } from "./training.ts";

const count = (description: string, example = 0) => Type.Integer({ minimum: 0, description, examples: [example] });
const time = (description: string) => Type.String({ pattern: TIME, description, examples: ["2026-08-01T00:00:00.000Z"] });

const options = {
  rounds: Type.Integer({ minimum: 1, maximum: 1_000, description: "Trees at most; fewer where more do not help.", examples: [400] }),
  learning_rate: Type.Number({ minimum: 0.001, maximum: 1, description: "How much each tree counts.", examples: [0.03] }),
  max_depth: Type.Integer({ minimum: 1, maximum: 12, description: "Levels of a tree at most.", examples: [5] }),
  positive_weight: Type.Number({
    minimum: 0.001,
    maximum: 10_000,
    description: "What one fraud weighs against one honest payment.",
    examples: [1],
  }),
  seed: Type.Integer({
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: "The same seed, payments and labels give the same model, byte by byte.",
    examples: [1],
  }),
};

export const trainModelBody = Type.Object(
  {
    from: Type.Optional(time("Learn from payments made from here, inclusive, RFC 3339. 90 days before `to` when absent; 730 at most.")),
    to: Type.Optional(
      time(
        "Learn from payments made up to here, exclusive, RFC 3339. `label_delay_days` ago when absent, which is the latest there may be.",
      ),
    ),
    label_delay_days: Type.Optional(delayField),
    description: Type.Optional(nullable(descriptionField, "What the model is about.")),
    options: Type.Optional(
      Type.Object(
        {
          rounds: Type.Optional(options.rounds),
          learning_rate: Type.Optional(options.learning_rate),
          max_depth: Type.Optional(options.max_depth),
          positive_weight: Type.Optional(options.positive_weight),
          seed: Type.Optional(options.seed),
        },
        { additionalProperties: false, description: "How it is trained; what is absent is as has proved itself." },
      ),
    ),
  },
  { additionalProperties: false },
);

export const trainingSchema = Type.Object(
  {
    id: idField("modelTraining"),
    object: Type.Literal("model_training", { description: "What this is." }),
    description: nullable(descriptionField, "What the model is about."),
    from: described(timestampField, "Payments made from here, inclusive."),
    to: described(timestampField, "Payments made up to here, exclusive."),
    label_delay_days: described(delayField, "How many days a fraud may take to be reported."),
    options: Type.Object(options, { description: "How it is trained." }),
    status: Type.Enum([...trainingStatuses], { description: "`completed`: there is a model." }),
    reason: nullable(
      Type.String({ examples: ["No payment of the window that can be learnt from is labelled as fraud."] }),
      "Why it failed; null otherwise.",
    ),
    progress: Type.Object(
      {
        phase: Type.Enum([...trainingPhases], { description: "What is being done. A training that a crash ended is begun anew." }),
        steps_done: count("Steps of the phase that are done.", 3),
        steps_total: count("Steps that the phase has at most.", 16),
      },
      { description: "How far it has come." },
    ),
    rows: count(`Payments learnt from: those of which it is known what they were, at most ${MAX_ROWS}, the newest.`, 60_000),
    frauds: count("Those of them that were fraud.", 540),
    attempts: count("How often it was begun; three times at most.", 1),
    model_id: nullable(idField("riskModel"), "The model that came of it; null where there is none yet."),
    created_by: personField("Who started it."),
    created_at: timestampField,
    updated_at: described(timestampField, "When its progress was written down last."),
    ended_at: nullable(timestampField, "When it was completed, failed or was canceled."),
    version: Type.Integer({ minimum: 1, description: "Counts the changes." }),
  },
  { $id: "ModelTraining", description: "A fraud model being trained in the background from your payments and their labels." },
);
