import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ALL_ROLES, CONFLICTING_ROLES, conflictsAmong, isRole, ROLES, scopesOfRoles } from "./roles.ts";
import type { Scope } from "./scopes.ts";
import { ALL_SCOPES } from "./scopes.ts";

/** What nobody but an admin may do: it gives rights, takes over a customer, or changes what watches everybody. */
const ADMIN_ONLY: readonly Scope[] = [
  "api_keys:write",
  "factors:write",
  "factors:reset",
  "operators:write",
  "controls:write",
  "organisation:write",
  "crypto:write",
];

void describe("the table of roles", () => {
  void it("gives every scope to some role beside admin, but for the few that are admin's alone", () => {
    const others = scopesOfRoles(ALL_ROLES.filter((role) => role !== "admin"));
    assert.deepEqual(
      ALL_SCOPES.filter((scope) => !others.has(scope)),
      ALL_SCOPES.filter((scope) => ADMIN_ONLY.includes(scope)),
    );
    assert.deepEqual([...scopesOfRoles(["admin"])], ALL_SCOPES);
  });

  void it("lets an auditor read everything and change nothing", () => {
    assert.deepEqual(
      ROLES.auditor.scopes,
      ALL_SCOPES.filter((scope) => scope.endsWith(":read")),
    );
  });

  void it("names each scope of a role once, and only scopes that there are", () => {
    for (const role of ALL_ROLES) {
      const scopes: readonly Scope[] = ROLES[role].scopes;
      assert.equal(new Set(scopes).size, scopes.length, role);
      for (const scope of scopes) assert.ok(ALL_SCOPES.includes(scope), `${role} ${scope}`);
    }
    assert.equal(isRole("admin"), true);
    for (const other of ["Admin", "toString", "", 1, null, undefined]) assert.equal(isRole(other), false);
  });

  void it("SOX-03 keeps what makes and what releases apart", () => {
    const apart: readonly [Scope, Scope][] = [
      ["transfers:write", "reviews:write"],
      ["withdrawals:write", "reviews:write"],
      ["rules:write", "rules:activate"],
      ["models:write", "models:promote"],
      ["operators:write", "transfers:write"],
      ["operators:write", "reviews:write"],
    ];
    for (const [makes, releases] of apart) {
      for (const one of ALL_ROLES)
        for (const other of ALL_ROLES) {
          if (!scopesOfRoles([one]).has(makes) || !scopesOfRoles([other]).has(releases)) continue;
          const alone = one === "admin" || other === "admin" || one === other;
          const conflict = conflictsAmong([one, other]).length > 0;
          // What an admin can do alone is for the second person of each such operation to stop.
          assert.ok(alone ? one === "admin" || other === "admin" : conflict, `${one} ${makes}, ${other} ${releases}`);
        }
    }
  });

  void it("finds conflicts whichever way round, and among any number of roles", () => {
    for (const { roles } of CONFLICTING_ROLES) {
      const [one, other] = roles;
      assert.equal(conflictsAmong([other, one]).length, 1);
      assert.equal(conflictsAmong([one]).length, 0);
    }
    assert.deepEqual(conflictsAmong(["admin", "developer"]), []);
    assert.equal(conflictsAmong(ALL_ROLES).length, CONFLICTING_ROLES.length);
  });
});
