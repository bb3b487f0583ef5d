import type { EventDraft } from "#audit/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { Minor } from "#kernel/money.ts";
import { add, subtract } from "#kernel/money.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Account, Transaction } from "#ledger/index.ts";
import { post } from "#ledger/index.ts";
import type { MovementTerms } from "./movement.ts";
import { recordMovement } from "./movement.ts";

/** What a reversal is asked with; `amount` absent reverses all that is left. */
export interface ReversalRequest extends Omit<MovementTerms, "type" | "amount" | "assessment" | "holdId" | "reverses"> {
  readonly amount: Minor | undefined;
}

export interface ReversalDecision {
  readonly ok: true;
  readonly reversal: Transaction;
  readonly original: Transaction;
  readonly payer: Account;
  readonly payee: Account;
  readonly event: EventDraft;
}

/**
 * Reverses a posted transaction, wholly or in part: entries the other way round, never more in sum than
 * the original. The original's entries stay as they are.
 * @param originalPayee absent where nothing was ever paid to it: the settlement account of a blocked withdrawal may never have been opened
 */
export function decideReversal(
  request: ReversalRequest,
  original: Transaction,
  originalPayer: Account,
  originalPayee: Account | undefined,
  at: number,
): ReversalDecision | Refusal {
  if (original.status !== "posted") return refuse("transaction_not_reversible", undefined, `The transaction is ${original.status}.`);
  if (original.type === "reversal") return refuse("transaction_not_reversible", undefined, "A reversal is not reversed again.");
  if (original.type === "journal")
    return refuse("transaction_not_reversible", undefined, "A journal is reversed as a whole, through POST /v1/journals/{id}/reversals.");
  invariant(originalPayee, "a posted transaction has its accounts");
  const left = subtract(original.amount, original.reversedAmount);
  const amount = request.amount ?? left;
  if (left === 0n || amount > left) return refuse("reversal_exceeds_original", "amount", `What is left to reverse is ${left}.`);
  const posted = post(
    { transactionId: request.transactionId, payer: originalPayee, payee: originalPayer, amount, at },
    { payer: "to_account_id", payee: "from_account_id" },
  );
  if (!posted.ok) return posted;
  const terms: MovementTerms = { ...request, type: "reversal", amount, assessment: null, holdId: null, reverses: original.id };
  // The payer of a deposit is the settlement account: then the customer is on the other side.
  const customer = originalPayer.userId === null ? originalPayee : originalPayer;
  const { transaction, event } = recordMovement(terms, posted, customer, at);
  return {
    ok: true,
    reversal: transaction,
    original: { ...original, reversedAmount: add(original.reversedAmount, amount), version: original.version + 1 },
    payer: posted.payer,
    payee: posted.payee,
    event,
  };
}
