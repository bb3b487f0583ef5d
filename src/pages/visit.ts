import type { Actor } from "#audit/index.ts";
import type { Asked } from "#commit/index.ts";
import type { Subject } from "#factors/index.ts";
import { wasResetIn } from "#factors/index.ts";
import { readUser } from "#identity/index.ts";
import type { HostedSessionId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { PagesDeps, WantedDeps } from "./deps.ts";
import { noteVisit } from "./note-visit.ts";
import { isSecret } from "./secret.ts";
import type { HostedSession } from "./session.ts";
import { readSession, statusAt } from "./session.ts";

/** Where a request to a page came from. */
export interface Visitor {
  readonly ip: string;
  readonly userAgent: string;
  readonly requestId: string;
}

/**
 * Who acts on a page: the customer, and no key or operator of the organisation. As the person counts the customer, so that nobody of the
 * organisation passes for a second person by it.
 */
export function actorOf(session: Pick<HostedSession, "organisationId" | "userId">, visitor: Visitor): Actor {
  return {
    organisationId: session.organisationId,
    apiKeyId: null,
    operatorId: null,
    personId: session.userId,
    ip: visitor.ip,
    userAgent: visitor.userAgent,
    requestId: visitor.requestId,
  };
}

/** The same as the asker of a command. Pages have no Idempotency-Keys: each of their commands may be repeated without harm. */
export function askedOn(session: HostedSession, visitor: Visitor): Asked {
  return { actor: actorOf(session, visitor), idempotency: undefined };
}

/** The customer as the room of factors knows one. */
export function subjectOf({ organisationId, userId }: Pick<HostedSession, "organisationId" | "userId">): Subject {
  return { organisationId, kind: "user", id: userId };
}

/** A session whose cookie a request has shown. It may be over: `status` is as it stands now. */
export type Visit = { readonly ok: true; readonly session: HostedSession } | Refusal;

/**
 * Whose visit a request is. Whatever is wrong is `hosted_session_ended`: an unknown session, another's cookie, or none. Wrong cookies
 * count as failures of their address, as bad keys do.
 */
export async function visitOf(
  deps: WantedDeps & Pick<PagesDeps, "clock" | "failures">,
  id: HostedSessionId,
  secret: string | undefined,
  visitor: Visitor,
): Promise<Visit> {
  if (secret === undefined) return refuse("hosted_session_ended");
  if (deps.failures.waitSeconds(visitor.ip) > 0) return refuse("too_many_failures");
  const session = await readSession(deps.store, id);
  if (session === undefined || !isSecret(secret, session.cookieHash)) {
    deps.failures.note(visitor.ip);
    return refuse("hosted_session_ended");
  }
  const status = statusAt(session, deps.clock.now());
  if (status !== "opened") return { ok: true, session: { ...session, status } };
  if (!(await stillWanted(deps, session))) return refuse("hosted_session_ended");
  return { ok: true, session: await noteVisit(deps, session) };
}

/**
 * A visit ends at once with its customer, and with the key that it was made with: whoever stole a key may have made it. So it does when the
 * customer's factors are all taken away, because the next one is enrolled without a proof: by a link that was sent after that.
 */
export async function stillWanted(
  { store, mayHost }: WantedDeps,
  session: Pick<HostedSession, "organisationId" | "apiKeyId" | "userId" | "createdAt">,
): Promise<boolean> {
  const { organisationId, apiKeyId, userId, createdAt } = session;
  const [standing, user, reset] = await Promise.all([
    mayHost(organisationId, apiKeyId),
    readUser(store, organisationId, userId),
    wasResetIn(store, subjectOf(session), createdAt),
  ]);
  return standing && user !== undefined && user.status !== "closed" && !reset;
}
