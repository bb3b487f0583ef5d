import { toTimestamp } from "#kernel/clock.ts";
import type { UserId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Approval } from "./approval.ts";
import { canonicalApproval } from "./approval.ts";
import type { Authentication } from "./authentication.ts";
import { statusAt } from "./authentication.ts";

/**
 * The authentication as the API shows it at `at` (ms). `approval` is what is signed, member by member, so that whoever shows it to the
 * payer shows amount, currency and payee as they are bound (RTS Art 5(1)(a)).
 * @param passkeyOptions what the payer's browser is asked with; null once there is nothing to be asked
 */
export function presentAuthentication(one: Authentication, approval: Approval, passkeyOptions: JsonObject | null, at: number): JsonObject {
  return {
    id: one.id,
    object: "authentication",
    user_id: one.userId,
    purpose: one.purpose,
    status: statusAt(one, at),
    transaction_id: one.transactionId,
    approval: approvalShown(one.userId, approval),
    challenge: one.challenge,
    passkey_options: passkeyOptions,
    factors: one.factors.map(({ id, type }) => ({ id, type })),
    used_for: one.usedFor,
    created_at: toTimestamp(one.createdAt),
    expires_at: toTimestamp(one.expiresAt),
    succeeded_at: one.succeededAt === null ? null : toTimestamp(one.succeededAt),
  };
}

function approvalShown(userId: UserId, approval: Approval): JsonObject {
  return {
    payment: null,
    payments: null,
    total: null,
    beneficiary: null,
    standing_order: null,
    ...canonicalApproval(userId, approval),
  };
}
