import { Type } from "typebox";
import { nullable, timestampField } from "#http/index.ts";

const sinkSchema = Type.Object({
  object: Type.Literal("audit_sink"),
  name: Type.String({ description: "Which sink it is.", examples: ["cloudwatch", "s3"] }),
  status: Type.Enum(["ok", "failing"], {
    description: "`failing` from the first refusal of the other side until it takes something again.",
  }),
  position: Type.Integer({ minimum: 0, description: "Events that it has; those that were sent twice count twice." }),
  lag_seconds: Type.Integer({ minimum: 0, description: "Age of the oldest event that it does not have yet; 0 when it has all." }),
  newest_event_at: nullable(timestampField, "Time of the newest event that it has; null before the first."),
  last_success_at: nullable(timestampField, "When it took something last; null before the first time."),
  last_error: nullable(Type.String(), "What went wrong last; null since it took something."),
  last_error_at: nullable(timestampField, "When that was."),
});

export const sinksSchema = Type.Object({
  object: Type.Literal("list"),
  data: Type.Array(sinkSchema, { description: "The sinks that are set up; none where there are none." }),
});
