import type { AuthenticationId, FactorId, OrganisationId, TransactionId, UserId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection, Store } from "#storage/index.ts";
import type { Purpose } from "./approval.ts";

export const AUTHENTICATIONS_TABLE = "smartfinance-authentications";

/**
 * `pending` waits for the payer's factors; `succeeded` may be used once for what was approved; `consumed` has been; `failed` was tried too
 * often; `invalidated` was withdrawn, or shown for something else than was approved. `expired` follows from the clock.
 */
export const authenticationStatuses = ["pending", "succeeded", "consumed", "failed", "invalidated", "expired"] as const;
export type AuthenticationStatus = (typeof authenticationStatuses)[number];

/** A challenge is answered within this time, and what succeeded is used within the same time again, ms. */
export const AUTHENTICATION_LIFE_MS = 5 * 60_000;
/** So many failed answers end one authentication; the person's own count goes on with the factors. */
export const MAX_FAILURES = 5;

/** A factor that took part. */
export interface UsedFactor {
  readonly id: FactorId;
  readonly type: string;
}

/** One strong customer authentication: who approves what, and how it went. Kept as evidence; never deleted. */
export interface Authentication {
  readonly id: AuthenticationId;
  readonly organisationId: OrganisationId;
  readonly userId: UserId;
  readonly purpose: Purpose;
  /** The payment that waits for it; null where what is approved is yet to be asked for. */
  readonly transactionId: TransactionId | null;
  /** What is approved, sealed: it names people. */
  readonly approval: JsonObject;
  /** base64url, 32 random bytes. */
  readonly nonce: string;
  /** base64url, SHA-256 of nonce and approval. */
  readonly challenge: string;
  /** As stored; `statusAt` tells whether its time is over. */
  readonly status: Exclude<AuthenticationStatus, "expired">;
  readonly failures: number;
  readonly factors: readonly UsedFactor[];
  readonly createdAt: number;
  /** How often the person's factors had been taken away by then; `null`: an earlier release wrote it. */
  readonly factorResets: number | null;
  /** While pending: until when it can be answered. Once succeeded: until when it can be used. ms */
  readonly expiresAt: number;
  readonly succeededAt: number | null;
  /** What it was used for: the id of a transaction, a beneficiary, a standing order, or the first transaction of a batch. */
  readonly usedFor: string | null;
  readonly version: number;
}

/** The status at `at`: nothing that waits, or may be used, does so from the millisecond its time is over. */
export function statusAt({ status, expiresAt }: Pick<Authentication, "status" | "expiresAt">, at: number): AuthenticationStatus {
  return (status === "pending" || status === "succeeded") && at >= expiresAt ? "expired" : status;
}

interface StoredAuthentication {
  readonly id: AuthenticationId;
  readonly organisation_id: OrganisationId;
  readonly user_id: UserId;
  readonly purpose: Purpose;
  readonly transaction_id: TransactionId | null;
  readonly approval: JsonObject;
  readonly nonce: string;
  readonly challenge: string;
  readonly status: Authentication["status"];
  readonly failures: number;
  readonly factors: readonly UsedFactor[];
  readonly created_at: number;
  readonly factor_resets?: number;
  readonly expires_at: number;
  readonly succeeded_at: number | null;
  readonly used_for: string | null;
  readonly version: number;
}

export const authentications: Collection<Authentication> = {
  table: AUTHENTICATIONS_TABLE,
  keyOf: ({ id }) => ({ hash: id }),
  toItem: (one) => ({
    id: one.id,
    organisation_id: one.organisationId,
    user_id: one.userId,
    purpose: one.purpose,
    transaction_id: one.transactionId,
    approval: one.approval,
    nonce: one.nonce,
    challenge: one.challenge,
    status: one.status,
    failures: one.failures,
    factors: one.factors.map(({ id, type }) => ({ id, type })),
    created_at: one.createdAt,
    ...(one.factorResets === null ? {} : { factor_resets: one.factorResets }),
    expires_at: one.expiresAt,
    succeeded_at: one.succeededAt,
    used_for: one.usedFor,
    version: one.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredAuthentication;
    return {
      id: stored.id,
      organisationId: stored.organisation_id,
      userId: stored.user_id,
      purpose: stored.purpose,
      transactionId: stored.transaction_id,
      approval: stored.approval,
      nonce: stored.nonce,
      challenge: stored.challenge,
      status: stored.status,
      failures: stored.failures,
      factors: stored.factors,
      createdAt: stored.created_at,
      factorResets: stored.factor_resets ?? null,
      expiresAt: stored.expires_at,
      succeededAt: stored.succeeded_at,
      usedFor: stored.used_for,
      version: stored.version,
    };
  },
};

/** An authentication of this organisation; another's reads like an unknown one. */
export async function readAuthentication(
  store: Store,
  organisationId: OrganisationId,
  id: AuthenticationId,
): Promise<Authentication | undefined> {
  const item = await store.get(AUTHENTICATIONS_TABLE, { hash: id });
  return item === undefined || item.organisation_id !== organisationId ? undefined : authentications.fromItem(item);
}
