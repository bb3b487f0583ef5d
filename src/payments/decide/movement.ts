import type { EventDraft, EventType } from "#audit/index.ts";
import type { EventId, HoldId, OrganisationId, TransactionId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Minor } from "#kernel/money.ts";
import { ZERO } from "#kernel/money.ts";
import type { Account, Posted, Transaction, TransactionType } from "#ledger/index.ts";
import { entriesOf } from "./payment.ts";

/** What the record of a movement that is not a scored payment of its own is made of. */
export interface MovementTerms {
  readonly organisationId: OrganisationId;
  readonly transactionId: TransactionId;
  readonly eventId: EventId;
  readonly type: Extract<TransactionType, "deposit" | "capture" | "reversal">;
  readonly amount: Minor;
  readonly reference: string | null;
  readonly metadata: JsonObject | null;
  readonly assessment: JsonObject | null;
  readonly holdId: HoldId | null;
  readonly reverses: TransactionId | null;
}

/** The transaction and the event of a movement that has been posted. */
export function recordMovement(
  terms: MovementTerms,
  posted: Posted,
  customer: Account,
  at: number,
): { readonly transaction: Transaction; readonly event: EventDraft } {
  const type: EventType = `${terms.type}.posted`;
  return {
    transaction: {
      id: terms.transactionId,
      organisationId: terms.organisationId,
      type: terms.type,
      status: "posted",
      fromAccountId: posted.payer.id,
      toAccountId: posted.payee.id,
      amount: terms.amount,
      currency: posted.payer.currency,
      reference: terms.reference,
      metadata: terms.metadata,
      assessment: terms.assessment,
      reviewId: null,
      holdId: terms.holdId,
      reverses: terms.reverses,
      reversedAmount: ZERO,
      legs: posted.legs,
      createdAt: at,
      postedAt: posted.at,
      version: 1,
    },
    event: {
      id: terms.eventId,
      type,
      objectId: terms.transactionId,
      userId: customer.userId ?? undefined,
      transactionId: terms.transactionId,
      amount: terms.amount,
      currency: posted.payer.currency,
      entries: entriesOf(posted.legs),
    },
  };
}
