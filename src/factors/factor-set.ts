import { invariant } from "#kernel/assert.ts";
import type { FactorId, OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection, Key, Store, Versioned } from "#storage/index.ts";
import type { FactorStatus, FactorType, SentCodeType, Subject, SubjectKind } from "./factor.ts";

export const FACTORS_TABLE = "smartfinance-factors";

interface BaseFactor {
  readonly id: FactorId;
  readonly status: FactorStatus;
  readonly created_at: number;
  readonly last_used_at: number | null;
}

/** A public key that an authenticator made. Nothing in it is secret. */
export interface PasskeyFactor extends BaseFactor {
  readonly type: "passkey";
  /** base64url, as WebAuthn writes it. */
  readonly credential_id: string;
  /** COSE key (RFC 9053), base64url. */
  readonly public_key: string;
  /** COSE algorithm: -7 ES256, -8 EdDSA, -257 RS256. */
  readonly algorithm: number;
  readonly counter: number;
  readonly transports: readonly string[];
  readonly aaguid: string;
  readonly attestation: "none" | "packed";
  readonly backup_eligible: boolean;
  readonly backed_up: boolean;
  /** SHA-256 of the assertion used last, so that its repetition is told from a copied authenticator. */
  readonly last_assertion: string | null;
  /**
   * What `counter` was before its last few uses, and until when (ms), the oldest first; absent before any, where it has always been 0, and
   * where an earlier release wrote it; -1 where such a release did not note it.
   */
  readonly former_counters?: readonly { readonly counter: number; readonly until: number }[];
}

/** RFC 6238. The secret lies sealed under the factor's id (factor-secret.ts). */
export interface TotpFactor extends BaseFactor {
  readonly type: "totp";
  /** The last time step whose code was accepted; -1 before. */
  readonly last_step: number;
  readonly expires_at: number | null;
}

/** A set of single-use codes, as keyed hashes of those that are left. */
export interface RecoveryFactor extends BaseFactor {
  readonly type: "recovery_code";
  readonly hashes: readonly string[];
}

/** An address that codes are sent to; it lies sealed under the factor's id. */
export interface SentCodeFactor extends BaseFactor {
  readonly type: SentCodeType;
  /** The code that is out, as keyed hash. */
  readonly sent: { readonly hash: string; readonly expires_at: number; readonly tries_left: number } | null;
  /** When codes were sent in the last day, ms, oldest first. */
  readonly sent_at: readonly number[];
  readonly expires_at: number | null;
}

export type StoredFactor = PasskeyFactor | TotpFactor | RecoveryFactor | SentCodeFactor;

/** A challenge that was given out and not come back. */
export interface PendingChallenge {
  /** 32 random bytes, base64url. */
  readonly challenge: string;
  readonly purpose: "register" | "prove";
  readonly expires_at: number;
  /** Registrations only: the new passkey has to be bound to its device. */
  readonly device_bound?: boolean;
}

/** How many failures there were in a row, and what follows from them. See lock.ts. */
export interface LockState {
  readonly failures: number;
  readonly blocks: number;
  /** Milliseconds; `null` when nothing is blocked. */
  readonly blocked_until: number | null;
  readonly blocked_for_good: boolean;
}

/**
 * All factors of one subject, with everything that single use and counting depend on, in one record: so one version guards
 * it all, and whatever twenty requests do at once, one of them is first.
 */
export interface FactorSet extends Versioned {
  readonly subjectId: Subject["id"];
  readonly kind: SubjectKind;
  readonly organisationId: OrganisationId;
  readonly factors: readonly StoredFactor[];
  readonly challenges: readonly PendingChallenge[];
  readonly lock: LockState;
  /** When codes were sent in the last day, ms, oldest first: to whatever address, also those that are gone. */
  readonly codesSentAt: readonly number[];
  /** When all factors were taken away last, ms; `null`: never. What was begun before is void. */
  readonly resetAt: number | null;
  /** How often that was, so that it is told from what was begun before whatever the clocks say; `null`: an earlier release wrote it. */
  readonly resets: number | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export const factorSets: Collection<FactorSet> = {
  table: FACTORS_TABLE,
  keyOf: ({ subjectId }) => ({ hash: subjectId }),
  toItem: (set) => ({
    id: set.subjectId,
    kind: set.kind,
    owner: set.organisationId,
    factors: set.factors as unknown as readonly JsonObject[],
    challenges: set.challenges as unknown as readonly JsonObject[],
    lock: { ...set.lock },
    codes_sent_at: set.codesSentAt,
    ...(set.resetAt === null ? {} : { reset_at: set.resetAt }),
    ...(set.resets === null ? {} : { resets: set.resets }),
    created_at: set.createdAt,
    updated_at: set.updatedAt,
    version: set.version,
  }),
  fromItem(item) {
    invariant(Array.isArray(item.factors) && Array.isArray(item.challenges), "a stored set of factors is malformed");
    return {
      subjectId: item.id as Subject["id"],
      kind: item.kind as SubjectKind,
      organisationId: item.owner as OrganisationId,
      factors: item.factors as unknown as readonly StoredFactor[],
      challenges: item.challenges as unknown as readonly PendingChallenge[],
      lock: item.lock as unknown as LockState,
      codesSentAt: (item.codes_sent_at ?? []) as readonly number[],
      resetAt: (item.reset_at ?? null) as number | null,
      resets: (item.resets ?? null) as number | null,
      createdAt: Number(item.created_at),
      updatedAt: Number(item.updated_at),
      version: Number(item.version),
    };
  },
};

export const setKey = ({ id }: Pick<Subject, "id">): Key => ({ hash: id });

export const NO_LOCK: LockState = { failures: 0, blocks: 0, blocked_until: null, blocked_for_good: false };

/** A subject's set before it is stored for the first time: version 0. */
export function emptySet(subject: Subject, at: number): FactorSet {
  return {
    subjectId: subject.id,
    kind: subject.kind,
    organisationId: subject.organisationId,
    factors: [],
    challenges: [],
    lock: NO_LOCK,
    codesSentAt: [],
    resetAt: null,
    resets: 0,
    createdAt: at,
    updatedAt: at,
    version: 0,
  };
}

/** The set after a change at `at` (ms). Challenges that have run out go with it. */
export function changedSet(
  set: FactorSet,
  fields: Partial<Pick<FactorSet, "factors" | "challenges" | "lock" | "codesSentAt" | "resetAt" | "resets">>,
  at: number,
): FactorSet {
  const { challenges = set.challenges } = fields;
  const alive = challenges.filter(({ expires_at }) => expires_at > at);
  return { ...set, ...fields, challenges: alive, updatedAt: Math.max(at, set.updatedAt), version: set.version + 1 };
}

/** The set with one factor in the place of the one of the same id. */
export function withFactor(set: FactorSet, factor: StoredFactor): readonly StoredFactor[] {
  return set.factors.map((one) => (one.id === factor.id ? factor : one));
}

/** Factors that prove who somebody is by themselves. Recovery codes only help to get others. */
export function standingFactors(set: FactorSet | undefined): readonly StoredFactor[] {
  return (set?.factors ?? []).filter(({ status, type }) => status === "active" && type !== "recovery_code");
}

export function activeFactors<T extends FactorType>(
  set: FactorSet | undefined,
  type: T,
): readonly Extract<StoredFactor, { readonly type: T }>[] {
  return (set?.factors ?? []).filter(
    (one): one is Extract<StoredFactor, { readonly type: T }> => one.type === type && one.status === "active",
  );
}

/** A subject's set; another organisation's subject has none. */
export async function readSet(store: Store, subject: Subject): Promise<FactorSet | undefined> {
  const item = await store.get(FACTORS_TABLE, setKey(subject));
  const set = item === undefined ? undefined : factorSets.fromItem(item);
  return set !== undefined && isOf(set, subject) ? set : undefined;
}

/** Whether a set is really this subject's. */
export function isOf(set: FactorSet, { organisationId, kind }: Subject): boolean {
  return set.organisationId === organisationId && set.kind === kind;
}
