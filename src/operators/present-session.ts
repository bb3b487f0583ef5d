import { toTimestamp } from "#kernel/clock.ts";
import type { OperatorSessionId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { SessionPolicy } from "./session-policy.ts";
import type { Session, SessionStatus } from "./session.ts";

/** What is known beside a session's own record. */
export interface SessionContext {
  /** The operator's count of the moment: sessions of an earlier one are over. */
  readonly epoch: number;
  readonly policy: Pick<SessionPolicy, "idleMinutes">;
  readonly now: number;
  readonly seenAt: number | undefined;
  /** The session that asks. */
  readonly current?: OperatorSessionId | undefined;
}

/** A session as the API shows it: nothing of its secret. */
export function presentSession(session: Session, { epoch, policy, now, seenAt, current }: SessionContext): JsonObject {
  const lastSeen = seenAt ?? session.startedAt ?? session.createdAt;
  const idleAt = lastSeen + policy.idleMinutes * 60_000;
  const ends = session.status === "active" ? Math.min(session.expiresAt, idleAt) : session.expiresAt;
  const over = session.status === "ended" || session.epoch !== epoch || ends <= now;
  const status: SessionStatus = over ? "ended" : session.status;
  return {
    id: session.id,
    object: "session",
    organisation_id: session.organisationId,
    operator_id: session.operatorId,
    status,
    current: session.id === current,
    ip_address: session.ip,
    user_agent: session.userAgent,
    created_at: toTimestamp(session.createdAt),
    last_seen_at: toTimestamp(lastSeen),
    idle_expires_at: over ? null : toTimestamp(ends),
    expires_at: toTimestamp(session.expiresAt),
    ended_at: session.endedAt === null ? null : toTimestamp(session.endedAt),
    end_reason: session.endReason,
  };
}
