/** Every kind of audit event. One per change; the list only grows. */
export const eventTypes = [
  "organisation.created",
  "organisation.updated",
  "api_key.created",
  "api_key.revoked",
  "user.created",
  "account.created",
  "account.updated",
  "account.frozen",
  "account.unfrozen",
  "account.closed",
  "deposit.posted",
  "withdrawal.posted",
  "withdrawal.pending_review",
  "transfer.posted",
  "transfer.pending_review",
  "capture.posted",
  "reversal.posted",
  "hold.authorised",
  "hold.incremented",
  "hold.captured",
  "hold.voided",
  "review.approved",
  "review.rejected",
  "access.ip_refused",
] as const;

export type EventType = (typeof eventTypes)[number];
