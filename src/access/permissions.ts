import type { ApiKeyId } from "#kernel/ids.ts";
import type { Scope } from "#kernel/scopes.ts";
import { refuse } from "#kernel/problems.ts";
import type { Refusal } from "#kernel/problems.ts";

/** Who manages keys, as far as what it may give is concerned. */
export interface Granter {
  readonly apiKeyId: ApiKeyId | null;
  /** Whom it counts as where two persons are needed. */
  readonly personId?: string;
  readonly scopes: ReadonlySet<Scope>;
}

/** The same, as far as limits are concerned. */
export interface LimitGranter extends Granter {
  readonly rateLimitPerMinute: number;
  readonly organisation: { readonly keyRateLimitPerMinute: number };
}

/**
 * Nobody gives what it has not: otherwise a key that may only manage keys could make itself one that moves money.
 * The same holds for taking over a key (a rotation shows its new secret) and for changing one.
 * @param param the field that asks for too much
 * @returns why not; undefined when the granter has all of `scopes`
 */
export function refuseBeyond(granter: Granter, scopes: readonly Scope[], param?: string): Refusal | undefined {
  const lacking = scopes.filter((scope) => !granter.scopes.has(scope));
  return lacking.length === 0 ? undefined : refuse("beyond_own_permissions", param, `The caller itself lacks ${lacking.join(", ")}.`);
}

/**
 * The same for a limit: a key is given at most what its granter has, or what the organisation gives a key that asks for nothing.
 * @returns why not; undefined when the limit may be given
 */
export function refuseFaster(
  granter: Pick<LimitGranter, "rateLimitPerMinute" | "organisation">,
  rateLimitPerMinute: number,
): Refusal | undefined {
  const most = Math.max(granter.rateLimitPerMinute, granter.organisation.keyRateLimitPerMinute);
  if (rateLimitPerMinute <= most) return undefined;
  return refuse("beyond_own_permissions", "rate_limit_per_minute", `The caller may give at most ${most}.`);
}
