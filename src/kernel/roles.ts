import type { Scope } from "./scopes.ts";
import { ALL_SCOPES } from "./scopes.ts";

/** Everything that only shows: what an auditor may do, and the ground that other roles stand on. */
const READING: readonly Scope[] = ALL_SCOPES.filter((scope) => scope.endsWith(":read"));

interface Role {
  readonly about: string;
  readonly scopes: readonly Scope[];
}

/**
 * The one policy: what each role of an operator may do, in the scopes of `scopes.ts`. Nothing else gives an operator a right.
 * `admin` has every scope, also those that stand in no other role; the test beside this names these.
 */
export const ROLES = {
  admin: {
    about: "Invites operators and gives them roles, makes API keys, changes the organisation's settings. Has every scope.",
    scopes: ALL_SCOPES,
  },
  fraud_analyst: {
    about: "Decides reviews, labels payments, drafts risk rules and trains fraud models.",
    scopes: [
      "accounts:read",
      "transactions:read",
      "holds:read",
      "authentications:read",
      "beneficiaries:read",
      "standing_orders:read",
      "reviews:read",
      "reviews:write",
      "risk:read",
      "risk:write",
      "rules:read",
      "rules:write",
      "models:read",
      "models:write",
      "users:read",
      "approvals:read",
      "approvals:write",
      "events:read",
    ],
  },
  compliance_officer: {
    about: "Puts risk rules and fraud models in force that others made, looks after customers' data, reads the audit log.",
    scopes: [
      "accounts:read",
      "transactions:read",
      "holds:read",
      "authentications:read",
      "beneficiaries:read",
      "standing_orders:read",
      "reviews:read",
      "risk:read",
      "rules:read",
      "rules:activate",
      "models:read",
      "models:promote",
      "users:read",
      "users:write",
      "users:verify",
      "approvals:read",
      "approvals:write",
      "organisation:read",
      "audit:read",
      "events:read",
      "operators:read",
    ],
  },
  operations: {
    about: "Opens and changes accounts, makes and reverses payments.",
    scopes: [
      "accounts:read",
      "accounts:write",
      "transactions:read",
      "transfers:write",
      "deposits:write",
      "withdrawals:write",
      "reversals:write",
      "holds:read",
      "holds:write",
      "authentications:read",
      "authentications:write",
      "beneficiaries:read",
      "beneficiaries:write",
      "standing_orders:read",
      "standing_orders:write",
      "reviews:read",
      "users:read",
      "users:write",
      "factors:read",
      "factors:unblock",
      "hosted_sessions:read",
      "hosted_sessions:write",
      "approvals:read",
      "approvals:write",
      "journals:write",
      "events:read",
    ],
  },
  auditor: {
    about: "Reads everything and changes nothing.",
    scopes: READING,
  },
  developer: {
    about: "Sets up webhooks and looks at what the API did; touches no money and no customer.",
    scopes: [
      "accounts:read",
      "transactions:read",
      "holds:read",
      "events:read",
      "webhooks:read",
      "webhooks:write",
      "api_keys:read",
      "organisation:read",
      "crypto:read",
    ],
  },
} as const satisfies Record<string, Role>;

export type RoleName = keyof typeof ROLES;

export const ALL_ROLES = Object.keys(ROLES) as readonly RoleName[];

export function isRole(value: unknown): value is RoleName {
  return typeof value === "string" && Object.hasOwn(ROLES, value);
}

/** The scopes of all these roles together. */
export function scopesOfRoles(roles: Iterable<RoleName>): ReadonlySet<Scope> {
  const scopes = new Set<Scope>();
  for (const role of roles) for (const scope of ROLES[role].scopes) scopes.add(scope);
  return scopes;
}

/**
 * Roles that one person should not hold together, with the reason: who does something and who looks at it, releases it or puts
 * it in force are to be two (SOX-03). `admin` has every scope and so needs no other role beside it; whatever needs a second
 * person compares persons, so that an admin cannot be both of them either.
 */
export const CONFLICTING_ROLES: readonly { readonly roles: readonly [RoleName, RoleName]; readonly why: string }[] = [
  { roles: ["operations", "fraud_analyst"], why: "Who makes payments does not release those that were stopped." },
  { roles: ["operations", "compliance_officer"], why: "Who makes payments does not set the rules that watch them." },
  { roles: ["fraud_analyst", "compliance_officer"], why: "Who drafts rules and models does not put them in force." },
  { roles: ["operations", "developer"], why: "Who is told of payments by machine does not make them by hand." },
  { roles: ["admin", "operations"], why: "Who gives rights does not use them to move money." },
  { roles: ["admin", "fraud_analyst"], why: "Who gives rights does not decide about payments." },
  { roles: ["admin", "compliance_officer"], why: "Who gives rights does not watch how they are used." },
  ...(["admin", "fraud_analyst", "compliance_officer", "operations", "developer"] as const).map((role) => ({
    roles: ["auditor", role] as const,
    why: "Who audits has no part in what is audited.",
  })),
];

/** The conflicting pairs that are both among `roles`. */
export function conflictsAmong(roles: Iterable<RoleName>): readonly (typeof CONFLICTING_ROLES)[number][] {
  const held = new Set(roles);
  return CONFLICTING_ROLES.filter(({ roles: [one, other] }) => held.has(one) && held.has(other));
}
