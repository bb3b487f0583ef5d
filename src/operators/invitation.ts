import type { Random } from "#kernel/random.ts";
import type { OperatorId } from "#kernel/ids.ts";
import type { Invitation } from "./credentials.ts";
import { newSecret, secretHashOf, tokenText } from "./secret-text.ts";

/** How long an invitation is open, ms: three days. */
export const INVITATION_MS = 3 * 24 * 3_600_000;
/** In front of its token, so that a scanner for secrets knows it. */
export const INVITATION_PREFIX = "sfi_";

/**
 * A fresh invitation: what is stored, and the token that is shown once.
 * @param now milliseconds
 * @param approvalId of the approval that makes it, whose token nobody is there to be shown
 */
export function newInvitation(
  random: Random,
  operatorId: OperatorId,
  now: number,
  approvalId: string | null = null,
): { readonly invitation: Invitation; readonly token: string } {
  const secret = newSecret(random);
  return {
    invitation: { hash: secretHashOf(secret), expiresAt: now + INVITATION_MS, approvalId },
    token: `${INVITATION_PREFIX}${tokenText(operatorId, secret)}`,
  };
}
