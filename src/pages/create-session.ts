import type { Asked, Executed } from "#commit/index.ts";
import { refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import { factorsInUse } from "#factors/index.ts";
import { organisations, pageTermsOf, users } from "#identity/index.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { AuthenticationId, OrganisationId, UserId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { SessionDeps } from "./deps.ts";
import { readReturnUrl } from "./return-url.ts";
import { newSecret, tokenText } from "./secret.ts";
import type { HostedSession, Purpose } from "./session.ts";
import { hostedSessions, presentSession, SESSION_MS } from "./session.ts";
import { subjectOf } from "./visit.ts";

export interface CreateSessionBody {
  readonly user_id: UserId;
  readonly purpose: Purpose;
  readonly authentication_id?: AuthenticationId;
  readonly return_url: string;
}

export interface CreateSessionDeps extends SessionDeps {
  /** The origin the pages are served from, as browsers write it. */
  readonly origin: () => string;
  /** Whether this is an authentication of this user that still waits for an answer. */
  readonly awaits: (organisationId: OrganisationId, userId: UserId, id: AuthenticationId) => Promise<boolean>;
}

/**
 * POST /v1/hosted-sessions. Only API keys may: whoever opens such a session for a customer could enrol a passkey in the customer's
 * name, and no operator should be able to do that by a signed-in browser.
 */
export async function createSession(deps: CreateSessionDeps, asked: Asked, body: CreateSessionBody): Promise<Executed> {
  const { actor } = asked;
  const { organisationId, apiKeyId, requestId } = actor;
  const refusal = await refuseBeforehand(deps, asked, body);
  if (refusal !== undefined) return refuseAtOnce(refusal, requestId);
  const before = body.purpose === "enrol" ? await factorsInUse(deps.store, subjectOf({ organisationId, userId: body.user_id })) : undefined;
  const id = deps.ids.next("hostedSession");
  const eventId = deps.ids.next("event");
  const secret = newSecret(deps.random);
  return deps.queue.execute({
    actor,
    needs: [
      { collection: organisations, key: { hash: organisationId }, mode: "read" },
      { collection: users, key: { hash: body.user_id }, mode: "read" },
    ],
    decide(view, at) {
      const work = workOn(view);
      const user = work.get(users, { hash: body.user_id });
      if (user === undefined || user.organisationId !== organisationId) return refused(refuse("user_not_found", "user_id"), requestId);
      if (user.status === "closed") return refused(refuse("user_not_active", "user_id"), requestId);
      const origins = pageTermsOf(work.get(organisations, { hash: organisationId })).returnOrigins;
      const back = readReturnUrl(body.return_url, origins);
      if (!back.ok) return refused(back, requestId);
      const session: HostedSession = {
        id,
        organisationId,
        userId: user.id,
        purpose: body.purpose,
        authenticationId: body.authentication_id ?? null,
        factorsBefore: before?.map((factor) => factor.id) ?? null,
        apiKeyId: apiKeyId as HostedSession["apiKeyId"],
        returnUrl: back.url,
        status: "created",
        result: null,
        tokenHash: secret.hash,
        cookieHash: null,
        createdAt: at,
        expiresAt: at + SESSION_MS,
        openedAt: null,
        seenAt: null,
        endedAt: null,
        version: 1,
      };
      work.put(hostedSessions, session);
      const { purpose, authenticationId, expiresAt } = session;
      const details = { purpose, authentication_id: authenticationId, expires_at: toTimestamp(expiresAt) };
      work.tell({ id: eventId, type: "hosted_session.created", objectId: id, userId: user.id, details });
      // In the fragment, which browsers send to nobody: neither logs nor whoever fetches a preview of the link learn it or use it up.
      const url = `${deps.origin()}/hosted#${tokenText(id, secret.text)}`;
      return work.outcome(replied(201, { ...presentSession(session, at), url }));
    },
  });
}

async function refuseBeforehand(
  deps: CreateSessionDeps,
  { actor }: Asked,
  { user_id, purpose, authentication_id }: CreateSessionBody,
): Promise<Refusal | undefined> {
  if (actor.apiKeyId === null) return refuse("beyond_own_permissions", undefined, "Only API keys open hosted sessions.");
  if (purpose === "enrol") {
    return authentication_id === undefined
      ? undefined
      : refuse("invalid_request", "authentication_id", "Only the purpose approve takes an authentication.");
  }
  if (authentication_id === undefined) return refuse("missing_field", "authentication_id");
  if (await deps.awaits(actor.organisationId, user_id, authentication_id)) return undefined;
  return refuse("invalid_request", "authentication_id", "The user has no such authentication that waits for an answer.");
}
