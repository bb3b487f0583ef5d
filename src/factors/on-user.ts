import type { Asked, Executed } from "#commit/index.ts";
import { askedBy } from "#commit/index.ts";
import { readUser } from "#identity/index.ts";
import type { OrganisationId, UserId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import { UserShreddedError } from "#vault/index.ts";
import type { FactorDeps } from "./deps.ts";
import type { Subject } from "./factor.ts";
import { answered } from "./on-set.ts";
import type { Proof, ProofFields } from "./proof.ts";
import { readProof } from "./proof.ts";

/** What a request about a user's factors tells. */
type UserRequest = Parameters<typeof askedBy>[0] & { readonly params: { readonly id: UserId } };

/** Users as subjects. */
export const subjectOf = (organisationId: OrganisationId, id: UserId): Subject => ({ organisationId, kind: "user", id });

/**
 * Runs a change of a user's factors, if the user may have any. Only API keys may: by a first factor of somebody else's account an operator who is
 * signed in could approve that customer's payments, and no role is to be able to.
 */
export async function onUser(
  deps: FactorDeps,
  request: UserRequest,
  change: (asked: Asked, subject: Subject) => Promise<Executed>,
  { byOperators = false }: { readonly byOperators?: boolean } = {},
): Promise<Executed> {
  const asked = askedBy(request);
  const { organisationId, apiKeyId } = asked.actor;
  if (apiKeyId === null && !byOperators)
    return answered(refuse("beyond_own_permissions", undefined, "Only API keys change what a customer has."), asked);
  const { id } = request.params;
  const refusal = await refuseUser(deps, organisationId, id);
  if (refusal !== undefined) return answered(refusal, asked);
  try {
    return await change(asked, subjectOf(organisationId, id));
  } catch (error) {
    // Erased since it was read.
    if (error instanceof UserShreddedError) return answered(refuse("user_erased"), asked);
    throw error;
  }
}

/** Why a user may have no factors. */
export async function refuseUser(
  { store }: Pick<FactorDeps, "store">,
  organisationId: OrganisationId,
  id: UserId,
): Promise<Refusal | undefined> {
  const user = await readUser(store, organisationId, id);
  if (user === undefined) return refuse("not_found");
  if (user.erasedAt !== null) return refuse("user_erased");
  return user.status === "closed" ? refuse("user_status_conflict", undefined, "The user is closed.") : undefined;
}

/** The same with a proof in the body. */
export function withProof<B extends { readonly proof?: ProofFields }>(
  deps: FactorDeps,
  request: UserRequest & { readonly body: B },
  change: (asked: Asked, subject: Subject, body: Omit<B, "proof"> & { readonly proof?: Proof }) => Promise<Executed>,
): Promise<Executed> {
  return onUser(deps, request, (asked, subject) => {
    const { proof: fields, ...rest } = request.body;
    const proof = fields === undefined ? undefined : readProof(fields);
    if (proof !== undefined && "ok" in proof) return Promise.resolve(answered(proof, asked));
    return change(asked, subject, proof === undefined ? rest : { ...rest, proof });
  });
}
