import type { EventType } from "#audit/index.ts";
import type { IdKind } from "#kernel/ids.ts";

interface PublicType {
  /** The kind of the object that `data.object` names. */
  readonly kind: IdKind;
  readonly object_type: string;
  readonly about: string;
  /**
   * About the factors of a person. Told of users only, though the same happens to operators. It
   * has no version: what has one there is the person's whole set of factors, which no answer shows.
   */
  readonly of_factors?: true;
}

const of = (kind: IdKind, object_type: string, about: string): PublicType => ({ kind, object_type, about });
const transaction = (about: string): PublicType => of("transaction", "transaction", about);
const hold = (about: string): PublicType => of("hold", "hold", about);
const approval = (about: string): PublicType => of("approval", "approval", about);
const authentication = (about: string): PublicType => of("authentication", "authentication", about);
const factor = (about: string): PublicType => ({ ...of("factor", "factor", about), of_factors: true });
const factorsOfUser = (about: string): PublicType => ({ ...of("user", "user", about), of_factors: true });
const endpoint = (about: string): PublicType => of("webhookEndpoint", "webhook_endpoint", about);

/**
 * The closed list of event types that clients are told, by webhooks, stream and list: each is an audit event type of the same
 * name. What is not named here stays in the audit log, so that a new audit event is public only by somebody's decision.
 */
const table = {
  "account.created": of("account", "account", "An account was opened."),
  "account.updated": of("account", "account", "The terms or the metadata of an account changed."),
  "account.frozen": of("account", "account", "An account was frozen."),
  "account.unfrozen": of("account", "account", "An account was unfrozen."),
  "account.closed": of("account", "account", "An account was closed."),
  "account.holder_added": of("account", "account", "A user was added to an account."),
  "account.holder_changed": of("account", "account", "A holder of an account was given another role."),
  "account.holder_removed": of("account", "account", "A user was taken off an account."),
  "deposit.posted": transaction("Money came in."),
  "withdrawal.posted": transaction("Money went out."),
  "withdrawal.pending_review": transaction("A withdrawal waits for a review; the money is reserved."),
  "transfer.posted": transaction("Money moved between two accounts."),
  "transfer.pending_review": transaction("A transfer waits for a review; the money is reserved."),
  "withdrawal.blocked": transaction("A withdrawal was blocked; no money moves."),
  "transfer.blocked": transaction("A transfer was blocked; no money moves."),
  "withdrawal.requires_action": transaction("A withdrawal waits for its payer to be authenticated; the money is reserved."),
  "transfer.requires_action": transaction("A transfer waits for its payer to be authenticated; the money is reserved."),
  "withdrawal.rejected": transaction("The payer of a withdrawal was not authenticated; the money is free again."),
  "transfer.rejected": transaction("The payer of a transfer was not authenticated; the money is free again."),
  "capture.posted": transaction("Money of a hold moved."),
  "reversal.posted": transaction("A transaction was reversed, in whole or in part."),
  "journal.posted": transaction("Manual entries were posted."),
  "hold.authorised": hold("Money was reserved."),
  "hold.incremented": hold("More money was reserved."),
  "hold.captured": hold("A hold was used."),
  "hold.voided": hold("A hold was given up."),
  "review.approved": of("review", "review", "A payment was approved and has posted."),
  "review.rejected": of("review", "review", "A payment was rejected; the money is free again."),
  "approval.requested": approval("Something waits for a second person."),
  "approval.amended": approval("What waits for a second person was changed; approvals so far are void."),
  "approval.approved": approval("A person approved what somebody else asked for."),
  "approval.rejected": approval("A person rejected what somebody else asked for."),
  "approval.voided": approval("What waited for a second person was taken back."),
  "approval.expired": approval("What waited for a second person was not approved in time."),
  "approval.executed": approval("What was approved has been done."),
  "approval.failed": approval("What was approved could not be done."),
  "user.created": of("user", "user", "A user was created."),
  "user.updated": of("user", "user", "A user changed."),
  "user.status_changed": of("user", "user", "The verification of a user has come to another status."),
  "user.closed": of("user", "user", "A user was closed."),
  "user.erased": of("user", "user", "A user's personal data was erased for good."),
  "authentication.succeeded": authentication("A user approved what was asked."),
  "authentication.failed": authentication("A user failed too often to approve what was asked."),
  "authentication.canceled": authentication("An authentication was taken back before the user approved."),
  "authentication.invalidated": authentication(
    "An authentication is good for nothing any more: it was used for something else than it approves.",
  ),
  "factor.added": factor("A user has another authentication factor."),
  "factor.removed": factor("An authentication factor of a user was removed."),
  "factor.reset": factorsOfUser("All authentication factors of a user were taken away, because the user can prove none any more."),
  "factor.flagged": factor("A passkey of a user is taken no more: it may have been copied."),
  "factor.blocked": factorsOfUser(
    "Too many attempts of a user have failed; further ones are not looked at for a while, or until somebody lifts it.",
  ),
  "factor.unblocked": factorsOfUser("Attempts of a user are looked at again."),
  "hosted_session.completed": of("hostedSession", "hosted_session", "A customer was done on the hosted pages."),
  "hosted_session.expired": of("hostedSession", "hosted_session", "A customer did not come, or was not done in time."),
  "api_key.created": of("apiKey", "api_key", "An API key was created."),
  "api_key.updated": of("apiKey", "api_key", "What an API key may do changed."),
  "api_key.rotated": of("apiKey", "api_key", "An API key was given a new secret."),
  "api_key.revoked": of("apiKey", "api_key", "An API key was revoked."),
  "webhook_endpoint.created": endpoint("A webhook endpoint was created."),
  "webhook_endpoint.updated": endpoint("A webhook endpoint changed."),
  "webhook_endpoint.secret_rotated": endpoint("A webhook endpoint was given a new secret."),
  "webhook_endpoint.disabled": endpoint("A webhook endpoint was disabled because nobody took what was sent to it."),
  "webhook_endpoint.deleted": endpoint("A webhook endpoint was deleted."),
} as const satisfies Partial<Record<EventType, PublicType>>;

export type PublicEventType = keyof typeof table;

export const publicEventTypes = Object.keys(table) as readonly PublicEventType[];

/** Where a client that named a type which is none finds all of them. */
export const TYPES_LISTED =
  "All types are in the description of GET /v1/events, in the section `webhooks` of /openapi.json and in docs/webhooks.md.";

/** Whether a text is the type of an event that clients are told. */
export function isPublicEventType(value: unknown): value is PublicEventType {
  return typeof value === "string" && Object.hasOwn(table, value);
}

/** What an event of a type is about. */
export function publicType(type: PublicEventType): PublicType {
  return table[type];
}
