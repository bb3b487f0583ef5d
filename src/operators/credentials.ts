import type { OperatorId, OperatorSessionId } from "#kernel/ids.ts";
import type { Collection, Key, Versioned } from "#storage/index.ts";
import { OPERATORS_TABLE } from "./operator.ts";
import type { PasswordHash } from "./password-hash.ts";

/** The most browsers that are remembered as an operator's own; the one not seen longest goes first. */
const MAX_DEVICES = 10;
/** The most sessions of an operator that are complete: one more ends the oldest. */
const MAX_SESSIONS = 50;

/** A browser that has signed in with a second factor. */
export interface KnownDevice {
  /** SHA-256 of the value of its cookie, 64 hexadecimal digits. */
  readonly hash: string;
  readonly seenAt: number;
}

/** What an operator signs in with, apart from `Operator`, so that signing in moves no version that somebody edits against. */
export interface Credentials extends Versioned {
  readonly operatorId: OperatorId;
  readonly password: PasswordHash | null;
  readonly passwordChangedAt: number | null;
  /** What is open to be accepted once: SHA-256 of the secret, and when it ends (ms). */
  readonly invitation: { readonly hash: string; readonly expiresAt: number } | null;
  readonly devices: readonly KnownDevice[];
  /** Sessions of an earlier count are ended: one write ends all of them, however many there are. */
  readonly sessionEpoch: number;
  /** The sessions that were completed, the newest first. One that is not among them is over. */
  readonly sessions: readonly OperatorSessionId[];
}

interface StoredCredentials {
  readonly operator_id: OperatorId;
  readonly password: PasswordHash | null;
  readonly password_changed_at: number | null;
  readonly invitation: { readonly hash: string; readonly expires_at: number } | null;
  readonly devices: readonly { readonly hash: string; readonly seen_at: number }[];
  readonly session_epoch: number;
  readonly sessions: readonly OperatorSessionId[];
  readonly version: number;
}

export const credentialsKey = (id: OperatorId): Key => ({ hash: `${id}#credentials` });

export const credentialsOf: Collection<Credentials> = {
  table: OPERATORS_TABLE,
  keyOf: ({ operatorId }) => credentialsKey(operatorId),
  toItem: (credentials) => ({
    id: credentialsKey(credentials.operatorId).hash,
    operator_id: credentials.operatorId,
    password: credentials.password === null ? null : { ...credentials.password },
    password_changed_at: credentials.passwordChangedAt,
    invitation:
      credentials.invitation === null ? null : { hash: credentials.invitation.hash, expires_at: credentials.invitation.expiresAt },
    devices: credentials.devices.map(({ hash, seenAt }) => ({ hash, seen_at: seenAt })),
    session_epoch: credentials.sessionEpoch,
    sessions: [...credentials.sessions],
    version: credentials.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredCredentials;
    return {
      operatorId: stored.operator_id,
      password: stored.password,
      passwordChangedAt: stored.password_changed_at,
      invitation: stored.invitation === null ? null : { hash: stored.invitation.hash, expiresAt: stored.invitation.expires_at },
      devices: stored.devices.map(({ hash, seen_at }) => ({ hash, seenAt: seen_at })),
      sessionEpoch: stored.session_epoch,
      sessions: stored.sessions,
      version: stored.version,
    };
  },
};

/** As they begin: nothing but an invitation. */
export function newCredentials(operatorId: OperatorId, invitation: Credentials["invitation"]): Credentials {
  return { operatorId, password: null, passwordChangedAt: null, invitation, devices: [], sessionEpoch: 1, sessions: [], version: 1 };
}

export function changedCredentials(credentials: Credentials, fields: Partial<Credentials>): Credentials {
  return { ...credentials, ...fields, version: credentials.version + 1 };
}

/** The sessions with this one in front. */
export function rememberSession(sessions: Credentials["sessions"], id: OperatorSessionId): Credentials["sessions"] {
  return [id, ...sessions.filter((other) => other !== id)].slice(0, MAX_SESSIONS);
}

/** The devices with this one in front. */
export function rememberDevice(devices: readonly KnownDevice[], hash: string, at: number): readonly KnownDevice[] {
  return [{ hash, seenAt: at }, ...devices.filter((device) => device.hash !== hash)].slice(0, MAX_DEVICES);
}
