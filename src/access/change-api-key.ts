import { refuse } from "#kernel/problems.ts";
import type { Refusal } from "#kernel/problems.ts";
import type { Scope } from "#kernel/scopes.ts";
import type { ApiKeyRecord } from "./api-key.ts";
import { isExpired, orderedScopes } from "./api-key.ts";
import type { ParsedAllowlist } from "./ip-allowlist.ts";
import { allows, isNarrower } from "./ip-allowlist.ts";
import type { LimitGranter } from "./permissions.ts";
import { refuseBeyond, refuseFaster } from "./permissions.ts";

/** What may be changed of a key; what is absent stays. */
export interface KeyChange {
  readonly name?: string;
  readonly scopes?: readonly Scope[];
  readonly rateLimitPerMinute?: number;
  readonly allowlist?: ParsedAllowlist;
  /** `null`: bound to none. */
  readonly certificateSha256?: string | null;
  /** Milliseconds since the epoch; `null`: never. */
  readonly expiresAt?: number | null;
}

/**
 * Decides a change of a key. The caller must have all the key's scopes, the old and the new ones, and cannot raise its limit
 * above what it may give. Of itself a key may only
 * give up: fewer scopes, a lower limit, a narrower allow-list that still has the caller's address, an earlier end.
 * Of a key that has ended only the name may be changed: whatever kept its secret, an old backup or a lost machine, believes
 * it worthless, so it must stay so.
 * @param ip the caller's address
 * @param now milliseconds since the epoch
 */
export function changeApiKey(
  record: ApiKeyRecord,
  by: LimitGranter,
  change: KeyChange,
  ip: string,
  now: number,
): { readonly ok: true; readonly record: ApiKeyRecord } | Refusal {
  if (record.status === "revoked") return refuse("api_key_revoked");
  if (isExpired(record, now) && !onlyNames(change)) return refuse("api_key_expired");
  const beyond = refuseBeyond(by, record.scopes) ?? refuseBeyond(by, change.scopes ?? [], "scopes");
  if (beyond !== undefined) return beyond;
  const raised = change.rateLimitPerMinute ?? 0;
  const faster = raised > record.rateLimitPerMinute ? refuseFaster(by, raised) : undefined;
  if (faster !== undefined) return faster;
  const refusal = record.id === by.apiKeyId ? refuseOwnGain(record, change, ip) : undefined;
  if (refusal !== undefined) return refusal;
  const { expiresAt: ends, certificateSha256: bound, ...kept } = record;
  const certificateSha256 = change.certificateSha256 === undefined ? bound : (change.certificateSha256 ?? undefined);
  const expiresAt = change.expiresAt === undefined ? ends : (change.expiresAt ?? undefined);
  return {
    ok: true,
    record: {
      ...kept,
      ...(change.name === undefined ? {} : { name: change.name }),
      ...(change.scopes === undefined ? {} : { scopes: orderedScopes(change.scopes) }),
      ...(change.rateLimitPerMinute === undefined ? {} : { rateLimitPerMinute: change.rateLimitPerMinute }),
      ...(change.allowlist === undefined ? {} : { ipAllowlist: change.allowlist.entries }),
      ...(certificateSha256 === undefined ? {} : { certificateSha256 }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      version: record.version + 1,
    },
  };
}

function onlyNames(change: KeyChange): boolean {
  return Object.keys(change).every((field) => field === "name");
}

function refuseOwnGain(record: ApiKeyRecord, change: KeyChange, ip: string): Refusal | undefined {
  const { scopes, rateLimitPerMinute, allowlist, expiresAt } = change;
  if (scopes !== undefined && scopes.some((scope) => !record.scopes.includes(scope)))
    return refuse("beyond_own_permissions", "scopes", "A key cannot give itself scopes.");
  if (rateLimitPerMinute !== undefined && rateLimitPerMinute > record.rateLimitPerMinute)
    return refuse("beyond_own_permissions", "rate_limit_per_minute", "A key cannot raise its own limit.");
  if (expiresAt !== undefined && (expiresAt ?? Number.POSITIVE_INFINITY) > (record.expiresAt ?? Number.POSITIVE_INFINITY))
    return refuse("beyond_own_permissions", "expires_at", "A key cannot prolong its own life.");
  const { certificateSha256 } = change;
  // Neither off it, nor to one that the caller may not have: it would lock itself out.
  if (certificateSha256 !== undefined && (certificateSha256 ?? undefined) !== record.certificateSha256)
    return refuse("beyond_own_permissions", "certificate_sha256", "A key cannot change the certificate it is bound to.");
  if (allowlist === undefined) return undefined;
  if (!isNarrower(allowlist.entries, record.ipAllowlist))
    return refuse("beyond_own_permissions", "ip_allowlist", "A key cannot widen its own allow-list.");
  return allows(allowlist.matcher, ip) ? undefined : refuse("would_lock_out", "ip_allowlist", `The call came from ${ip}.`);
}
