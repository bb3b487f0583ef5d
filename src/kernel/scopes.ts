/**
 * What a caller may be allowed to do: one closed table of `resource:verb` with what each allows. API keys carry scopes,
 * roles of operators are sets of them, and every route that needs a key names exactly one.
 */
export const SCOPES = {
  "accounts:read": "Read accounts, balances and entries.",
  "accounts:write": "Open, change, freeze and close accounts.",
  "transactions:read": "Read and list transactions of every type.",
  "transfers:write": "Make transfers, single and in batches.",
  "deposits:write": "Make deposits.",
  "withdrawals:write": "Make withdrawals.",
  "reversals:write": "Reverse transactions.",
  "holds:read": "Read and list holds.",
  "holds:write": "Authorise, increment, capture and void holds.",
  "reviews:read": "Read and list reviews.",
  "reviews:write": "Decide reviews.",
  "users:read": "Read, list and search users, personal data included.",
  "users:write": "Create, change and erase users.",
  "api_keys:read": "Read and list API keys.",
  "api_keys:write": "Create, rotate, change and revoke API keys.",
  "organisation:read": "Read the organisation's settings.",
  "organisation:write": "Change the organisation's settings.",
  "audit:read": "Read the audit log.",
  "crypto:read": "Read the inventory of keys and algorithms, and rotations.",
  "crypto:write": "Rotate encryption keys.",
} as const;

export type Scope = keyof typeof SCOPES;

export const ALL_SCOPES = Object.keys(SCOPES) as readonly Scope[];

export function isScope(value: unknown): value is Scope {
  return typeof value === "string" && Object.hasOwn(SCOPES, value);
}
