/**
 * Every table, declared once. SQLite DDL, DynamoDB `CreateTable` and the cloud stack derive from this.
 *
 * All key and index attributes are strings. An item appears in an index when it carries both of the
 * index's attributes (sparse otherwise).
 */
export interface IndexDefinition {
  readonly name: string;
  readonly hash: string;
  readonly range: string;
  /** The index attributes of an item never change or vanish once written, so updates need not touch the index. */
  readonly fixed: boolean;
}

export interface TableDefinition {
  readonly hash: string;
  readonly range?: string;
  readonly indexes: readonly IndexDefinition[];
  /** The attribute that holds the time to live in epoch seconds. */
  readonly ttl?: string;
  /** The hash is a name, `#`, and which part of what has that name: an engine may keep the parts of one name together. */
  readonly parts?: true;
  /** Items of this table are few and often written: an engine with one process may keep them in memory. */
  readonly hot?: true;
}

export const tables = {
  "smartfinance-organisations": { hash: "id", indexes: [], hot: true },
  "smartfinance-api-keys": {
    hash: "id",
    indexes: [{ name: "OrganisationApiKeysIndex", hash: "organisation_id", range: "id", fixed: true }],
  },
  /** When keys were last used: written in bulk, beside the keys themselves and without conditions. */
  "smartfinance-api-key-uses": { hash: "id", indexes: [] },
  "smartfinance-users": {
    hash: "id",
    indexes: [
      { name: "OrganisationUsersIndex", hash: "organisation_id", range: "id", fixed: true },
      // Keyed hashes (`vault.indexKey`): whoever reads them learns neither the address nor the number.
      { name: "EmailUsersIndex", hash: "email_index", range: "id", fixed: false },
      { name: "PhoneUsersIndex", hash: "phone_index", range: "id", fixed: false },
      { name: "StatusUsersIndex", hash: "status_key", range: "id", fixed: false },
    ],
  },
  /** Operators, and beside them whose an e-mail address is (`<organisation>#<hash>`), what they sign in with (`<operator>#credentials`), how long sessions last (`<organisation>#sessions`). */
  "smartfinance-operators": {
    hash: "id",
    indexes: [{ name: "OrganisationOperatorsIndex", hash: "organisation_id", range: "id", fixed: true }],
  },
  /** Sessions of operators, and beside them when they were last used (`<session>#seen`) and which challenges were signed (`challenge#<digest>`). */
  "smartfinance-operator-sessions": { hash: "id", indexes: [], ttl: "purge_at" },
  /** All authentication factors of a user or operator under its id, and whose each passkey is (`<organisation>#<hash of its id>`). */
  "smartfinance-factors": { hash: "id", indexes: [] },
  /** Secrets of TOTP and addresses of sent codes, sealed; under the factor's id. */
  "smartfinance-factor-secrets": {
    hash: "id",
    indexes: [{ name: "OrganisationFactorSecretsIndex", hash: "organisation_id", range: "id", fixed: true }],
  },
  "smartfinance-accounts": {
    hash: "id",
    indexes: [
      { name: "UserAccountsIndex", hash: "user_id", range: "id", fixed: true },
      { name: "OrganisationAccountsIndex", hash: "organisation_id", range: "id", fixed: true },
    ],
    hot: true,
  },
  "smartfinance-risk-profiles": { hash: "id", indexes: [], hot: true },
  /** Devices of an organisation's customers by `<organisation>#<hash>`: written when a further user comes, not with every payment. */
  "smartfinance-risk-devices": { hash: "id", indexes: [], hot: true },
  /** `partition` is `partitionOf(organisation, id)`. `status_key` (`<organisation>#<status>`) is set unless posted. */
  "smartfinance-transactions": {
    hash: "partition",
    range: "id",
    parts: true,
    indexes: [{ name: "StatusTransactionsIndex", hash: "status_key", range: "id", fixed: false }],
  },
  "smartfinance-holds": {
    hash: "id",
    indexes: [
      { name: "AccountHoldsIndex", hash: "account_id", range: "id", fixed: true },
      // For what goes through all of an organisation's: the re-encryption of their metadata.
      { name: "OrganisationHoldsIndex", hash: "organisation_id", range: "id", fixed: true },
    ],
  },
  "smartfinance-reviews": {
    hash: "id",
    indexes: [
      { name: "OrganisationReviewsIndex", hash: "organisation_id", range: "id", fixed: true },
      { name: "StatusReviewsIndex", hash: "status_key", range: "id", fixed: false },
      // Undecided ones of all organisations, by the last character of their ids: for what looks for expired ones.
      { name: "WaitingReviewsIndex", hash: "waiting", range: "id", fixed: false },
    ],
  },
  "smartfinance-review-notes": {
    hash: "review_id",
    range: "id",
    // For what goes through all of an organisation's: the re-encryption of their texts.
    indexes: [{ name: "OrganisationReviewNotesIndex", hash: "organisation_id", range: "id", fixed: true }],
  },
  /** What transactions turned out to be: one item per transaction, listed by the time of the latest judgement. */
  "smartfinance-risk-labels": {
    hash: "id",
    indexes: [{ name: "OrganisationLabelsIndex", hash: "organisation_id", range: "decided_key", fixed: false }],
  },
  /** The feed table. `partition` is `partitionOf(organisation, event_id)`. Items are only ever put as absent. */
  "smartfinance-audit-logs": { hash: "partition", range: "event_id", parts: true, indexes: [] },
  "smartfinance-idempotency": { hash: "id", indexes: [], ttl: "expires_at" },
  "smartfinance-data-keys": {
    hash: "id",
    indexes: [{ name: "OrganisationDataKeysIndex", hash: "organisation_id", range: "id", fixed: true }],
  },
  /** `running` is set on those under way only. */
  "smartfinance-key-rotations": {
    hash: "id",
    indexes: [
      { name: "OrganisationKeyRotationsIndex", hash: "organisation_id", range: "id", fixed: true },
      { name: "RunningKeyRotationsIndex", hash: "running", range: "id", fixed: false },
    ],
  },
  /** The Merkle log over the audit events: its state, entries and tiles (src/log/rows.ts). */
  "smartfinance-log": { hash: "id", indexes: [] },
  /** Which stretches of the log hold the events of a time. */
  "smartfinance-log-index": { hash: "bucket", range: "first", indexes: [] },
  /** An organisation's thresholds and which rules are in force (key: its id), and the names of its lists (`<id>#registry`). */
  "smartfinance-risk-policies": { hash: "id", indexes: [] },
  "smartfinance-risk-rule-sets": {
    hash: "id",
    indexes: [{ name: "OrganisationRuleSetsIndex", hash: "organisation_id", range: "id", fixed: true }],
  },
  /** Lists, and beside them the shards of their entries (`<list>#<n>`). */
  "smartfinance-risk-lists": {
    hash: "id",
    indexes: [{ name: "OrganisationRiskListsIndex", hash: "organisation_id", range: "id", fixed: true }],
  },
  /** `running` is set on those under way only. */
  "smartfinance-risk-dry-runs": {
    hash: "id",
    indexes: [
      { name: "OrganisationDryRunsIndex", hash: "organisation_id", range: "id", fixed: true },
      { name: "RunningDryRunsIndex", hash: "running", range: "id", fixed: false },
    ],
  },
  /** Fraud models and beside them their contents in pieces (`<model>#<n>`); under an organisation's id which of them are in force. */
  "smartfinance-risk-models": {
    hash: "id",
    indexes: [{ name: "OrganisationRiskModelsIndex", hash: "organisation_id", range: "id", fixed: true }],
  },
  /** `running` is set on those under way only. */
  "smartfinance-model-trainings": {
    hash: "id",
    indexes: [
      { name: "OrganisationTrainingsIndex", hash: "organisation_id", range: "id", fixed: true },
      { name: "RunningTrainingsIndex", hash: "running", range: "id", fixed: false },
    ],
  },
  /** Webhook endpoints; under an organisation's id its roster, which names its endpoints. `work` is set while there is something to do. */
  "smartfinance-webhook-endpoints": {
    hash: "id",
    indexes: [
      { name: "OrganisationWebhookEndpointsIndex", hash: "organisation_id", range: "id", fixed: true },
      { name: "WorkingWebhookEndpointsIndex", hash: "work", range: "id", fixed: false },
    ],
  },
  /** Deliveries that are due or wait for their turn, in the order of the feed. */
  "smartfinance-webhook-queue": { hash: "endpoint_id", range: "id", indexes: [] },
  /** Deliveries that have ended. `dead_at` is the endpoint, on those that nobody took. */
  "smartfinance-webhook-deliveries": {
    hash: "endpoint_id",
    range: "id",
    indexes: [{ name: "DeadWebhookDeliveriesIndex", hash: "dead_at", range: "id", fixed: false }],
  },
  /** Which node delivers, and how far the feed has been routed (src/webhooks). */
  "smartfinance-webhook-state": { hash: "id", indexes: [] },
  /** Which node feeds the audit sinks, and how far each of them has come (src/sinks). */
  "smartfinance-audit-sinks": { hash: "id", indexes: [] },
  /** Visits of customers to the hosted pages. `open` is set on those under way only: for what looks for those whose time is over. */
  "smartfinance-hosted-sessions": {
    hash: "id",
    indexes: [{ name: "OpenHostedSessionsIndex", hash: "open", range: "id", fixed: false }],
  },
  /** When the customer last did anything in a visit, under the session's id. */
  "smartfinance-hosted-seen": { hash: "id", indexes: [], ttl: "purge_at" },
  /** Operations that wait for a second person. `due` is set on those that the worker has something to do for some day. */
  "smartfinance-approvals": {
    hash: "id",
    indexes: [
      { name: "OrganisationApprovalsIndex", hash: "organisation_id", range: "id", fixed: true },
      { name: "StatusApprovalsIndex", hash: "status_key", range: "id", fixed: false },
      { name: "DueApprovalsIndex", hash: "due", range: "due_at", fixed: false },
    ],
  },
  /** Which operations of an organisation need a second person (key: its id). */
  "smartfinance-control-policies": { hash: "id", indexes: [], hot: true },
  /** What users approve, or have approved, with their factors. */
  "smartfinance-authentications": {
    hash: "id",
    indexes: [
      { name: "OrganisationAuthenticationsIndex", hash: "organisation_id", range: "id", fixed: true },
      { name: "UserAuthenticationsIndex", hash: "user_id", range: "id", fixed: true },
    ],
  },
  /** How an organisation authenticates its payers (key: its id). */
  "smartfinance-sca-policies": { hash: "id", indexes: [] },
  /** What a payer has paid without authentication (key: the user). */
  "smartfinance-sca-counters": { hash: "id", indexes: [], hot: true },
  /** Trusted payees; the id follows from user and account. */
  "smartfinance-beneficiaries": {
    hash: "id",
    indexes: [
      { name: "OrganisationBeneficiariesIndex", hash: "organisation_id", range: "id", fixed: true },
      { name: "UserBeneficiariesIndex", hash: "user_id", range: "id", fixed: true },
    ],
  },
  "smartfinance-standing-orders": {
    hash: "id",
    indexes: [
      { name: "OrganisationStandingOrdersIndex", hash: "organisation_id", range: "id", fixed: true },
      { name: "UserStandingOrdersIndex", hash: "user_id", range: "id", fixed: true },
    ],
  },
  /** What a payment in `requires_action` waits for (key: the transaction). `waiting` is set while it does, of all organisations. */
  "smartfinance-payment-actions": {
    hash: "id",
    indexes: [
      { name: "OrganisationPaymentActionsIndex", hash: "organisation_id", range: "id", fixed: true },
      { name: "WaitingPaymentActionsIndex", hash: "waiting", range: "id", fixed: false },
    ],
  },
  "smartfinance-meta": { hash: "id", indexes: [] },
} as const satisfies Record<string, TableDefinition>;

export type TableName = keyof typeof tables;
export const tableNames = Object.keys(tables) as readonly TableName[];

/** The declaration of a table, widened. */
export function tableDefinition(name: TableName): TableDefinition {
  return tables[name];
}

/** The table whose puts make up the feed. */
export const FEED_TABLE = "smartfinance-audit-logs" satisfies TableName;
