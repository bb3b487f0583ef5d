/**
 * The closed list of problem codes (RFC 9457 `application/problem+json`).
 * `status` is the HTTP status, `title` the human sentence that never changes for a code.
 */
export const problems = {
  // The request itself
  invalid_json: { status: 400, title: "The body is not valid JSON." },
  invalid_encoding: { status: 400, title: "The body is not valid UTF-8." },
  invalid_request: { status: 400, title: "A field of the request is invalid." },
  unknown_field: { status: 400, title: "The request has a field this operation does not know." },
  missing_field: { status: 400, title: "A required field is missing." },
  duplicate_field: { status: 400, title: "The body names a field twice." },
  too_deep: { status: 400, title: "The body is nested too deeply." },
  number_out_of_range: { status: 400, title: "A number cannot be represented exactly." },
  invalid_cursor: { status: 400, title: "The cursor is not one this list gave." },
  key_in_query: { status: 400, title: "API keys are refused in the query string; use the X-API-Key header." },
  idempotency_key_missing: { status: 400, title: "This operation needs an Idempotency-Key header." },
  idempotency_key_invalid: { status: 400, title: "The Idempotency-Key header is malformed." },
  idempotency_key_not_taken: { status: 400, title: "This operation shows a secret once and keeps no reply; it takes no Idempotency-Key." },
  idempotency_key_reused: { status: 422, title: "This Idempotency-Key was used with another request." },
  idempotency_key_in_use: { status: 409, title: "A request with this Idempotency-Key is still running." },
  request_timeout: { status: 408, title: "The request took too long to arrive." },
  body_too_large: { status: 413, title: "The body is larger than 1 MiB." },
  headers_too_large: { status: 431, title: "The request's headers are too large." },
  uri_too_long: { status: 414, title: "The request's URI is too long." },
  unsupported_media_type: { status: 415, title: "The body must be application/json." },
  // Who may
  unauthenticated: { status: 401, title: "There is neither a valid X-API-Key header nor a valid session." },
  ip_not_allowed: { status: 403, title: "This key may not use this operation from this address." },
  certificate_mismatch: { status: 403, title: "This key can only be used with the client certificate that it is bound to." },
  insufficient_scope: { status: 403, title: "The caller does not have the scope that the operation needs." },
  two_credentials: { status: 400, title: "A request has either an API key or the cookie of a session, not both." },
  cross_site_request: { status: 403, title: "With the cookie of a session, only pages of this origin may change anything." },
  session_required: { status: 403, title: "This is for operators who are signed in; an API key cannot do it." },
  second_factor_required: { status: 403, title: "The session is not complete before a second factor is enrolled or proved." },
  sign_in_refused: { status: 401, title: "The e-mail address, the password or the proof of a factor is wrong." },
  session_status_conflict: { status: 409, title: "The session is not in a state that allows this." },
  invitation_invalid: { status: 422, title: "The invitation is not one, has been used, or has expired." },
  password_not_allowed: { status: 422, title: "The password cannot be used." },
  hosted_session_ended: { status: 410, title: "The link to this page has been used, has expired, or is none." },
  beyond_own_permissions: { status: 403, title: "This would give more than the caller itself may do." },
  would_lock_out: { status: 422, title: "This allow-list leaves out the address it is set from." },
  rate_limited: { status: 429, title: "This key or its organisation has used up its request quota." },
  too_many_failures: { status: 429, title: "Too many requests with bad credentials came from this address." },
  // Proof of who somebody is
  authentication_failed: { status: 403, title: "What was given does not prove who this is." },
  authentication_blocked: { status: 403, title: "Too many attempts in a row have failed; no further one is looked at." },
  factor_proof_required: { status: 403, title: "This needs a fresh proof of a factor that is there already." },
  factor_proof_too_weak: { status: 403, title: "A recovery code is no sufficient proof for this." },
  last_factor: { status: 409, title: "The last factor cannot be removed." },
  no_factor: { status: 409, title: "There has to be another factor first." },
  factor_not_pending: { status: 409, title: "The factor is not waiting for its first code." },
  factor_code_wrong: { status: 422, title: "The code is not the one that the new factor gives now." },
  passkey_invalid: { status: 422, title: "The passkey's registration is not valid." },
  passkey_known: { status: 409, title: "This passkey is registered already." },
  passkey_not_device_bound: { status: 422, title: "The passkey's key can leave its device; one that cannot is asked for." },
  code_sent_lately: { status: 409, title: "Another code cannot be sent yet." },
  code_not_sent: { status: 503, title: "The code could not be handed to its transport; ask for another one." },
  // Where
  not_found: { status: 404, title: "There is no such resource." },
  method_not_allowed: { status: 405, title: "This resource does not know this method." },
  not_sealed: { status: 409, title: "The audit log has not sealed this yet; it takes about a second." },
  // Money
  authentication_required: { status: 422, title: "The payer has to be authenticated first." },
  authentication_unavailable: { status: 422, title: "The user has no passkey to be authenticated with." },
  authentication_not_usable: { status: 409, title: "The authentication is not, or no longer, one that can be used." },
  authentication_mismatch: { status: 422, title: "The authentication was given for something else; it is void now." },
  factors_insufficient: { status: 422, title: "These factors are not of two different categories, or not as strong as is asked for." },
  standing_order_not_active: { status: 409, title: "The standing order is canceled." },
  account_not_found: { status: 404, title: "There is no such account." },
  transaction_not_found: { status: 404, title: "There is no such transaction." },
  user_not_found: { status: 404, title: "There is no such user." },
  user_not_active: { status: 422, title: "The user is not active." },
  user_has_open_accounts: { status: 422, title: "Only a user whose accounts are all closed can be closed." },
  user_status_conflict: { status: 409, title: "The user is not in a status that allows this." },
  user_erased: { status: 410, title: "The user's personal data has been erased for good." },
  same_account: { status: 422, title: "Payer and payee are the same account." },
  currency_mismatch: { status: 422, title: "The currencies differ; there is no foreign exchange yet." },
  insufficient_funds: { status: 422, title: "The available balance is too small." },
  balance_overflow: { status: 422, title: "The balance would exceed 9007199254740991 minor units." },
  account_frozen: { status: 422, title: "The account is frozen." },
  account_closed: { status: 422, title: "The account is closed." },
  account_restricted: { status: 422, title: "The status of one of the account's holders does not allow this." },
  account_type_not_allowed: { status: 422, title: "This operation does not apply to this type of account." },
  account_not_empty: { status: 422, title: "Only an account without balance and holds can be closed." },
  account_status_conflict: { status: 409, title: "The account is not in a status that allows this." },
  overdraft_in_use: { status: 422, title: "The overdraft in use exceeds the new limit." },
  already_holder: { status: 409, title: "The user holds the account already." },
  too_many_holders: { status: 422, title: "The account has as many holders as one account may have." },
  first_owner_stays: { status: 422, title: "The first owner of an account stays its owner as long as it is open." },
  too_many_accounts: { status: 422, title: "The user has as many accounts as one user may have." },
  too_many_holds: { status: 422, title: "The account has as many open holds as one account may have." },
  version_conflict: { status: 412, title: "The resource has changed since the version named in If-Match." },
  hold_not_active: { status: 422, title: "The hold is captured, voided or expired." },
  hold_expired: { status: 422, title: "The hold has expired." },
  hold_amount_exceeded: { status: 422, title: "The capture is larger than what the hold still reserves." },
  transaction_not_reversible: { status: 422, title: "This transaction cannot be reversed." },
  reversal_exceeds_original: { status: 422, title: "The reversals would exceed the original amount." },
  risk_declined: { status: 422, title: "The risk score or a risk rule does not allow this operation." },
  review_already_decided: { status: 409, title: "The review has been decided already." },
  review_expired: { status: 409, title: "The review was not decided in time; the payment is rejected." },
  review_already_assigned: { status: 409, title: "The review is assigned already; it has to be released first." },
  review_not_assigned: { status: 409, title: "The review is assigned to nobody." },
  reason_not_allowed: { status: 422, title: "This reason does not go with this decision." },
  too_many_notes: { status: 422, title: "The review has as many notes as one review may have." },
  transaction_not_scored: { status: 422, title: "Only a transaction that was scored can be labelled." },
  too_many_labels: { status: 422, title: "The transaction has been labelled as often as one transaction may be." },
  api_key_revoked: { status: 409, title: "The API key is revoked already." },
  api_key_expired: { status: 409, title: "The API key has expired." },
  rotation_overlapping: { status: 409, title: "The secret before is still good; end that first, or rotate with an overlap of 0." },
  rotation_running: { status: 409, title: "A rotation of these keys is running already." },
  too_many_keys: { status: 422, title: "There are as many data keys as one organisation may have." },
  url_not_allowed: { status: 422, title: "Events cannot be sent to this URL." },
  too_many_webhook_endpoints: { status: 422, title: "There are as many webhook endpoints as one organisation may have." },
  webhook_endpoint_disabled: { status: 409, title: "The webhook endpoint is disabled." },
  too_many_streams: { status: 429, title: "There are as many open streams as may be; close one first." },
  email_taken: { status: 409, title: "There is an operator with this e-mail address already." },
  operator_status_conflict: { status: 409, title: "The operator is not in a status that allows this." },
  cannot_change_self: { status: 403, title: "Nobody changes his own roles or status; another operator has to do it." },
  roles_conflict: { status: 422, title: "These roles are not for one person without a documented exception." },
  cannot_revoke_self: { status: 409, title: "A key cannot revoke itself." },
  // Maker and checker
  approval_not_pending: { status: 409, title: "The approval is not pending any more." },
  approval_changed: { status: 409, title: "The approval is about something else by now; read it again." },
  nothing_to_claim: { status: 409, title: "There is no secret to be taken from this approval." },
  not_the_maker: { status: 403, title: "Only who asked for it may do this." },
  too_few_approvers: { status: 422, title: "There are too few persons who could approve this." },
  journal_unbalanced: { status: 422, title: "The debits and the credits of a journal are not equal." },
  // Risk rules
  rule_set_not_draft: { status: 409, title: "A rule set that was in force once cannot be changed; make a new one." },
  rule_set_active: { status: 409, title: "The rule set is in force already." },
  rule_set_invalid: { status: 422, title: "The rule set has expressions that are not valid any more." },
  second_person_required: { status: 403, title: "This needs a second person: another operator, or a key of somebody else, has to do it." },
  list_name_taken: { status: 409, title: "There is a list of this name already." },
  limit_reached: { status: 422, title: "There are as many of these as there may be." },
  dry_run_running: { status: 409, title: "A dry run of this organisation is under way already." },
  dry_run_finished: { status: 409, title: "The dry run has ended already." },
  // Fraud models
  training_running: { status: 409, title: "A training of this organisation is under way already." },
  training_finished: { status: 409, title: "The training has ended already." },
  model_in_force: { status: 409, title: "The model is in force." },
  model_in_shadow: { status: 409, title: "The model runs in the shadow already." },
  model_retired: { status: 409, title: "The model is retired already." },
  model_unusable: { status: 409, title: "The model was made for other features than this version of the product computes." },
  no_former_model: { status: 409, title: "There is nothing to go back to." },
  not_enough_evidence: { status: 422, title: "Too few labelled frauds have come since the model was trained." },
  model_not_better: { status: 422, title: "The model is not better than what decides now." },
  // The server
  contention: { status: 409, title: "Too many concurrent changes to the same accounts; nothing was done, try again." },
  overloaded: { status: 503, title: "The server is over capacity; nothing was done, try again later." },
  key_blocked: { status: 503, title: "An encryption key that this needs is blocked; nothing was done. An operator has to act." },
  kms_unavailable: { status: 503, title: "The key management service cannot be reached; nothing was done, try again later." },
  store_unavailable: { status: 503, title: "The store cannot be reached; nothing was done, try again later." },
  outcome_unknown: { status: 504, title: "The outcome is not known yet; repeat the request with the same Idempotency-Key." },
  shutting_down: { status: 503, title: "The server is stopping; nothing was done, try again." },
  internal_error: { status: 500, title: "Something broke on our side." },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof problems;

/** A refusal: a value, never an exception. `param` names the one field at fault (JSON path with dots). */
export interface Refusal {
  readonly ok: false;
  readonly code: ProblemCode;
  readonly param?: string;
  readonly detail?: string;
}

/** Builds a refusal. */
export function refuse(code: ProblemCode, param?: string, detail?: string): Refusal {
  return { ok: false, code, ...(param === undefined ? {} : { param }), ...(detail === undefined ? {} : { detail }) };
}

/**
 * What an error of the store's family means to a client. The rooms below tell what else it was by `outage`: to them a key that
 * cannot be had is a store that cannot be read.
 */
export function outageOf(error: object): "store_unavailable" | "kms_unavailable" | "key_blocked" {
  const outage = "outage" in error ? error.outage : undefined;
  return outage === "kms_unavailable" || outage === "key_blocked" ? outage : "store_unavailable";
}
