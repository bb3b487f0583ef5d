import { passkeyRequest } from "#factors/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import { fromBase64url } from "./approval.ts";
import type { Authentication } from "./authentication.ts";
import { statusAt } from "./authentication.ts";
import type { AuthenticationDeps } from "./deps.ts";
import { presentAuthentication } from "./present-authentication.ts";
import { openApproval } from "./sealed-approval.ts";
import { subjectOf } from "./subject.ts";

/** What the user's browser is asked with. */
async function optionsOf(deps: AuthenticationDeps, { organisationId, userId, challenge }: Authentication): Promise<JsonObject | undefined> {
  const { deviceBound } = await deps.policies.of(organisationId);
  return passkeyRequest(deps, subjectOf(organisationId, userId), fromBase64url(challenge), { deviceBound });
}

/** A stored authentication as the API shows it now; while it waits, with what the user's browser is to be asked. */
export async function showAuthentication(deps: AuthenticationDeps, one: Authentication): Promise<JsonObject> {
  const at = deps.clock.now();
  const waits = statusAt(one, at) === "pending";
  const options = waits ? await optionsOf(deps, one) : undefined;
  return presentAuthentication(one, await openApproval(deps.vault, one), options ?? null, at);
}
