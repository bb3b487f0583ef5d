import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { RoleName } from "#kernel/roles.ts";
import { ALL_ROLES, conflictsAmong, ROLES, scopesOfRoles } from "#kernel/roles.ts";
import { ALL_SCOPES } from "#kernel/scopes.ts";
import { grantRoles, refuseGrant } from "./grant-roles.ts";
import { grantedScopes, orderedRoles, rolesInForce } from "./granted-scopes.ts";

const NOW = Date.UTC(2026, 10, 22);
const DAY = 86_400_000;
const admin = { personId: "opr_1", scopes: new Set(ALL_SCOPES) };
const asked = { reason: "Stands in for a colleague.", expires_at: new Date(NOW + DAY).toISOString() };
const roles = fc.subarray([...ALL_ROLES], { minLength: 1 });

void describe("granting roles", () => {
  void it("gives exactly what the granter has", () => {
    fc.assert(
      fc.property(roles, roles, (own, wanted) => {
        const by = { personId: "opr_1", scopes: scopesOfRoles(own) };
        const beyond = [...scopesOfRoles(wanted)].some((scope) => !by.scopes.has(scope));
        assert.equal(refuseGrant(by, wanted)?.code, beyond ? "beyond_own_permissions" : undefined);
      }),
    );
  });

  void it("SOX-03 takes conflicting roles with an exception only, and an exception with conflicting roles only", () => {
    fc.assert(
      fc.property(roles, (wanted) => {
        const conflict = conflictsAmong(wanted).length > 0;
        const bare = grantRoles(admin, wanted, undefined, NOW);
        assert.equal(bare.ok ? "ok" : bare.code, conflict ? "roles_conflict" : "ok");
        const excepted = grantRoles(admin, wanted, asked, NOW);
        assert.equal(excepted.ok ? "ok" : excepted.code, conflict ? "ok" : "invalid_request");
        if (excepted.ok)
          assert.deepEqual(excepted.exception, { reason: asked.reason, expiresAt: NOW + DAY, grantedBy: "opr_1", grantedAt: NOW });
      }),
    );
  });

  void it("an exception ends in time, and neither conflicting role counts from then on", () => {
    for (const expires_at of [new Date(NOW).toISOString(), new Date(NOW + 93 * DAY).toISOString(), "2026-02-30T00:00:00Z"])
      assert.equal(grantRoles(admin, ["operations", "fraud_analyst"], { ...asked, expires_at }, NOW).ok, false, expires_at);
    const exception = { reason: "", expiresAt: NOW + DAY, grantedBy: null, grantedAt: NOW };
    const held: readonly RoleName[] = ["fraud_analyst", "operations"];
    assert.deepEqual(rolesInForce({ roles: held, exception }, NOW + DAY - 1), held);
    assert.deepEqual(rolesInForce({ roles: held, exception }, NOW + DAY), []);
    assert.deepEqual(rolesInForce({ roles: [...held, "developer"], exception: null }, NOW), []);
    assert.deepEqual(rolesInForce({ roles: ["fraud_analyst", "developer"], exception: null }, NOW), ["fraud_analyst", "developer"]);
  });

  void it("only an active operator has scopes, and roles are written in one way", () => {
    for (const status of ["invited", "disabled"] as const)
      assert.equal(grantedScopes({ status, roles: ["admin"], exception: null }, NOW).size, 0);
    assert.deepEqual([...grantedScopes({ status: "active", roles: ["developer"], exception: null }, NOW)], [...ROLES.developer.scopes]);
    assert.deepEqual(orderedRoles(["developer", "admin", "developer"]), ["admin", "developer"]);
  });
});
