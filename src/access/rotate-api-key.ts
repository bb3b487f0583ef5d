import { refuse } from "#kernel/problems.ts";
import type { Refusal } from "#kernel/problems.ts";
import type { ApiKeyRecord } from "./api-key.ts";
import { isExpired } from "./api-key.ts";
import type { Granter } from "./permissions.ts";
import { refuseBeyond } from "./permissions.ts";

/** The longest that a replaced secret stays good, seconds: a week. */
export const MAX_OVERLAP_SECONDS = 7 * 24 * 3600;

/**
 * Decides a rotation: the record with the new secret's hash, the old secret good for `overlapSeconds` more, but never
 * longer than the key. There are at most two secrets, so while an earlier one is still good a further rotation is refused: done
 * blindly again after a lost answer it would end the only secret the client has. With an overlap of 0, for emergencies, it
 * goes through and ends all former secrets at once. A key may rotate itself; an operator's own key nobody else may.
 * @param now milliseconds since the epoch
 */
export function rotateApiKey(
  record: ApiKeyRecord,
  by: Granter,
  asked: { readonly secretHash: string; readonly overlapSeconds: number },
  now: number,
): { readonly ok: true; readonly record: ApiKeyRecord } | Refusal {
  if (record.status === "revoked") return refuse("api_key_revoked");
  if (isExpired(record, now)) return refuse("api_key_expired");
  if (asked.overlapSeconds > 0 && record.previousSecret !== undefined && record.previousSecret.expiresAt > now)
    return refuse("rotation_overlapping");
  // Whoever is shown the new secret is that operator to everything that wants two persons, and to the audit log.
  if (record.ownerOperatorId !== undefined && record.ownerOperatorId !== by.personId)
    return refuse("beyond_own_permissions", undefined, "The key is an operator's own. Only he can rotate it; anybody else can revoke it.");
  const beyond = refuseBeyond(by, record.scopes);
  if (beyond !== undefined) return beyond;
  const { previousSecret: _ended, ...kept } = record;
  const ends = Math.min(now + asked.overlapSeconds * 1000, record.expiresAt ?? Number.POSITIVE_INFINITY);
  return {
    ok: true,
    record: {
      ...kept,
      secretHash: asked.secretHash,
      ...(asked.overlapSeconds === 0 ? {} : { previousSecret: { hash: record.secretHash, expiresAt: ends } }),
      version: record.version + 1,
    },
  };
}
