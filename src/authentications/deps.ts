import type { Need, Working } from "#commit/index.ts";
import type { FactorDeps } from "#factors/index.ts";
import type { AuthenticationId, OrganisationId, TransactionId, UserId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import type { ApprovedPayment } from "./approval.ts";
import type { ScaPolicies } from "./sca-policies.ts";

/** A payment that waits for its payer. Read outside the decision; what is decided is decided over what the commit loads. */
export interface WaitingPayment {
  /** As it is stored; without the payee's name, which payments do not keep. */
  readonly payment: ApprovedPayment;
  /** Until when it waits, ms. */
  readonly expiresAt: number;
  readonly needs: readonly Need[];
  /** The payment as it is stored at the decision; `undefined` once it does not wait any more. */
  stillWaiting(work: Working, at: number): ApprovedPayment | undefined;
  /** Whether this user may approve it: one of those who may start payments from the account, as they are at the decision. */
  mayBeApprovedBy(work: Working, userId: UserId): boolean;
  /** Lets the payment go on: it posts, or goes to a review. A refusal (say the payee is closed by now) leaves everything as it was. */
  complete(work: Working, authenticationId: AuthenticationId, at: number): { readonly ok: true } | Refusal;
  /** Gives the payment up and releases its funds. */
  giveUp(work: Working, why: "authentication_failed" | "authentication_canceled", at: number): void;
}

/** The payments that wait, as the room of payments knows them. */
export interface WaitingPayments {
  /** A payment of this organisation that waits; `undefined` for every other, and for those that are another organisation's. */
  read(organisationId: OrganisationId, id: TransactionId): Promise<WaitingPayment | undefined>;
}

/** What every command and route of this room is built with. */
export interface AuthenticationDeps extends FactorDeps {
  readonly policies: ScaPolicies;
  readonly waiting: WaitingPayments;
}
