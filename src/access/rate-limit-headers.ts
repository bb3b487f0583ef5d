import { RATE_LIMIT_WINDOW_SECONDS } from "./rate-limit.ts";
import type { RateLimitResult } from "./rate-limit.ts";

/** The one policy there is. */
const POLICY = '"default"';

/**
 * The header fields of draft-ietf-httpapi-ratelimit-headers-11: structured-field lists (RFC 9651) of one item, e.g.
 * `RateLimit-Policy: "default";q=100;w=60` and `RateLimit: "default";r=99;t=60`, and `Retry-After`
 * (RFC 9110 10.2.3, seconds) when refused. `Retry-After` is never below `t`, because clients may heed either.
 */
export function rateLimitHeaders(result: RateLimitResult): Record<string, string> {
  const headers: Record<string, string> = {
    "RateLimit-Policy": `${POLICY};q=${result.limit};w=${RATE_LIMIT_WINDOW_SECONDS}`,
    RateLimit: `${POLICY};r=${result.remaining};t=${result.resetSeconds}`,
  };
  if (!result.allowed) headers["Retry-After"] = String(result.retryAfterSeconds);
  return headers;
}
