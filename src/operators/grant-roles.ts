import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { RoleName } from "#kernel/roles.ts";
import { conflictsAmong, ROLES, scopesOfRoles } from "#kernel/roles.ts";
import { parseTimestamp, toTimestamp } from "#kernel/clock.ts";
import type { Scope } from "#kernel/scopes.ts";
import type { RolesException } from "./operator.ts";

/** The longest that conflicting roles may be held together, ms: a quarter. */
const MAX_EXCEPTION_MS = 92 * 24 * 3_600_000;

/** Who gives roles. Whoever has the store itself has every scope. */
export interface RoleGranter {
  readonly personId: string | null;
  readonly scopes: ReadonlySet<Scope>;
}

export interface ExceptionAsked {
  readonly reason: string;
  readonly expires_at: string;
}

/**
 * Decides which roles somebody gets: none that can do more than who gives them (as for API keys), and no conflicting ones without
 * an exception, which has a reason and an end.
 * @param now milliseconds
 */
export function grantRoles(
  by: RoleGranter,
  roles: readonly RoleName[],
  asked: ExceptionAsked | undefined,
  now: number,
): { readonly ok: true; readonly exception: RolesException | null } | Refusal {
  const refusal = refuseGrant(by, roles) ?? refuseTogether(roles, asked, now);
  if (refusal !== undefined) return refusal;
  if (asked === undefined) return { ok: true, exception: null };
  const exception = { reason: asked.reason, expiresAt: parseTimestamp(asked.expires_at), grantedBy: by.personId, grantedAt: now };
  return { ok: true, exception };
}

/** Refuses roles that nobody can give to one person, or not with this exception, whoever gives them. @param now milliseconds */
export function refuseTogether(roles: readonly RoleName[], asked: ExceptionAsked | undefined, now: number): Refusal | undefined {
  const conflicts = conflictsAmong(roles);
  if (conflicts.length === 0)
    return asked && refuse("invalid_request", "exception", "These roles do not conflict, so that there is nothing to except.");
  if (asked === undefined) {
    const told = conflicts.map(({ roles: [one, other], why }) => `${one} and ${other}: ${why}`);
    return refuse("roles_conflict", "roles", told.join(" "));
  }
  const expiresAt = parseTimestamp(asked.expires_at);
  if (Number.isNaN(expiresAt) || expiresAt <= now || expiresAt > now + MAX_EXCEPTION_MS)
    return refuse("invalid_request", "exception.expires_at", `It is in the future, at most ${toTimestamp(now + MAX_EXCEPTION_MS)}.`);
  return undefined;
}

/** Nobody gives what he has not, and nobody takes it from one who has more than he. */
export function refuseGrant(by: RoleGranter, roles: readonly RoleName[]): Refusal | undefined {
  const lacking = [...scopesOfRoles(roles)].filter((scope) => !by.scopes.has(scope));
  if (lacking.length === 0) return undefined;
  const beyond = roles.filter((role) => ROLES[role].scopes.some((scope) => !by.scopes.has(scope)));
  return refuse("beyond_own_permissions", "roles", `The caller itself lacks scopes of ${beyond.join(", ")}: ${lacking.join(", ")}.`);
}
