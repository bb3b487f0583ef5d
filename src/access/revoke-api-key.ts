import type { ApiKeyId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import type { Refusal } from "#kernel/problems.ts";
import type { ApiKeyRecord } from "./api-key.ts";

/**
 * Decides a revocation: the record to put under the condition `version = record.version`, or why not. A key may
 * not revoke itself, so that an organisation does not lock itself out with its last call. After the commit, tell
 * the authenticator of this process to `forget` the key; other processes notice within its `ttlMs`.
 * @param now milliseconds since the epoch
 */
export function revokeApiKey(
  record: ApiKeyRecord,
  by: ApiKeyId | null,
  now: number,
): { readonly ok: true; readonly record: ApiKeyRecord } | Refusal {
  if (record.status === "revoked") return refuse("api_key_revoked");
  if (record.id === by) return refuse("cannot_revoke_self");
  return { ok: true, record: { ...record, status: "revoked", revokedAt: now, version: record.version + 1 } };
}
