import { InvariantError } from "#kernel/assert.ts";

/** In the place of a handler where the controls answer every request: it is only ever done by its approval. */
export const onlyApproved = (): never => {
  throw new InvariantError("a reset of factors got past the controls");
};

/** How routes of factors are guarded. */
export const reads = { access: "key", scope: "factors:read" } as const;
export const writes = { access: "key", scope: "factors:write", sensitive: true } as const;
/** A right of its own: whoever may both fail and unblock may try codes without end. */
export const unblocks = { access: "key", scope: "factors:unblock", sensitive: true } as const;
/** A right of its own: whoever may both reset and enrol could take a customer's place, as far as a second person lets it. */
export const resets = { access: "key", scope: "factors:reset", sensitive: true, idempotent: true } as const;
export const tags = ["Factors"];

/** Why a user may have no factors. */
export const noUser = ["not_found", "user_status_conflict", "user_erased"] as const;
/** Why a user's factors are not changed by this caller, or at all. */
export const noChange = [...noUser, "beyond_own_permissions"] as const;
/** Why a proof was not taken. */
export const noProof = ["factor_proof_required", "factor_proof_too_weak", "authentication_failed", "authentication_blocked"] as const;
