import type { LabelValue } from "#labels/index.ts";

export type Verdict = "approve" | "reject";

interface Reason {
  readonly verdict: Verdict;
  /** What it says about the payment; `null` where the decision does not tell whether it was fraud. */
  readonly label: LabelValue | null;
  /** What the payer and the payee may be told. */
  readonly told: RiskReason;
}

/**
 * What customers may know of why a payment waited or did not go through. Coarse on purpose: neither how payments are scored nor
 * whether anybody is suspected can be read from it.
 */
export const riskReasons = [
  "under_review",
  "authentication_required",
  "approved_after_review",
  "declined_security",
  "declined_unconfirmed",
  "declined_policy",
  "declined_expired",
  "declined_authentication",
] as const;
export type RiskReason = (typeof riskReasons)[number];

/** Why an analyst decided as he did. Closed: what is learnt from a decision depends on it. */
const reasons = {
  customer_confirmed: { verdict: "approve", label: "legitimate", told: "approved_after_review" },
  false_positive: { verdict: "approve", label: "legitimate", told: "approved_after_review" },
  confirmed_fraud: { verdict: "reject", label: "fraud", told: "declined_security" },
  suspected_fraud: { verdict: "reject", label: "fraud", told: "declined_security" },
  customer_denied: { verdict: "reject", label: "fraud", told: "declined_security" },
  insufficient_information: { verdict: "reject", label: null, told: "declined_unconfirmed" },
  policy: { verdict: "reject", label: null, told: "declined_policy" },
} as const satisfies Record<string, Reason>;

export type ReasonCode = keyof typeof reasons;
export const reasonCodes = Object.keys(reasons) as readonly ReasonCode[];

/** What a decision without a reason is taken for. */
export const USUAL_REASON = { approve: "false_positive", reject: "suspected_fraud" } as const satisfies Record<Verdict, ReasonCode>;

export function reasonOf(code: ReasonCode): Reason {
  return reasons[code];
}

/** The reasons that go with a verdict. */
export function reasonsFor(verdict: Verdict): readonly ReasonCode[] {
  return reasonCodes.filter((code) => reasons[code].verdict === verdict);
}
