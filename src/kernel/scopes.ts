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
  "reviews:read": "Read and list reviews, their notes and linked transactions.",
  "reviews:write": "Assign, note and decide reviews.",
  "risk:read": "Read risk labels, and how payments were judged.",
  "risk:write": "Label transactions as fraud or legitimate.",
  "rules:read": "Read risk rules, lists, thresholds and dry runs.",
  "rules:write": "Draft risk rules, fill lists, and run drafts over past payments.",
  "rules:activate": "Put risk rules in force that somebody else drafted, and set the thresholds.",
  "models:read": "Read fraud models and their trainings.",
  "models:write": "Train, import and retire fraud models, and run them in the shadow.",
  "models:promote": "Put fraud models in force that somebody else made, and go back from them.",
  "users:read": "Read, list and search users, personal data included.",
  "users:write": "Create, change and erase users.",
  "users:verify": "Set what the verification of a customer has come to.",
  "authentications:read": "Read authentications of users, and what they approve.",
  "authentications:write": "Ask users to approve payments and the like, and hand in their answers.",
  "beneficiaries:read": "Read the payees whom users trust.",
  "beneficiaries:write": "Change the payees whom users trust, with the users' authentication.",
  "standing_orders:read": "Read users' standing orders.",
  "standing_orders:write": "Register, change and cancel users' standing orders, with the users' authentication.",
  "factors:read": "Read the authentication factors of users.",
  "factors:write": "Enrol and remove authentication factors of users, and send them codes.",
  "factors:unblock": "Have the attempts of users looked at again after too many have failed.",
  "factors:reset": "Ask to have all authentication factors taken from users who can prove none any more.",
  "hosted_sessions:read": "Read how customers' visits to the hosted pages went.",
  "hosted_sessions:write": "Send customers to the hosted pages.",
  "api_keys:read": "Read and list API keys.",
  "api_keys:write": "Create, rotate, change and revoke API keys.",
  "operators:read": "Read and list operators, their roles and sessions.",
  "operators:write": "Invite, change, disable and enable operators, and end their sessions.",
  "approvals:read": "Read approvals and which operations need them.",
  "approvals:write": "Approve and reject what others have asked for, take back and amend one's own.",
  "controls:write": "Set which operations need a second person.",
  "journals:write": "Ask for manual journals and their reversals.",
  "organisation:read": "Read the organisation's settings.",
  "organisation:write": "Change the organisation's settings.",
  "audit:read": "Read the audit log.",
  "events:read": "Read, list and stream events.",
  "webhooks:read": "Read webhook endpoints and their deliveries.",
  "webhooks:write": "Create, change and delete webhook endpoints, resend deliveries.",
  "crypto:read": "Read the inventory of keys and algorithms, and rotations.",
  "crypto:write": "Rotate encryption keys.",
} as const;

export type Scope = keyof typeof SCOPES;

export const ALL_SCOPES = Object.keys(SCOPES) as readonly Scope[];

export function isScope(value: unknown): value is Scope {
  return typeof value === "string" && Object.hasOwn(SCOPES, value);
}
