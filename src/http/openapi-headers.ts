import { problems } from "#kernel/problems.ts";
import type { RouteFacts } from "./contract.ts";

interface HeaderObject {
  readonly description: string;
  readonly schema: { readonly type: string; readonly pattern?: string; readonly const?: string; readonly minimum?: number };
  readonly example: string | number;
}

/** Every header of an answer that a client may want to read, as `components/headers` describes it. */
export const responseHeaders = {
  "X-Request-Id": {
    description: "Names this request in logs and audit events. Quote it when you ask for help.",
    schema: { type: "string", pattern: "^req_[0-7][0-9A-HJKMNP-TV-Z]{25}$" },
    example: "req_01M82BHNSKEB5ARHNRYJPV9WXQ",
  },
  RateLimit: {
    description:
      "What is left of the caller's quotas, an item each (draft-ietf-httpapi-ratelimit-headers-11): `r` units, and `t` seconds until there are more.",
    schema: { type: "string" },
    example: '"burst";r=49;t=1, "default";r=99;t=60',
  },
  "RateLimit-Policy": {
    description:
      "The caller's quotas, an item each (draft-ietf-httpapi-ratelimit-headers-11): `q` units in a sliding window of `w` seconds. A request takes one unit where its operation does not say more.",
    schema: { type: "string" },
    example: '"burst";q=50;w=1, "default";q=100;w=60',
  },
  "Retry-After": {
    description: "Whole seconds after which the request may be sent again (RFC 9110 section 10.2.3).",
    schema: { type: "integer", minimum: 0 },
    example: 1,
  },
  "Idempotent-Replayed": {
    description: "`true` where this is the answer that was kept for the Idempotency-Key; absent where the request was carried out now.",
    schema: { type: "string", const: "true" },
    example: "true",
  },
  ETag: {
    description: "The object's version as an entity tag (RFC 9110 section 8.8.3), for `If-Match`.",
    schema: { type: "string", pattern: '^"[1-9][0-9]{0,14}"$' },
    example: '"3"',
  },
  Location: {
    description: "Where the object that was made can be read.",
    schema: { type: "string" },
    example: "/v1/accounts/acc_01M82BHM94EKAVVN1J472JCKY4",
  },
  "Set-Cookie": {
    description: "The cookies of a browser that has signed in, or out (RFC 6265). They are for the browser alone.",
    schema: { type: "string" },
    example: "__Host-smartfinance-session=01M82BHM94EKAVVN1J472JCKY4.q3Vt; Path=/; HttpOnly; Secure; SameSite=Strict",
  },
  "WWW-Authenticate": {
    description: "The scheme that is wanted (RFC 9110 section 11.6.1).",
    schema: { type: "string" },
    example: 'ApiKey header="X-API-Key"',
  },
} as const satisfies Readonly<Record<string, HeaderObject>>;

export type ResponseHeader = keyof typeof responseHeaders;

/** Statuses that are decided before a key's quota is looked at. */
const BEFORE_QUOTA: ReadonlySet<number> = new Set([401, 408, 414, 431]);
const WITH_RETRY_AFTER: ReadonlySet<number> = new Set([429, 503]);

/** The headers that an operation's answer of a status can carry. */
export function headersOf(facts: RouteFacts, status: number): ResponseHeader[] {
  const names: ResponseHeader[] = ["X-Request-Id"];
  if (facts.access !== "public" && !BEFORE_QUOTA.has(status)) names.push("RateLimit", "RateLimit-Policy");
  if (WITH_RETRY_AFTER.has(status)) names.push("Retry-After");
  // Kept are successes and what the operation itself refused; what was refused on the way to it is not.
  const isKept = status < 300 || facts.problems?.some((code) => problems[code].status === status) === true;
  if (facts.idempotent === true && isKept) names.push("Idempotent-Replayed");
  if (status < 300) names.push(...(facts.sends ?? []));
  if (status === 401) names.push("WWW-Authenticate");
  return names;
}
