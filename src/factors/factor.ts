import type { EventId, FactorId, Ids, OperatorId, OrganisationId, UserId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";

export type SubjectKind = "user" | "operator";

/** Whose factors: this room knows no more of a person than this. */
export interface Subject {
  readonly organisationId: OrganisationId;
  readonly kind: SubjectKind;
  readonly id: UserId | OperatorId;
}

/** The elements of strong customer authentication (PSD2 article 4(30)). */
export type FactorCategory = "knowledge" | "possession" | "inherence";

export const factorTypes = ["passkey", "totp", "recovery_code", "email_code", "sms_code"] as const;
/** Passwords are no factors of this room: they belong to whoever has them. */
export type FactorType = (typeof factorTypes)[number];
/** Factors that are proved by typing a code. */
export type CodeType = Exclude<FactorType, "passkey">;
/** Factors whose codes are sent. */
export type SentCodeType = "email_code" | "sms_code";

/** `pending` ones wait for their first code; `flagged` ones are refused for good, because a copy of them may exist. */
export type FactorStatus = "pending" | "active" | "flagged";

/** What verification found, for the decision to judge against the state of that moment. */
export type Evidence =
  | {
      readonly kind: "passkey";
      readonly counter: number;
      readonly backedUp: boolean;
      readonly digest: string;
      /** When the challenge was given out, ms; `undefined` where nobody knows. */
      readonly askedAt: number | undefined;
    }
  | { readonly kind: "totp"; readonly step: number }
  | { readonly kind: "code"; readonly hash: string };

/** One try to prove a factor. Its event ids are drawn before the decision, which has to be pure. */
export interface Attempt {
  readonly subject: Subject;
  readonly type: FactorType;
  readonly eventIds: readonly [EventId, EventId];
}

/** A factor that was proved, but not used up yet: `useFactor` does that, inside the decision that it is proved for. */
export interface Checked {
  readonly ok: true;
  readonly factorId: FactorId;
  readonly type: FactorType;
  readonly categories: readonly FactorCategory[];
  /** The key cannot leave its device (backup eligibility is unset): only passkeys can tell. */
  readonly deviceBound: boolean;
  readonly attempt: Attempt;
  readonly evidence: Evidence;
}

/** A factor that was not proved. Hand it to `useFactor` all the same: it counts the failure in the same commit. */
export interface FailedCheck extends Refusal {
  readonly attempt: Attempt;
}

/** Who passkeys are made for (WebAuthn's relying party). */
export interface RelyingParty {
  /** A domain that is a registrable suffix of the host of every origin. */
  readonly id: string;
  /** What authenticators show, also the issuer of TOTP. */
  readonly name: string;
  /** The origins of the pages and apps that may use passkeys, as the browser writes them. */
  readonly origins: readonly string[];
}

/** Where a subject can be reached besides its own code factors. */
export interface Contact {
  readonly email: string | null;
  readonly phone: string | null;
}

/** What every attempt begins with. */
export function attemptOf({ ids }: { readonly ids: Ids }, subject: Subject, type: FactorType): Attempt {
  return { subject, type, eventIds: [ids.next("event"), ids.next("event")] };
}

/**
 * What a proved factor counts as (RTS article 9). A passkey is always asked for user verification, so it is the possession of a device and
 * the inherence (or the PIN) that unlocked it. A recovery code is something one has, by NIST SP 800-63B; so is access to a
 * telephone or a mailbox. Two of these are one element twice.
 */
export function categoriesOf(type: FactorType): readonly FactorCategory[] {
  return type === "passkey" ? ["possession", "inherence"] : ["possession"];
}
