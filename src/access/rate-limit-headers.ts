import type { PolicyName, PolicyState, RateLimitResult } from "./rate-limit.ts";
import { POLICIES } from "./rate-limit.ts";

/** The values of the fields that every answer to a key carries. */
export interface RateLimitFields {
  /** `RateLimit-Policy` */
  readonly policy: string;
  /** `RateLimit` */
  readonly limit: string;
}

/**
 * The header fields of draft-ietf-httpapi-ratelimit-headers-11: structured-field lists (RFC 9651) with an item for each policy,
 * e.g. `RateLimit-Policy: "burst";q=50;w=1, "default";q=100;w=60` and `RateLimit: "burst";r=49;t=1, "default";r=99;t=60`. `Retry-After`
 * (RFC 9110 10.2.3, seconds), where refused, is never below the `t` of the policy that refused, because clients may heed either.
 */
export function rateLimitFields(result: Pick<RateLimitResult, "policies">): RateLimitFields {
  let policy = "";
  let limit = "";
  for (const state of result.policies) {
    const separator = policy === "" ? "" : ", ";
    policy += separator + policyItem(state);
    limit += `${separator}"${state.name}";r=${state.remaining};t=${state.resetSeconds}`;
  }
  return { policy, limit };
}

function policyItem({ name, limit }: PolicyState): string {
  return `"${name}";q=${limit};w=${POLICIES[name]}`;
}

const WINDOWS: Readonly<Record<PolicyName, string>> = {
  burst: "this key in one second",
  default: "this key in one minute",
  organisation: "all keys of the organisation in one minute",
};

/** Which quotas refused, in words: `The quota "burst" is used up: 50 units of this key in one second.` Empty when none did. */
export function exhaustedText({ policies, refusedBy }: Pick<RateLimitResult, "policies" | "refusedBy">): string {
  if (refusedBy.length === 0) return "";
  return policies
    .filter(({ name }) => refusedBy.includes(name))
    .map(({ name, limit }) => `The quota "${name}" is used up: ${limit} units of ${WINDOWS[name]}.`)
    .join(" ");
}
