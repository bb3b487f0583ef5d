import type { Restriction } from "#ledger/index.ts";
import type { StatusReason, User, UserStatus } from "./user.ts";

/**
 * Which status may follow which. `pending` is how a user begins where the organisation asks for it, and is not come back to: who
 * has to be looked at again is `restricted`. `closed` is for good.
 */
export const transitions: Readonly<Record<UserStatus, readonly UserStatus[]>> = {
  pending: ["active", "restricted", "closed"],
  active: ["restricted", "closed"],
  restricted: ["active", "closed"],
  closed: [],
};

/** Which statuses a reason can be given for. Courts and customers ask for a restriction, and have it lifted. */
export const reasonsFor: Readonly<Record<StatusReason, readonly UserStatus[]>> = {
  verified: ["active"],
  verification_failed: ["restricted"],
  documents_expired: ["restricted"],
  information_outdated: ["restricted"],
  screening_hit: ["restricted"],
  suspicious_activity: ["restricted"],
  court_order: ["active", "restricted"],
  customer_request: ["active", "restricted"],
  cleared: ["active"],
};

/** What a user's status does to an account that the user is given. */
export function restrictionBy(status: UserStatus): Restriction | null {
  return status === "pending" || status === "restricted" ? status : null;
}

/**
 * What a change of a user's status does to the accounts that the user holds. Who is restricted without ever having been verified stays as
 * unknown as before, so nothing may come in either. As `pending` is not come back to, the status it came from tells that.
 */
export function restrictionAfter(from: UserStatus, to: UserStatus): Restriction | null {
  return from === "pending" && to === "restricted" ? "pending" : restrictionBy(to);
}

/** Whether a user of this status can be given an account, alone or with others. A pending one can, and no money moves on it yet. */
export function canHold({ status }: Pick<User, "status">): boolean {
  return status === "active" || status === "pending";
}
