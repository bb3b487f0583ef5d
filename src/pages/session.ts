import type { ApiKeyId, AuthenticationId, FactorId, HostedSessionId, OrganisationId, UserId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { Collection, Store } from "#storage/index.ts";

export const PURPOSES = ["enrol", "approve"] as const;
/** What a customer is sent to the pages for. */
export type Purpose = (typeof PURPOSES)[number];

/**
 * - `created`: the link was made and not yet opened.
 * - `opened`: a browser has exchanged the link's token for its cookie.
 * - `completed`: the customer is done; `result` says how it ended.
 * - `expired`: the time was over before that.
 */
export const SESSION_STATUSES = ["created", "opened", "completed", "expired"] as const;
export type SessionStatus = (typeof SESSION_STATUSES)[number];

export const SESSION_RESULTS = ["enrolled", "approved", "declined", "cancelled"] as const;
export type SessionResult = (typeof SESSION_RESULTS)[number];

/** One visit of one customer to the hosted pages, for one purpose. Holds no personal data. */
export interface HostedSession {
  readonly id: HostedSessionId;
  readonly organisationId: OrganisationId;
  readonly userId: UserId;
  readonly purpose: Purpose;
  /** What is to be approved; `null` for other purposes. */
  readonly authenticationId: AuthenticationId | null;
  /**
   * The factors that the customer had when it was made, so that no clock tells what was enrolled since; `null` for what is to be approved,
   * and where an earlier release made it.
   */
  readonly factorsBefore: readonly FactorId[] | null;
  /** The key that asked for the session. */
  readonly apiKeyId: ApiKeyId;
  /** Where the customer goes back to: a whole URL, whose origin was allowed when the session was made. */
  readonly returnUrl: string;
  readonly status: SessionStatus;
  readonly result: SessionResult | null;
  /** SHA-256 of the link's secret, 64 hexadecimal digits. */
  readonly tokenHash: string;
  /** The same of the cookie's, once the link was opened. */
  readonly cookieHash: string | null;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly openedAt: number | null;
  /** When the visitor was last known to do anything; kept beside the session (note-visit.ts), and `null` where that was not read. */
  readonly seenAt: number | null;
  readonly endedAt: number | null;
  readonly version: number;
}

/** How long a hosted session lasts, from when it is made, ms. */
export const SESSION_MS = 600_000;
/** After this time without the visitor doing anything an opened session is over, ms (RTS article 4(3)(d)). */
export const IDLE_MS = 300_000;
/** Open sessions of all organisations lie in so many places, by the last character of their ids. */
export const OPEN_SHARDS: readonly string[] = Array.from({ length: 16 }, (_, n) => `open#${n}`);

const isOpen = ({ status }: Pick<HostedSession, "status">): boolean => status === "created" || status === "opened";

/** Until when a session lasts, if nothing more is done in it, ms. */
export function endOf({ expiresAt, seenAt }: Pick<HostedSession, "expiresAt" | "seenAt">): number {
  return seenAt === null ? expiresAt : Math.min(expiresAt, seenAt + IDLE_MS);
}

/**
 * Where a session stands at a time: one whose time is over has expired, whether or not that has been written down. So has one that was last
 * known of too far in the future: the clock was set back since, and how long ago that was nobody knows.
 */
export function statusAt(session: HostedSession, now: number): SessionStatus {
  const known = session.seenAt ?? session.openedAt ?? session.createdAt;
  return isOpen(session) && (now >= endOf(session) || now <= known - IDLE_MS) ? "expired" : session.status;
}

function shardOf(id: HostedSessionId): string {
  return `open#${"0123456789ABCDEFGHJKMNPQRSTVWXYZ".indexOf(id.at(-1) ?? "0") & 15}`;
}

export const hostedSessions: Collection<HostedSession> = {
  table: "smartfinance-hosted-sessions",
  keyOf: ({ id }) => ({ hash: id }),
  toItem: (session) => ({
    id: session.id,
    organisation_id: session.organisationId,
    user_id: session.userId,
    purpose: session.purpose,
    authentication_id: session.authenticationId,
    ...(session.factorsBefore === null ? {} : { factors_before: session.factorsBefore }),
    api_key_id: session.apiKeyId,
    return_url: session.returnUrl,
    status: session.status,
    result: session.result,
    token_hash: session.tokenHash,
    cookie_hash: session.cookieHash,
    created_at: session.createdAt,
    expires_at: session.expiresAt,
    opened_at: session.openedAt,
    ended_at: session.endedAt,
    ...(isOpen(session) ? { open: shardOf(session.id) } : {}),
    version: session.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredSession;
    return {
      id: stored.id,
      organisationId: stored.organisation_id,
      userId: stored.user_id,
      purpose: stored.purpose,
      authenticationId: stored.authentication_id,
      factorsBefore: stored.factors_before ?? null,
      apiKeyId: stored.api_key_id,
      returnUrl: stored.return_url,
      status: stored.status,
      result: stored.result,
      tokenHash: stored.token_hash,
      cookieHash: stored.cookie_hash,
      createdAt: stored.created_at,
      expiresAt: stored.expires_at,
      openedAt: stored.opened_at,
      seenAt: null,
      endedAt: stored.ended_at,
      version: stored.version,
    };
  },
};

interface StoredSession {
  readonly id: HostedSessionId;
  readonly organisation_id: OrganisationId;
  readonly user_id: UserId;
  readonly purpose: Purpose;
  readonly authentication_id: AuthenticationId | null;
  readonly factors_before?: readonly FactorId[];
  readonly api_key_id: ApiKeyId;
  readonly return_url: string;
  readonly status: SessionStatus;
  readonly result: SessionResult | null;
  readonly token_hash: string;
  readonly cookie_hash: string | null;
  readonly created_at: number;
  readonly expires_at: number;
  readonly opened_at: number | null;
  readonly ended_at: number | null;
  readonly version: number;
}

/** Where it is kept when a visitor did something last, under the session's id: what comes so often is no part of the session itself. */
export const SEEN_TABLE = "smartfinance-hosted-seen";

/** A session, with when its visitor was last seen. */
export async function readSession(store: Store, id: HostedSessionId): Promise<HostedSession | undefined> {
  const key = { hash: id };
  const [item, seen] = await store.getMany([
    { table: "smartfinance-hosted-sessions", key },
    { table: SEEN_TABLE, key },
  ]);
  if (item === undefined) return undefined;
  const session = hostedSessions.fromItem(item);
  if (session.openedAt === null) return session;
  return { ...session, seenAt: Math.max(session.openedAt, seen === undefined ? 0 : Number(seen.seen_at)) };
}

/** The session as the API shows it: never its secrets. */
export function presentSession(session: HostedSession, now: number): JsonObject {
  const at = (ms: number | null): string | null => (ms === null ? null : toTimestamp(ms));
  return {
    id: session.id,
    object: "hosted_session",
    user_id: session.userId,
    purpose: session.purpose,
    authentication_id: session.authenticationId,
    return_url: session.returnUrl,
    status: statusAt(session, now),
    result: session.result,
    created_at: toTimestamp(session.createdAt),
    expires_at: toTimestamp(session.expiresAt),
    opened_at: at(session.openedAt),
    ended_at: at(session.endedAt),
  };
}
