import { Type } from "typebox";

export { problemBody, statusOf } from "#kernel/problem-body.ts";

export const PROBLEM_TYPE = "application/problem+json; charset=utf-8";

/** The shape of every 4xx and 5xx answer (RFC 9457). */
export const problemSchema = Type.Object(
  {
    type: Type.String({ description: "`urn:smartfinance:problem:<code>`" }),
    title: Type.String({ description: "One sentence that never changes for a code." }),
    status: Type.Integer({ description: "The HTTP status, again." }),
    code: Type.String({ description: "What to branch on: stable, from a closed list." }),
    param: Type.Optional(Type.String({ description: "The one field at fault, as a dotted path, e.g. `items.3.amount`." })),
    detail: Type.Optional(Type.String({ description: "For humans; may change." })),
    request_id: Type.String({ description: "The same as the X-Request-Id header." }),
  },
  { $id: "Problem", description: "A problem (RFC 9457, application/problem+json)." },
);
