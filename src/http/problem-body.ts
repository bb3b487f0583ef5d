import { Type } from "typebox";
import type { ProblemCode, Refusal } from "#kernel/problems.ts";
import { problems } from "#kernel/problems.ts";

export const PROBLEM_TYPE = "application/problem+json; charset=utf-8";

/** The shape of every 4xx and 5xx answer (RFC 9457). */
export const problemSchema = Type.Object(
  {
    type: Type.String({ description: "`urn:smartfinance:problem:<code>`" }),
    title: Type.String({ description: "One sentence that never changes for a code." }),
    status: Type.Integer(),
    code: Type.String({ description: "What to branch on: stable, from a closed list." }),
    param: Type.Optional(Type.String({ description: "The one field at fault, as a dotted path, e.g. `items.3.amount`." })),
    detail: Type.Optional(Type.String({ description: "For humans; may change." })),
    request_id: Type.String({ description: "The same as the X-Request-Id header." }),
  },
  { $id: "Problem", description: "A problem (RFC 9457, application/problem+json)." },
);

/** The beginning of each code's body, which is the same every time. */
const heads = new Map<ProblemCode, string>();
for (const [code, { status, title }] of Object.entries(problems)) {
  const head = JSON.stringify({ type: `urn:smartfinance:problem:${code}`, title, status, code });
  heads.set(code as ProblemCode, head.slice(0, -1));
}

/** The JSON text of a problem. */
export function problemBody(refusal: Refusal, requestId: string): string {
  let body = heads.get(refusal.code) ?? "{";
  if (refusal.param !== undefined) body += `,"param":${JSON.stringify(refusal.param)}`;
  if (refusal.detail !== undefined) body += `,"detail":${JSON.stringify(refusal.detail)}`;
  return `${body},"request_id":"${requestId}"}`;
}

/** The HTTP status of a code. */
export function statusOf(code: ProblemCode): number {
  return problems[code].status;
}
