import type { Environment, OrganisationAccess, Principal } from "#access/index.ts";
import { parseAllowlist } from "#access/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import { isGood } from "#kernel/clock.ts";
import type { OperatorId, OperatorSessionId, OrganisationId } from "#kernel/ids.ts";
import type { ProblemCode, Refusal } from "#kernel/problems.ts";
import type { Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { credentialsKey, credentialsOf } from "./credentials.ts";
import { grantedScopes } from "./granted-scopes.ts";
import { OPERATORS_TABLE, operators } from "./operator.ts";
import { hasHash, parseToken } from "./secret-text.ts";
import { policyKey, sessionPolicies, defaultPolicy } from "./session-policy.ts";
import type { Session, SessionStatus } from "./session.ts";
import { seenKey, SESSIONS_TABLE, sessions } from "./session.ts";
import { createSessionSeen } from "./session-seen.ts";

/** What an operator may spend by all his sessions together: a page of the console asks for many things at once. */
export const OPERATOR_LIMITS = { rateLimitPerMinute: 1_200, burstPerSecond: 120 } as const;

/** Who asks by a session. */
export interface SessionPrincipal extends Principal {
  readonly apiKeyId: null;
  readonly operatorId: OperatorId;
  readonly sessionId: OperatorSessionId;
  readonly sessionStatus: Exclude<SessionStatus, "ended">;
  /** What has to follow, while it waits for its second factor. */
  readonly unfinished?: string;
}

export interface SessionRefusal extends Refusal {
  readonly ended?: true;
}

type Answer = SessionPrincipal | SessionRefusal;

export interface SessionAuthenticator {
  /**
   * Judges the cookie of a session. Synchronous when the session is in memory; otherwise after store reads that requests of the
   * same session share. Rejects (InvariantError) only when something stored is corrupt.
   */
  authenticate(token: string): Answer | Promise<Answer>;
  /**
   * The same without counting as a use: what is asked by itself, such as an open stream, must not keep a session alive before which
   * nobody sits any more. Always as it is in the store now.
   */
  recheck(token: string): Promise<Answer>;
  /** When a session was last used, as far as this process and the store know, by its id. */
  seen(ids: readonly OperatorSessionId[]): Promise<ReadonlyMap<OperatorSessionId, number>>;
  /** Drops what is known about a session. To be called in the process that changed it, after the commit. */
  forget(id: OperatorSessionId): void;
  /** The same for all sessions of an operator. */
  forgetOperator(id: OperatorId): void;
  forgetOrganisation(id: OrganisationId): void;
  /** Resolves when the uses that are being written are. */
  flush(): Promise<void>;
}

export interface SessionAuthenticatorDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly environment: Environment;
  /** What an organisation has set; `undefined` when there is none of this id. */
  readonly organisation: (id: OrganisationId) => Promise<OrganisationAccess | undefined>;
  /** How long a store read counts, ms: the bound after which a change holds in every process. Default 5,000. */
  readonly ttlMs?: number;
  /** Sessions kept in memory. Default 10,000. */
  readonly maxCached?: number;
  /** Sessions being read at once; more are refused as `overloaded`. Default 200. */
  readonly maxReads?: number;
}

interface Known {
  readonly goodUntil: number;
  readonly session: Session;
  /** `undefined`: it lets nobody in any more. */
  readonly principal: SessionPrincipal | undefined;
  readonly idleMs: number;
}

/** What completes a session, told with every refusal until it is. */
export const WHAT_FOLLOWS = {
  enrolment_required:
    "A first factor has to be enrolled: POST /v1/operators/me/totp and /v1/operators/me/totp/{factor_id}/activate, or " +
    "POST /v1/operators/me/passkeys/options and /v1/operators/me/passkeys.",
  second_factor_required:
    "A factor has to be proved: POST /v1/sessions/current/verify. GET /v1/sessions/current tells which ones there are.",
} as const;

const UNAUTHENTICATED: SessionRefusal = { ok: false, code: "unauthenticated" };
const ENDED: SessionRefusal = { ...UNAUTHENTICATED, ended: true };

export function createSessionAuthenticator(deps: SessionAuthenticatorDeps): SessionAuthenticator {
  const { store, clock, ttlMs = 5_000, maxCached = 10_000, maxReads = 200 } = deps;
  invariant(ttlMs >= 0 && maxCached >= 1 && maxReads >= 1, "the bounds of the session authenticator are wrong");
  const found = new Map<OperatorSessionId, Known>();
  const reads = new Map<OperatorSessionId, Promise<Known | undefined>>();
  const seen = createSessionSeen({ store, clock });

  const read = async (id: OperatorSessionId): Promise<Known | undefined> => {
    // The age counts from before the reads: what was changed after this moment may not be in the answer.
    const now = clock.now();
    const [item, seenItem] = await store.getMany([
      { table: SESSIONS_TABLE, key: { hash: id } },
      { table: SESSIONS_TABLE, key: seenKey(id) },
    ]);
    if (item === undefined) return undefined;
    const session = sessions.fromItem(item);
    const [operatorItem, credentialsItem, policyItem] = await store.getMany([
      { table: OPERATORS_TABLE, key: { hash: session.operatorId } },
      { table: OPERATORS_TABLE, key: credentialsKey(session.operatorId) },
      { table: OPERATORS_TABLE, key: policyKey(session.organisationId) },
    ]);
    const organisation = await deps.organisation(session.organisationId);
    const operator = operatorItem === undefined ? undefined : operators.fromItem(operatorItem);
    const credentials = credentialsItem === undefined ? undefined : credentialsOf.fromItem(credentialsItem);
    const policy = policyItem === undefined ? defaultPolicy(session.organisationId) : sessionPolicies.fromItem(policyItem);
    // What was written of it may be from before its second factor, by which it was used, too.
    seen.learn(id, Math.max(Number(seenItem?.last_seen_at ?? 0), session.startedAt ?? session.createdAt));
    const good =
      operator?.status === "active" &&
      operator.organisationId === session.organisationId &&
      credentials?.sessionEpoch === session.epoch &&
      session.status !== "ended" &&
      (session.status !== "active" || credentials.sessions.includes(id)) &&
      organisation !== undefined;
    return {
      goodUntil: now + ttlMs,
      session,
      principal: good ? principalOf(session, grantedScopes(operator, now), organisation, deps.environment) : undefined,
      idleMs: policy.idleMinutes * 60_000,
    };
  };

  const readOnce = (id: OperatorSessionId): Promise<Known | undefined> | undefined => {
    const running = reads.get(id);
    if (running !== undefined) return running;
    if (reads.size >= maxReads) return undefined;
    const started = read(id)
      .then((known) => {
        // After `forget` this read is no longer the one listed: it may have missed the change, so it is not kept.
        if (known !== undefined && reads.get(id) === started) remember(id, known);
        return known;
      })
      .finally(() => {
        if (reads.get(id) === started) reads.delete(id);
      });
    reads.set(id, started);
    return started;
  };

  const remember = (id: OperatorSessionId, known: Known): void => {
    found.delete(id);
    if (found.size >= maxCached)
      for (const oldest of found.keys()) {
        found.delete(oldest);
        break;
      }
    found.set(id, known);
  };

  const isFresh = ({ goodUntil }: Known, now: number): boolean => isGood(goodUntil, ttlMs, now);

  /** A last use as far in the future is of before the clock was set back: how long ago that was is not known, and it may be too long. */
  const isIdle = ({ session, idleMs }: Known, now: number): boolean =>
    session.status === "active" && Math.abs(now - (seen.at(session.id) ?? session.createdAt)) >= idleMs;

  const judge = (secret: string, known: Known | undefined, now: number, used = true): Answer => {
    if (known === undefined || !hasHash(secret, known.session.secretHash)) return UNAUTHENTICATED;
    const { session, principal } = known;
    if (principal === undefined || now >= session.expiresAt || isIdle(known, now)) return ENDED;
    if (used) seen.note(session, now);
    return principal;
  };

  const drop = (goes: (session: Session) => boolean): void => {
    for (const [id, { session }] of found) if (goes(session)) found.delete(id);
    // Whose sessions are being read is not known yet, so that none of these reads is kept.
    reads.clear();
  };

  return {
    authenticate(token) {
      const parsed = parseToken("operatorSession", token);
      if (parsed === undefined) return UNAUTHENTICATED;
      const known = found.get(parsed.id);
      const now = clock.now();
      // Another node may know of a later use, so that nobody is turned away as idle without a look into the store.
      if (known !== undefined && isFresh(known, now) && !isIdle(known, now)) {
        const answer = judge(parsed.secret, known, now);
        // It may have got another secret on another node since, and whoever has that one has just signed in.
        if (answer !== UNAUTHENTICATED) return answer;
      }
      const reading = readOnce(parsed.id);
      if (reading === undefined) return { ok: false, code: "overloaded" };
      return reading.then(
        (fresh) => judge(parsed.secret, fresh, clock.now()),
        (error: unknown) => {
          if (error instanceof StoreUnavailableError) return { ok: false, code: "store_unavailable" satisfies ProblemCode };
          throw error;
        },
      );
    },
    async recheck(token) {
      const parsed = parseToken("operatorSession", token);
      if (parsed === undefined) return UNAUTHENTICATED;
      try {
        return judge(parsed.secret, await read(parsed.id), clock.now(), false);
      } catch (error) {
        if (error instanceof StoreUnavailableError) return { ok: false, code: "store_unavailable" };
        throw error;
      }
    },
    seen: (ids) => seen.read(ids),
    forget(id) {
      found.delete(id);
      reads.delete(id);
    },
    forgetOperator: (id) => drop((session) => session.operatorId === id),
    forgetOrganisation: (id) => drop((session) => session.organisationId === id),
    flush: () => seen.flush(),
  };
}

/** @throws InvariantError when the organisation's stored allow-list is malformed: it lets nobody in. */
function principalOf(
  session: Session,
  scopes: SessionPrincipal["scopes"],
  organisation: OrganisationAccess,
  environment: Environment,
): SessionPrincipal | undefined {
  const { status } = session;
  if (status === "ended") return undefined;
  const allowlist = parseAllowlist(organisation.ipAllowlist);
  invariant(allowlist.ok, `the allow-list of organisation ${session.organisationId} is malformed`);
  return Object.freeze({
    ok: true,
    organisationId: session.organisationId,
    apiKeyId: null,
    operatorId: session.operatorId,
    personId: session.operatorId,
    sessionId: session.id,
    sessionStatus: status,
    ...(status === "active" ? {} : { unfinished: WHAT_FOLLOWS[status] }),
    environment,
    scopes: status === "active" ? scopes : new Set<never>(),
    ...OPERATOR_LIMITS,
    ipAllowlist: undefined,
    organisation: Object.freeze({
      rateLimitPerMinute: organisation.rateLimitPerMinute,
      keyRateLimitPerMinute: organisation.keyRateLimitPerMinute,
      ipAllowlist: allowlist.matcher,
    }),
  });
}
