import type { ShowReply } from "#commit/index.ts";
import { digestOf } from "#commit/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { OrganisationId, TransactionId } from "#kernel/ids.ts";
import { ZERO } from "#kernel/money.ts";
import { readTransaction } from "#ledger/index.ts";
import { openMetadata } from "#vault/index.ts";
import type { PaymentDeps } from "./deps.ts";
import { presentTransaction } from "./present.ts";

export interface ShowPostedDeps extends Pick<PaymentDeps, "store" | "vault"> {
  /** Told when a transaction is shown otherwise than it was answered: this release shows transactions in another way. */
  readonly onDifferent?: (organisationId: OrganisationId, id: TransactionId) => void;
}

/**
 * Shows transactions as they were answered when they posted at once. Of such a one only `reversedAmount` changes later, and what is not
 * shown: the version, and the key its metadata is sealed under. Where a newer release shows transactions in another way, it is shown in
 * that way, as it was then.
 */
export function showPosted({ store, vault, onDifferent }: ShowPostedDeps): ShowReply {
  return async (organisationId, id, digest) => {
    // Only what this very room kept is asked for.
    const transactionId = id as TransactionId;
    const stored = await readTransaction(store, organisationId, transactionId);
    invariant(stored?.status === "posted", "a kept reply shows a transaction that is not there as it was answered");
    const metadata = await openMetadata(vault, organisationId, "smartfinance-transactions", id, stored.metadata);
    const body = JSON.stringify(presentTransaction({ ...stored, reversedAmount: ZERO }, metadata));
    if (digestOf(body) !== digest) onDifferent?.(organisationId, transactionId);
    return body;
  };
}
