import type { Refusal } from "./problems.ts";
import { problems } from "./problems.ts";

/** The media type of every error answer (RFC 9457). */
export const PROBLEM_TYPE = "application/problem+json";

/** The HTTP status of a refusal. */
export function statusOf(refusal: Refusal): number {
  return problems[refusal.code].status;
}

/** The RFC 9457 body of a refusal as JSON text. `type` is a URN, so that nothing suggests a page to fetch. */
export function problemBody(refusal: Refusal, requestId: string | null): string {
  const { status, title } = problems[refusal.code];
  return JSON.stringify({
    type: `urn:smartfinance:problem:${refusal.code}`,
    title,
    status,
    code: refusal.code,
    param: refusal.param,
    detail: refusal.detail,
    request_id: requestId ?? undefined,
  });
}
