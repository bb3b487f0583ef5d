import type { Actor } from "#audit/index.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { IdempotencyClaim } from "./command.ts";

/** Who asks for a change, and under which Idempotency-Key. */
export interface Asked {
  readonly actor: Actor;
  readonly idempotency: IdempotencyClaim | undefined;
}

/** What the HTTP room tells of a request, as far as a command needs it. */
interface Request {
  readonly caller: {
    readonly principal: {
      readonly organisationId: OrganisationId;
      readonly apiKeyId: string | null;
      readonly operatorId?: string;
      readonly personId: string;
    };
    readonly ip: string;
    readonly userAgent: string;
    readonly requestId: string;
  };
  readonly idempotency: IdempotencyClaim | undefined;
}

/** The asker of an authenticated request. */
export function askedBy({ caller, idempotency }: Request): Asked {
  const { organisationId, apiKeyId, operatorId = null, personId } = caller.principal;
  return {
    actor: {
      organisationId,
      apiKeyId,
      operatorId,
      personId,
      ip: caller.ip,
      userAgent: caller.userAgent,
      requestId: caller.requestId,
    },
    idempotency,
  };
}
