import { hash } from "node:crypto";
import { canonicalJson } from "#kernel/canonical-json.ts";
import type { AccountId, BeneficiaryId, StandingOrderId, TransactionId, UserId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency } from "#kernel/money.ts";

/** One payment as the payer is shown it and approves it (RTS Art 5). Amounts in minor units; every member is signed. */
export interface ApprovedPayment {
  readonly type: "transfer" | "withdrawal" | "hold";
  readonly from_account_id: AccountId;
  readonly to_account_id: AccountId;
  readonly amount: number;
  readonly currency: Currency;
  readonly reference: string | null;
  /** The payee's name as the payer was shown it; null where none was. */
  readonly payee_name: string | null;
}

/** The terms of a trusted beneficiary as the payer approves them. */
export interface ApprovedBeneficiary {
  readonly account_id: AccountId;
  readonly name: string;
  /** Null for a new one; the one that is amended otherwise. */
  readonly beneficiary_id: BeneficiaryId | null;
}

/** The terms of a standing order as the payer approves them. */
export interface ApprovedStandingOrder {
  readonly from_account_id: AccountId;
  readonly to_account_id: AccountId;
  readonly amount: number;
  readonly currency: Currency;
  readonly payee_name: string | null;
  /** Null for a new one; the one that is amended otherwise. */
  readonly standing_order_id: StandingOrderId | null;
}

/** What somebody approves by authenticating. */
export type Approval =
  | { readonly purpose: "payment"; readonly transaction_id: TransactionId | null; readonly payment: ApprovedPayment }
  | { readonly purpose: "batch"; readonly payments: readonly ApprovedPayment[] }
  | { readonly purpose: "beneficiary"; readonly beneficiary: ApprovedBeneficiary }
  | { readonly purpose: "standing_order"; readonly standing_order: ApprovedStandingOrder }
  | { readonly purpose: "account_access" }
  | { readonly purpose: "credential" };

export const purposes = ["payment", "batch", "beneficiary", "standing_order", "account_access", "credential"] as const;
export type Purpose = (typeof purposes)[number];

/** What all payments of a batch come to, minor units. They have one currency. */
export function totalOf(payments: readonly ApprovedPayment[]): bigint {
  return payments.reduce((sum, { amount }) => sum + BigInt(amount), 0n);
}

/**
 * The JSON that is signed. Each member is written out, so that a field somebody adds elsewhere neither slips in nor stays out unseen. A
 * batch is bound to its total and to its payments in their order (RTS Art 5(3)(b)).
 */
export function canonicalApproval(userId: UserId, approval: Approval): JsonObject {
  const base = { user_id: userId, purpose: approval.purpose };
  switch (approval.purpose) {
    case "payment":
      return { ...base, transaction_id: approval.transaction_id, payment: canonicalPayment(approval.payment) };
    case "batch":
      return { ...base, total: totalOf(approval.payments).toString(), payments: approval.payments.map(canonicalPayment) };
    case "beneficiary": {
      const { account_id, name, beneficiary_id } = approval.beneficiary;
      return { ...base, beneficiary: { account_id, name, beneficiary_id } };
    }
    case "standing_order": {
      const { from_account_id, to_account_id, amount, currency, payee_name, standing_order_id } = approval.standing_order;
      return { ...base, standing_order: { from_account_id, to_account_id, amount, currency, payee_name, standing_order_id } };
    }
    case "account_access":
    case "credential":
      return base;
    default:
      return approval satisfies never;
  }
}

function canonicalPayment(payment: ApprovedPayment): JsonObject {
  const { type, from_account_id, to_account_id, amount, currency, reference, payee_name } = payment;
  return { type, from_account_id, to_account_id, amount, currency, reference, payee_name };
}

/** What an authenticator signs: SHA-256 of the nonce and the RFC 8785 text of the approval. The nonce makes every challenge good once. */
export function challengeOf(nonce: Uint8Array, userId: UserId, approval: Approval): Uint8Array {
  const text = Buffer.from(canonicalJson(canonicalApproval(userId, approval)), "utf8");
  return new Uint8Array(hash("sha256", Buffer.concat([nonce, text]), "buffer"));
}

export const toBase64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
export const fromBase64url = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64url"));
