import type { AccountId, HoldId, OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import { minorFromWire, minorToWire } from "#kernel/money.ts";
import type { Collection, Told } from "#storage/index.ts";

export type HoldStatus = "active" | "captured" | "voided" | "expired";

/** Funds of a payer set aside for a payee, to be captured in one or several parts, or voided. */
export interface Hold {
  readonly id: HoldId;
  readonly organisationId: OrganisationId;
  readonly fromAccountId: AccountId;
  readonly toAccountId: AccountId;
  /** Everything authorised so far, increments included. */
  readonly amount: Minor;
  readonly capturedAmount: Minor;
  readonly currency: Currency;
  /** As stored; `statusAt` tells whether an active one has expired. */
  readonly status: Exclude<HoldStatus, "expired">;
  readonly expiresAt: number;
  readonly reference: string | null;
  readonly metadata: JsonObject | null;
  readonly assessment: JsonObject;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly version: number;
}

/** The status at `at`. Expiry needs no job: it is decided whenever the hold is looked at or used. */
export function statusAt(hold: Hold, at: number): HoldStatus {
  return hold.status === "active" && hold.expiresAt <= at ? "expired" : hold.status;
}

/** What can still be captured, whatever the status. */
export function remainingOf(hold: Hold): Minor {
  return (hold.amount - hold.capturedAmount) as Minor;
}

/** What the audit log is told of holds. */
const holdsTold: Told<Hold> = {
  prefix: "hld_",
  keyOf: (_organisationId, id) => ({ hash: id }),
  facts: (hold) => ({
    organisation_id: hold.organisationId,
    account_id: hold.fromAccountId,
    to_account_id: hold.toAccountId,
    amount: minorToWire(hold.amount),
    captured_amount: minorToWire(hold.capturedAmount),
    currency: hold.currency,
    status: hold.status,
    expires_at: hold.expiresAt,
  }),
};

export const holds: Collection<Hold> = {
  table: "smartfinance-holds",
  told: holdsTold,
  keyOf: (hold) => ({ hash: hold.id }),
  toItem: (hold) => ({
    id: hold.id,
    organisation_id: hold.organisationId,
    account_id: hold.fromAccountId,
    to_account_id: hold.toAccountId,
    amount: minorToWire(hold.amount),
    captured_amount: minorToWire(hold.capturedAmount),
    currency: hold.currency,
    status: hold.status,
    expires_at: hold.expiresAt,
    reference: hold.reference,
    metadata: hold.metadata,
    assessment: hold.assessment,
    created_at: hold.createdAt,
    updated_at: hold.updatedAt,
    version: hold.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredHold;
    return {
      id: stored.id,
      organisationId: stored.organisation_id,
      fromAccountId: stored.account_id,
      toAccountId: stored.to_account_id,
      amount: minorFromWire(stored.amount),
      capturedAmount: minorFromWire(stored.captured_amount),
      currency: stored.currency,
      status: stored.status,
      expiresAt: stored.expires_at,
      reference: stored.reference,
      metadata: stored.metadata,
      assessment: stored.assessment,
      createdAt: stored.created_at,
      updatedAt: stored.updated_at,
      version: stored.version,
    };
  },
};

interface StoredHold {
  readonly id: HoldId;
  readonly organisation_id: OrganisationId;
  readonly account_id: AccountId;
  readonly to_account_id: AccountId;
  readonly amount: number;
  readonly captured_amount: number;
  readonly currency: Currency;
  readonly status: Hold["status"];
  readonly expires_at: number;
  readonly reference: string | null;
  readonly metadata: JsonObject | null;
  readonly assessment: JsonObject;
  readonly created_at: number;
  readonly updated_at: number;
  readonly version: number;
}
