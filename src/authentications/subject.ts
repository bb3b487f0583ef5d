import type { FactorDeps, Subject } from "#factors/index.ts";
import { passkeyRequest } from "#factors/index.ts";
import type { OrganisationId, UserId } from "#kernel/ids.ts";
import type { ScaTerms } from "./policy.ts";

/** A user as the room of factors knows one. */
export function subjectOf(organisationId: OrganisationId, id: UserId): Subject {
  return { organisationId, kind: "user", id };
}

const NO_CHALLENGE = new Uint8Array(32);

/**
 * Whether a user has a factor that gives a strong authentication by itself: an active passkey, which is possession and inherence. All other
 * factors of users are possession, and two of one category do not do (RTS Art 9).
 */
export async function canAuthenticate(
  deps: FactorDeps,
  organisationId: OrganisationId,
  id: UserId,
  { deviceBound }: Pick<ScaTerms, "deviceBound">,
): Promise<boolean> {
  return (await passkeyRequest(deps, subjectOf(organisationId, id), NO_CHALLENGE, { deviceBound })) !== undefined;
}
