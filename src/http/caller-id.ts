import type { Principal } from "./contract.ts";

/**
 * What a caller is counted under where each has a share of something: the API key; of an operator who is signed in the
 * operator, so that further sessions bring nobody more.
 */
export function callerIdOf(principal: Pick<Principal, "apiKeyId" | "operatorId" | "personId">): string {
  return principal.apiKeyId ?? principal.operatorId ?? principal.personId;
}
