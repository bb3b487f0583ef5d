import type { RoleName } from "#kernel/roles.ts";
import { ALL_ROLES, conflictsAmong, scopesOfRoles } from "#kernel/roles.ts";
import type { Scope } from "#kernel/scopes.ts";
import type { Operator } from "./operator.ts";

/** The roles in the order of their table, each once: one spelling for one set. */
export function orderedRoles(roles: Iterable<RoleName>): readonly RoleName[] {
  const wanted = new Set(roles);
  return ALL_ROLES.filter((role) => wanted.has(role));
}

/**
 * The roles that count at `now` (ms). Once the exception for conflicting roles has ended, neither of a conflicting pair counts,
 * until somebody takes one of them away: which one was meant to stay nobody knows.
 */
export function rolesInForce({ roles, exception }: Pick<Operator, "roles" | "exception">, now: number): readonly RoleName[] {
  if (exception !== null && exception.expiresAt > now) return roles;
  const suspended = new Set(conflictsAmong(roles).flatMap((conflict) => conflict.roles));
  return roles.filter((role) => !suspended.has(role));
}

/** What an operator may do at `now` (ms). Nothing unless he is active. */
export function grantedScopes(operator: Pick<Operator, "status" | "roles" | "exception">, now: number): ReadonlySet<Scope> {
  return operator.status === "active" ? scopesOfRoles(rolesInForce(operator, now)) : new Set();
}
