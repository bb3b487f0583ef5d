import type { Need, View, Working } from "#commit/index.ts";
import type { AccountId, OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency } from "#kernel/money.ts";
import { minorFromWire } from "#kernel/money.ts";
import type { Account } from "#ledger/index.ts";
import { accounts, transactions } from "#ledger/index.ts";
import type { RiskContext } from "#risk/index.ts";
import { riskProfiles } from "#risk/index.ts";
import type { AccountFacts } from "../account-facts.ts";
import type { PaymentDecision, PaymentRequest, PaymentState } from "../decide/payment.ts";
import type { PaymentDeps } from "../deps.ts";
import type { Metadata } from "#vault/index.ts";
import { reviews } from "../review.ts";

/** A transfer as a client asks for it. Amount in minor units. */
export interface TransferBody {
  readonly from_account_id: AccountId;
  readonly to_account_id: AccountId;
  readonly amount: number;
  readonly currency: Currency;
  readonly reference?: string;
  readonly metadata?: Metadata;
  readonly context?: RiskContext;
}

/** Draws the ids of a transfer and puts its parts into the decision's terms. */
export function transferRequest(
  deps: PaymentDeps,
  organisationId: OrganisationId,
  body: TransferBody,
  seal: (transactionId: string, metadata: Metadata) => JsonObject,
): PaymentRequest {
  const transactionId = deps.ids.next("transaction");
  return {
    organisationId,
    transactionId,
    reviewId: deps.ids.next("review"),
    eventId: deps.ids.next("event"),
    type: "transfer",
    fromAccountId: body.from_account_id,
    toAccountId: body.to_account_id,
    amount: minorFromWire(body.amount),
    currency: body.currency,
    reference: body.reference ?? null,
    metadata: body.metadata === undefined ? null : seal(transactionId, body.metadata),
    context: body.context ?? {},
  };
}

/** The records a payment's decision needs. Accounts that are not the organisation's own are not even locked. */
export function paymentNeeds(
  request: Pick<PaymentRequest, "fromAccountId" | "toAccountId">,
  payer: AccountFacts | undefined,
  payee: AccountFacts | undefined,
): Need[] {
  const needs: Need[] = [];
  if (payer !== undefined) {
    needs.push({ collection: accounts, key: { hash: request.fromAccountId }, mode: "write" });
    needs.push({ collection: riskProfiles, key: { hash: payer.profileId }, mode: "write" });
  }
  if (payee !== undefined) needs.push({ collection: accounts, key: { hash: request.toAccountId }, mode: "write" });
  return needs;
}

/** The state of a payment, as far as its needs could be named. */
export function paymentState(
  view: View,
  request: Pick<PaymentRequest, "fromAccountId" | "toAccountId">,
  payer: AccountFacts | undefined,
  payee: AccountFacts | undefined,
): PaymentState {
  return {
    payer: payer === undefined ? undefined : view.get(accounts, { hash: request.fromAccountId }),
    payee: payee === undefined ? undefined : view.get(accounts, { hash: request.toAccountId }),
    profile: payer === undefined ? undefined : view.get(riskProfiles, { hash: payer.profileId }),
  };
}

/** Puts a decided payment into the working state. */
export function applyPayment(work: Working, decision: PaymentDecision): void {
  work.put(transactions, decision.transaction);
  putAccounts(work, decision.payer, decision.payee);
  work.put(riskProfiles, decision.profile);
  if (decision.review !== undefined) work.put(reviews, decision.review);
  work.tell(decision.event);
}

export function putAccounts(work: Working, ...changed: readonly Account[]): void {
  for (const account of changed) work.put(accounts, account);
}
