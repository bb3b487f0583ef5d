import { Type } from "typebox";
import { described, exampleId, idField, timestampField } from "#http/index.ts";
import { publicEventTypes, publicType } from "./public-types.ts";

const objectTypes = [...new Set(publicEventTypes.map((type) => publicType(type).object_type))];

export const PUBLIC_EVENT_EXAMPLE = {
  id: exampleId("event"),
  object: "event",
  type: "transfer.posted",
  created_at: "2026-11-22T19:25:52.275Z",
  data: { object: exampleId("transaction"), object_type: "transaction", version: 1 },
};

/** What lists, streams and webhooks have in common. */
export const publicEventSchema = Type.Object(
  {
    id: idField("event", "Id of the event; the same in list, stream, webhook and audit log."),
    object: Type.Literal("event", { description: "Always `event`." }),
    type: Type.Enum([...publicEventTypes], { description: "What happened. The list may grow: take an unknown one as news." }),
    created_at: described(timestampField, "When it was committed, RFC 3339, UTC."),
    data: Type.Object(
      {
        object: Type.String({ description: "Id of the object that changed.", examples: [exampleId("transaction")] }),
        object_type: Type.Enum(objectTypes, { description: "What kind of object it is." }),
        version: Type.Optional(
          Type.Integer({
            minimum: 1,
            description:
              "The version that the object had after it: what you have read with this version or a later one is news to you no more. " +
              "Absent where the object has no versions, and in events of before they told it.",
          }),
        ),
      },
      { description: "Which object changed. What it is like now, the API tells." },
    ),
  },
  {
    $id: "PublicEvent",
    description: "That something happened to an object: its id and version, and nothing personal. Read the object for what it is like now.",
    examples: [PUBLIC_EVENT_EXAMPLE],
  },
);
