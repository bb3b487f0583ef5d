import type { OrganisationId, UserId } from "#kernel/ids.ts";
import type { Collection, Key, Versioned } from "#storage/index.ts";
import type { LowValueCounters } from "./exemptions.ts";
import { NO_COUNTERS } from "./exemptions.ts";

/** What is counted of one payer between two authentications. Loaded and written with the payment, so that no race passes a limit. */
export interface ScaCounters extends LowValueCounters, Versioned {
  readonly userId: UserId;
  readonly organisationId: OrganisationId;
  /** When the payer was last authenticated for a payment, ms; null: never. */
  readonly authenticatedAt: number | null;
}

export function countersKey(userId: UserId): Key {
  return { hash: userId };
}

export function noCounters(organisationId: OrganisationId, userId: UserId): ScaCounters {
  return { ...NO_COUNTERS, userId, organisationId, authenticatedAt: null, version: 0 };
}

/** The counters after an authenticated payment. */
export function resetCounters(before: ScaCounters, at: number): ScaCounters {
  return { ...before, ...NO_COUNTERS, authenticatedAt: Math.max(at, before.authenticatedAt ?? at), version: before.version + 1 };
}

export const scaCounters: Collection<ScaCounters> = {
  table: "smartfinance-sca-counters",
  keyOf: ({ userId }) => countersKey(userId),
  toItem: (one) => ({
    id: one.userId,
    organisation_id: one.organisationId,
    count: one.count,
    amount: Number(one.amount),
    authenticated_at: one.authenticatedAt,
    version: one.version,
  }),
  fromItem: (item) => ({
    userId: item.id as UserId,
    organisationId: item.organisation_id as OrganisationId,
    count: Number(item.count),
    amount: BigInt(Number(item.amount)),
    authenticatedAt: item.authenticated_at as number | null,
    version: Number(item.version),
  }),
};
