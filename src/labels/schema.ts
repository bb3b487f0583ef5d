import { Type } from "typebox";
import { described, exampleId, idField, nullable, timestampField } from "#http/index.ts";
import type { LabelBody } from "./post-label.ts";
import { labelSources, labelValues } from "./label.ts";

const judgement = {
  label: Type.Enum([...labelValues], { description: "What the transaction was." }),
  source: Type.Enum([...labelSources], {
    description: "How it came out: a `review` was decided, the customer raised a `dispute`, or an investigation `confirmed` it.",
  }),
  decided_at: described(timestampField, "When it was told, RFC 3339, UTC."),
  decided_by: nullable(Type.String(), "Id of the API key that told it."),
};

const example = {
  id: exampleId("label"),
  object: "risk_label",
  transaction_id: exampleId("transaction"),
  label: "fraud",
  source: "dispute",
  decided_at: "2026-12-01T08:15:00.000Z",
  decided_by: exampleId("apiKey"),
  superseded: [{ label: "legitimate", source: "review", decided_at: "2026-11-22T19:40:12.091Z", decided_by: exampleId("apiKey") }],
  created_at: "2026-11-22T19:40:12.091Z",
};

/** A label as the API shows it. */
export const labelSchema = Type.Object(
  {
    id: idField("label"),
    object: Type.Literal("risk_label"),
    transaction_id: idField("transaction", "The transaction that is judged. It has one label at most."),
    ...judgement,
    superseded: Type.Array(Type.Object(judgement), { description: "What was told before, oldest first. Nothing of it is lost." }),
    created_at: described(timestampField, "When the transaction was first judged, RFC 3339, UTC."),
  },
  {
    $id: "RiskLabel",
    description: "Whether a transaction was fraud, as far as is known. What the fraud model learns from.",
    examples: [example],
  },
);

export const labelBody = Type.Object(
  {
    transaction_id: idField("transaction", "A scored transaction of yours, whatever became of it."),
    label: Type.Unsafe<LabelBody["label"]>(Type.String({ enum: [...labelValues], description: "What the transaction was." })),
    source: Type.Unsafe<LabelBody["source"]>(
      Type.String({ enum: ["dispute", "confirmed"], description: "The customer raised a `dispute`, or an investigation `confirmed` it." }),
    ),
  },
  { additionalProperties: false, examples: [{ transaction_id: exampleId("transaction"), label: "fraud", source: "dispute" }] },
);
