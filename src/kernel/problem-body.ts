import type { ProblemCode, Refusal } from "./problems.ts";
import { problems } from "./problems.ts";

/** The HTTP status of a code. */
export function statusOf(code: ProblemCode): number {
  return problems[code].status;
}

/** The beginning of each code's body, which is the same every time. `type` is a URN, so that nothing suggests a page to fetch. */
const heads = new Map<ProblemCode, string>();
for (const [code, { status, title }] of Object.entries(problems)) {
  const head = JSON.stringify({ type: `urn:smartfinance:problem:${code}`, title, status, code });
  heads.set(code as ProblemCode, head.slice(0, -1));
}

/** The RFC 9457 body of a refusal as JSON text. */
export function problemBody(refusal: Refusal, requestId: string | null): string {
  let body = heads.get(refusal.code) ?? "{";
  if (refusal.param !== undefined) body += `,"param":${JSON.stringify(refusal.param)}`;
  if (refusal.detail !== undefined) body += `,"detail":${JSON.stringify(refusal.detail)}`;
  return requestId === null ? `${body}}` : `${body},"request_id":"${requestId}"}`;
}
