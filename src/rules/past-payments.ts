import type { OrganisationId } from "#kernel/ids.ts";
import { newestIdOf, oldestIdOf } from "#kernel/id-times.ts";
import { PARTITIONS, partitionName } from "#kernel/ids.ts";
import type { JsonObject, JsonValue } from "#kernel/json.ts";
import type { Transaction } from "#ledger/index.ts";
import { transactions } from "#ledger/index.ts";
import { namedFeatures } from "#risk/index.ts";
import type { Store } from "#storage/index.ts";
import type { Facts, FactValue } from "./facts.ts";
import { pairOf } from "./facts.ts";
import type { PastPayment } from "./tally.ts";
import { ONE } from "./thresholds.ts";

/** How many parts an organisation's payments are read in; what is in which is random. */
export const PAYMENT_PARTS = PARTITIONS;

export interface PastPage {
  readonly payments: readonly PastPayment[];
  readonly cursor: string | undefined;
}

export interface PastRange {
  readonly organisationId: OrganisationId;
  /** From 0 to `PAYMENT_PARTS` - 1. */
  readonly part: number;
  /** Creation, ms: inclusive, exclusive. */
  readonly from: number;
  readonly to: number;
  readonly cursor: string | undefined;
  readonly limit: number;
}

/** A page of past payments that were judged, newest first. What was not (deposits, reversals, captures of what was judged as a hold) is passed over. */
export async function readPastPayments(store: Store, { organisationId, part, from, to, cursor, limit }: PastRange): Promise<PastPage> {
  const page = await store.query({
    table: "smartfinance-transactions",
    hash: partitionName(organisationId, part),
    from: oldestIdOf("transaction", from),
    to: newestIdOf("transaction", to),
    order: "descending",
    limit,
    ...(cursor === undefined ? {} : { cursor }),
  });
  const payments: PastPayment[] = [];
  for (const item of page.items) {
    const transaction = transactions.fromItem(item);
    if (transaction.createdAt < from || transaction.createdAt >= to || transaction.assessment === null) continue;
    // It carries the assessment of its hold.
    if (transaction.type === "capture") continue;
    payments.push({
      facts: factsOfTransaction(transaction, transaction.assessment),
      amount: Number(transaction.amount),
      currency: transaction.currency,
      reviewed: transaction.reviewId !== null,
      rejected: isTurnedDown(transaction),
    });
  }
  return { payments, cursor: page.cursor };
}

/** Whether a reviewer turned it down: a payment whose review ran out, or whose payer did not come, is rejected as well. */
function isTurnedDown({ status, reviewId, assessment }: Transaction): boolean {
  return status === "rejected" && reviewId !== null && assessment?.["risk_reason"] !== "declined_expired";
}

/**
 * The facts of a stored payment. Scores and factors are stored in ten-thousandths; features, where the assessment has kept
 * them and they are still declared as they were, as a text under `features`. What was not stored is unknown, and so are the circumstances, of which only
 * fingerprints are kept: neither what they were nor whether they were told.
 */
export function factsOfTransaction(transaction: Transaction, assessment: JsonObject): Facts {
  const facts: Record<string, FactValue> = {};
  // First, so that a feature cannot stand in the place of what is stored of the payment itself.
  for (const [name, value] of Object.entries(featuresOf(assessment))) if (typeof value === "number") facts[name] = value;
  for (const [name, value] of Object.entries(objectOf(assessment.factors))) facts[`factors.${name}`] = scaled(value);
  return {
    ...facts,
    context: null,
    amount: transaction.amount,
    currency: transaction.currency,
    payment_type: transaction.type,
    payer_account_id: transaction.fromAccountId,
    payee_account_id: transaction.toAccountId,
    pair: pairOf(transaction.fromAccountId, transaction.toAccountId),
    score: scaled(assessment.score),
    model_score: scaled(assessment.model_score),
  };
}

function featuresOf({ features, features_version: version }: JsonObject): JsonObject {
  if (typeof features !== "string" || typeof version !== "number") return objectOf(features);
  return namedFeatures(version, features) ?? {};
}

function scaled(value: JsonValue | undefined): number | undefined {
  return typeof value === "number" ? value / ONE : undefined;
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}
