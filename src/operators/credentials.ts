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

/** What is open to be accepted once. */
export interface Invitation {
  /** SHA-256 of the secret, 64 hexadecimal digits. */
  readonly hash: string;
  /** Milliseconds. */
  readonly expiresAt: number;
  /** The approval that it was made by, whose maker may have another one in its place: its token was shown to nobody. `undefined`: an earlier release made it. */
  readonly approvalId: string | null | undefined;
}

/** Somebody else may have acted in an operator's name. */
export interface Compromised {
  /** When he came back, ms; `null`: not yet. */
  readonly until: number | null;
  /** His `sessionEpoch` from then on, whatever the clocks say; `null` before, and where an earlier release wrote it. */
  readonly epoch: number | null;
}

/** What an operator signs in with, apart from `Operator`, so that signing in moves no version that somebody edits against. */
export interface Credentials extends Versioned {
  readonly operatorId: OperatorId;
  readonly password: PasswordHash | null;
  readonly passwordChangedAt: number | null;
  readonly invitation: Invitation | null;
  readonly devices: readonly KnownDevice[];
  /** Sessions of an earlier count are ended: one write ends all of them, however many there are. */
  readonly sessionEpoch: number;
  /** The sessions that were completed, the newest first. One that is not among them is over. */
  readonly sessions: readonly OperatorSessionId[];
  readonly compromised: Compromised | null;
}

interface StoredCredentials {
  readonly operator_id: OperatorId;
  readonly password: PasswordHash | null;
  readonly password_changed_at: number | null;
  /** `approval_id` is absent where an earlier release wrote it. */
  readonly invitation: { readonly hash: string; readonly expires_at: number; readonly approval_id?: string | null } | null;
  readonly devices: readonly { readonly hash: string; readonly seen_at: number }[];
  readonly session_epoch: number;
  readonly sessions: readonly OperatorSessionId[];
  /** Absent where an earlier release wrote it. */
  readonly compromised?: { readonly until: number | null; readonly epoch?: number } | null;
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
    invitation: credentials.invitation === null ? null : invitationToItem(credentials.invitation),
    devices: credentials.devices.map(({ hash, seenAt }) => ({ hash, seen_at: seenAt })),
    session_epoch: credentials.sessionEpoch,
    sessions: [...credentials.sessions],
    compromised: credentials.compromised === null ? null : compromisedToItem(credentials.compromised),
    version: credentials.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredCredentials;
    return {
      operatorId: stored.operator_id,
      password: stored.password,
      passwordChangedAt: stored.password_changed_at,
      invitation: stored.invitation === null ? null : invitationFromItem(stored.invitation),
      devices: stored.devices.map(({ hash, seen_at }) => ({ hash, seenAt: seen_at })),
      sessionEpoch: stored.session_epoch,
      sessions: stored.sessions,
      compromised: stored.compromised ? { until: stored.compromised.until, epoch: stored.compromised.epoch ?? null } : null,
      version: stored.version,
    };
  },
};

const compromisedToItem = ({ until, epoch }: Compromised) => ({ until, ...(epoch === null ? {} : { epoch }) });
const invitationToItem = ({ hash, expiresAt, approvalId }: Invitation) => ({
  hash,
  expires_at: expiresAt,
  ...(approvalId === undefined ? {} : { approval_id: approvalId }),
});
const invitationFromItem = ({ hash, expires_at, approval_id }: NonNullable<StoredCredentials["invitation"]>): Invitation => ({
  hash,
  expiresAt: expires_at,
  approvalId: approval_id,
});

/** As they begin: nothing but an invitation. */
export function newCredentials(operatorId: OperatorId, invitation: Credentials["invitation"]): Credentials {
  const nothing = { password: null, passwordChangedAt: null, devices: [], sessions: [], compromised: null };
  return { operatorId, ...nothing, invitation, sessionEpoch: 1, version: 1 };
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
