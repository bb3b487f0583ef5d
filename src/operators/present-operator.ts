import { toTimestamp } from "#kernel/clock.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Vault } from "#vault/index.ts";
import { grantedScopes, rolesInForce } from "./granted-scopes.ts";
import type { Operator } from "./operator.ts";
import { openOperatorProfile } from "./profile.ts";

const at = (ms: number | null): string | null => (ms === null ? null : toTimestamp(ms));

/** The operator as the API shows him. @param now milliseconds: exceptions end by then */
export async function presentOperator(vault: Vault, operator: Operator, now: number): Promise<JsonObject> {
  const { name, email } = await openOperatorProfile(vault, operator.organisationId, operator.id, operator.profile);
  const { exception } = operator;
  return {
    id: operator.id,
    object: "operator",
    status: operator.status,
    name,
    email,
    roles: [...operator.roles],
    roles_in_force: [...rolesInForce(operator, now)],
    scopes: [...grantedScopes(operator, now)].sort(),
    exception:
      exception === null
        ? null
        : {
            reason: exception.reason,
            expires_at: toTimestamp(exception.expiresAt),
            granted_by: exception.grantedBy,
            granted_at: toTimestamp(exception.grantedAt),
          },
    invited_by: operator.invitedBy,
    version: operator.version,
    created_at: toTimestamp(operator.createdAt),
    updated_at: toTimestamp(operator.updatedAt),
    activated_at: at(operator.activatedAt),
    disabled_at: at(operator.disabledAt),
  };
}
