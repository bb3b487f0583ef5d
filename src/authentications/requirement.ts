import type { AuthenticationId, StandingOrderId, UserId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Exemption, LowValueCounters } from "./exemptions.ts";
import { exemptionThreshold, findExemption, NO_COUNTERS, presentCounters } from "./exemptions.ts";
import type { ScaTerms } from "./policy.ts";

/** What is known of the payer's side when a payment is decided. */
export interface ScaFacts {
  readonly terms: ScaTerms;
  /** The user behind the paying account; null for accounts of the organisation, which nobody has to authenticate for. */
  readonly userId: UserId | null;
  /** Somebody who may start payments from the account has factors that can give a strong authentication. */
  readonly canAuthenticate: boolean;
  /** Who that is; `userId` where absent. */
  readonly approverId?: UserId | undefined;
  /** The authentication the payment comes with, checked to be for exactly this payment. */
  readonly authenticationId: AuthenticationId | null;
  readonly trusted: boolean;
  /** The standing order the payment names, and whether it is a later one of that very series. */
  readonly standingOrderId: StandingOrderId | null;
  readonly recurring: boolean;
  readonly counters: LowValueCounters;
}

/** The payment, and what risk says of it. */
export interface ScaPayment {
  readonly amount: Minor;
  readonly currency: Currency;
  readonly action: "allow" | "challenge" | "review";
  /** In ten-thousandths. */
  readonly score: number;
  readonly riskFlags: readonly string[];
  readonly ownAccount: boolean;
}

/**
 * What strong authentication means for one payment.
 * - `not_required`: nothing is asked of the payer, and nothing kept.
 * - `authenticated`, `exempt`: it may go on.
 * - `required`: it waits for the payer.
 */
export interface ScaAnswer {
  readonly ok: true;
  readonly outcome: "not_required" | "authenticated" | "exempt" | "required";
  readonly exemption: Exemption | null;
  readonly countersAfter: LowValueCounters;
  /** What was decided upon, for the record of the payment (RTS Art 2 and 29); absent where nothing was required. */
  readonly evidence: JsonObject | undefined;
}

/** Decides whether the payer has to be authenticated. Pure. A refusal: it is required, and the payer has nothing to do it with. */
export function requirementOf(facts: ScaFacts, payment: ScaPayment): ScaAnswer | Refusal {
  const { terms, userId, authenticationId } = facts;
  const challenged = payment.action === "challenge" && terms.mode !== "off" && facts.canAuthenticate;
  const ruled = terms.mode === "psd2" && userId !== null;
  if (authenticationId !== null) return answer("authenticated", facts, payment, null, NO_COUNTERS);
  if (userId === null || (!ruled && !challenged)) return NOT_REQUIRED;
  if (!ruled) return answer("required", facts, payment, null, facts.counters);
  const { riskFlags, ownAccount, amount, currency } = payment;
  const { trusted, recurring, counters } = facts;
  const allowed = payment.action === "allow";
  const found = findExemption({ terms, amount, currency, allowed, riskFlags, ownAccount, trusted, recurring, counters });
  if (found !== undefined) return answer("exempt", facts, payment, found.exemption, found.counters);
  if (!facts.canAuthenticate) return refuse("authentication_unavailable", undefined, noPasskeyOf(userId, terms.deviceBound));
  return answer("required", facts, payment, null, counters);
}

/** Whom a passkey is missing and where one is made: another factor, such as a TOTP, binds nothing to the payment. */
export function noPasskeyOf(userId: UserId, deviceBound: boolean): string {
  const what = deviceBound
    ? "has no passkey that cannot leave its device, as the policy asks for"
    : "has no passkey, and other factors do not do";
  return `${userId} ${what}. One is enrolled by POST /v1/users/${userId}/passkeys/options and POST /v1/users/${userId}/passkeys.`;
}

const NOT_REQUIRED: ScaAnswer = {
  ok: true,
  outcome: "not_required",
  exemption: null,
  countersAfter: NO_COUNTERS,
  evidence: undefined,
};

function answer(
  outcome: ScaAnswer["outcome"],
  facts: ScaFacts,
  payment: ScaPayment,
  exemption: Exemption | null,
  countersAfter: LowValueCounters,
): ScaAnswer {
  const { terms } = facts;
  const threshold = exemptionThreshold("credit_transfer", terms.fraudRatePpm);
  const evidence: JsonObject = {
    mode: terms.mode,
    outcome,
    exemption,
    authentication_id: facts.authenticationId,
    user_id: facts.approverId ?? facts.userId,
    inputs: {
      action: payment.action,
      risk_score: payment.score / 10_000,
      risk_flags: payment.riskFlags,
      own_account: payment.ownAccount,
      trusted_beneficiary: facts.trusted,
      standing_order_id: facts.standingOrderId,
      fraud_rate_ppm: terms.fraudRatePpm,
      exemption_threshold: threshold === undefined ? null : Number(threshold),
    },
    counters_before: presentCounters(facts.counters),
    counters_after: presentCounters(countersAfter),
  };
  return { ok: true, outcome, exemption, countersAfter, evidence };
}
