import type { OperatorId, OperatorSessionId, OrganisationId } from "#kernel/ids.ts";
import type { Collection, Key, Store, Versioned } from "#storage/index.ts";

export const SESSIONS_TABLE = "smartfinance-operator-sessions";

export const sessionStatuses = ["enrolment_required", "second_factor_required", "active", "ended"] as const;
export type SessionStatus = (typeof sessionStatuses)[number];

export const endReasons = ["signed_out", "revoked", "too_many_failures"] as const;
export type EndReason = (typeof endReasons)[number];

/** How long a session may wait for its second factor, ms. */
export const UNFINISHED_MS = 10 * 60_000;
/** How long an ended session stays in the list of devices, ms. */
const KEPT_MS = 30 * 24 * 3_600_000;

/** A browser that an operator has signed in with. */
export interface Session extends Versioned {
  readonly id: OperatorSessionId;
  readonly organisationId: OrganisationId;
  readonly operatorId: OperatorId;
  readonly status: SessionStatus;
  /** SHA-256 of the secret in the cookie, 64 hexadecimal digits. Another one once the session is complete. */
  readonly secretHash: string;
  /** What a passkey has to sign, base64url; `null` once it is complete. */
  readonly challenge: string | null;
  /** The operator's `sessionEpoch` when it began. */
  readonly epoch: number;
  /** Wrong second factors so far. */
  readonly failures: number;
  readonly ip: string;
  readonly userAgent: string;
  readonly createdAt: number;
  /** When it was complete. */
  readonly startedAt: number | null;
  /** Milliseconds; from then on it is refused, whatever is done with it. */
  readonly expiresAt: number;
  readonly endedAt: number | null;
  readonly endReason: EndReason | null;
}

interface StoredSession {
  readonly id: OperatorSessionId;
  readonly organisation_id: OrganisationId;
  readonly operator_id: OperatorId;
  readonly status: SessionStatus;
  readonly secret_hash: string;
  readonly challenge: string | null;
  readonly epoch: number;
  readonly failures: number;
  readonly ip_address: string;
  readonly user_agent: string;
  readonly created_at: number;
  readonly started_at: number | null;
  readonly expires_at: number;
  readonly ended_at: number | null;
  readonly end_reason: EndReason | null;
  readonly version: number;
}

export const sessions: Collection<Session> = {
  table: SESSIONS_TABLE,
  keyOf: ({ id }) => ({ hash: id }),
  toItem: (session) => ({
    id: session.id,
    organisation_id: session.organisationId,
    operator_id: session.operatorId,
    status: session.status,
    secret_hash: session.secretHash,
    challenge: session.challenge,
    epoch: session.epoch,
    failures: session.failures,
    ip_address: session.ip,
    user_agent: session.userAgent,
    created_at: session.createdAt,
    started_at: session.startedAt,
    expires_at: session.expiresAt,
    ended_at: session.endedAt,
    end_reason: session.endReason,
    purge_at: Math.ceil((session.expiresAt + KEPT_MS) / 1000),
    version: session.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredSession;
    return {
      id: stored.id,
      organisationId: stored.organisation_id,
      operatorId: stored.operator_id,
      status: stored.status,
      secretHash: stored.secret_hash,
      challenge: stored.challenge,
      epoch: stored.epoch,
      failures: stored.failures,
      ip: stored.ip_address,
      userAgent: stored.user_agent,
      createdAt: stored.created_at,
      startedAt: stored.started_at,
      expiresAt: stored.expires_at,
      endedAt: stored.ended_at,
      endReason: stored.end_reason,
      version: stored.version,
    };
  },
};

export async function readSession(store: Store, id: OperatorSessionId): Promise<Session | undefined> {
  const item = await store.get(SESSIONS_TABLE, { hash: id });
  return item === undefined ? undefined : sessions.fromItem(item);
}

export function changedSession(session: Session, fields: Partial<Session>): Session {
  return { ...session, ...fields, version: session.version + 1 };
}

export function endedSession(session: Session, endReason: EndReason, at: number): Session {
  return changedSession(session, { status: "ended", challenge: null, endedAt: at, endReason });
}

/** Whether anything may be done with a session. @param epoch the operator's `sessionEpoch` now; `at` in milliseconds */
export function isOpen(session: Session, epoch: number, at: number): boolean {
  return session.status !== "ended" && session.epoch === epoch && at < session.expiresAt;
}

/** When a session was last used, beside the session itself: it is written without a condition and changes nothing about it. */
export const seenKey = (id: OperatorSessionId): Key => ({ hash: `${id}#seen` });

/** A challenge that a passkey has signed in with: it is good once. */
export interface UsedChallenge extends Versioned {
  readonly digest: string;
  readonly purgeAt: number;
}

export const usedChallenges: Collection<UsedChallenge> = {
  table: SESSIONS_TABLE,
  keyOf: ({ digest }) => ({ hash: `challenge#${digest}` }),
  toItem: ({ digest, purgeAt, version }) => ({ id: `challenge#${digest}`, purge_at: purgeAt, version }),
  fromItem: (item) => ({
    digest: String(item.id).slice("challenge#".length),
    purgeAt: Number(item.purge_at),
    version: Number(item.version),
  }),
};
