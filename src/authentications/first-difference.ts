import type { Approval, ApprovedPayment } from "./approval.ts";

/**
 * The member of a request by which what is asked for differs first from what was approved; `undefined` where it is something else
 * altogether, such as another purpose.
 */
export function firstDifference(approved: Approval, asked: Approval): string | undefined {
  if (approved.purpose === "payment" && asked.purpose === "payment") return ofPayment(approved.payment, asked.payment);
  if (approved.purpose === "beneficiary" && asked.purpose === "beneficiary")
    return ofMembers(approved.beneficiary, asked.beneficiary, ["account_id", "name"]);
  if (approved.purpose === "standing_order" && asked.purpose === "standing_order")
    return ofMembers(approved.standing_order, asked.standing_order, [
      "from_account_id",
      "to_account_id",
      "amount",
      "currency",
      "payee_name",
    ]);
  if (approved.purpose === "batch" && asked.purpose === "batch") return ofBatch(approved.payments, asked.payments);
  return undefined;
}

function ofBatch(approved: readonly ApprovedPayment[], asked: readonly ApprovedPayment[]): string | undefined {
  if (approved.length !== asked.length) return "transfers";
  for (const [index, payment] of asked.entries()) {
    const before = approved[index];
    const differs = before === undefined ? undefined : ofPayment(before, payment);
    if (differs !== undefined) return `transfers.${index}.${differs}`;
  }
  return undefined;
}

function ofPayment(approved: ApprovedPayment, asked: ApprovedPayment): string | undefined {
  if (approved.type !== asked.type) return undefined;
  // A withdrawal names its payer only; its payee is the settlement account, which follows from the currency.
  if (asked.type === "withdrawal" && approved.from_account_id !== asked.from_account_id) return "account_id";
  const names = ["from_account_id", "currency", "to_account_id", "amount", "reference", "payee_name"] as const;
  return ofMembers(approved, asked, names);
}

function ofMembers<Terms extends object>(approved: Terms, asked: Terms, names: readonly (keyof Terms & string)[]): string | undefined {
  return names.find((name) => approved[name] !== asked[name]);
}
