import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import { isGood } from "#kernel/clock.ts";
import type { ApiKeyId, OperatorId, OrganisationId } from "#kernel/ids.ts";
import type { ProblemCode, Refusal } from "#kernel/problems.ts";
import type { Scope } from "#kernel/scopes.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import type { Store } from "#storage/index.ts";
import { API_KEYS_TABLE, apiKeyFromItem, burstOf } from "./api-key.ts";
import type { ApiKeyRecord } from "./api-key.ts";
import { parseAllowlist } from "./ip-allowlist.ts";
import type { IpMatcher } from "./ip-allowlist.ts";
import { comparableHash, parseApiKey, secretMatches } from "./key-text.ts";
import type { Environment, ParsedApiKey } from "./key-text.ts";
import type { KeyUses } from "./key-uses.ts";

/** What an organisation has set for all its keys, as its room reads it from the store. */
export interface OrganisationAccess {
  /** What all its keys together may spend in any minute. */
  readonly rateLimitPerMinute: number;
  /** What a key made without a limit of its own is given. */
  readonly keyRateLimitPerMinute: number;
  /** As `parseAllowlist` gives it. */
  readonly ipAllowlist: readonly string[];
}

/** What the operator who owns a key may do himself now. */
export interface OwnerAccess {
  readonly scopes: ReadonlySet<Scope>;
}

/** Who asks. */
export interface Principal {
  readonly ok: true;
  readonly organisationId: OrganisationId;
  /** The key that calls; `null` where an operator's session does. */
  readonly apiKeyId: ApiKeyId | null;
  /** The operator who is signed in; absent where a key calls. */
  readonly operatorId?: OperatorId;
  /** Whom the caller counts as wherever a second person is asked for: the operator, also behind a key of his own; else the key. */
  readonly personId: string;
  readonly environment: Environment;
  readonly scopes: ReadonlySet<Scope>;
  readonly rateLimitPerMinute: number;
  readonly burstPerSecond: number;
  /** `undefined`: every address may use the key. See `allows`. */
  readonly ipAllowlist: IpMatcher | undefined;
  /** The client certificate the key is bound to. */
  readonly certificateSha256?: string;
  readonly organisation: PrincipalOrganisation;
}

export interface PrincipalOrganisation {
  readonly rateLimitPerMinute: number;
  readonly keyRateLimitPerMinute: number;
  /** Which addresses may call at all; `undefined`: every one. */
  readonly ipAllowlist: IpMatcher | undefined;
}

/**
 * Why not. The code is all a client is told: `unauthenticated` for everything from a missing header to a revoked key,
 * so that it cannot find out which keys exist. `reason` and `apiKeyId` are for the audit log and metrics.
 */
export interface AuthenticationRefusal extends Refusal {
  readonly reason:
    | "missing"
    | "malformed"
    | "unknown"
    | "wrong_secret"
    | "wrong_environment"
    | "rotated"
    | "revoked"
    | "expired"
    | "owner_gone"
    | "store_unavailable"
    | "overloaded";
  /** The caller holds a secret that was good once: no guess, so that a forgotten client does not count as an attack. */
  readonly ended?: true;
  /** The key it claims to be, once the checksum held. Anyone can claim any. */
  readonly apiKeyId?: ApiKeyId;
}

export interface Authenticator {
  /**
   * Judges the value of the `X-API-Key` header. Synchronous when the key is in memory; otherwise after one store read,
   * which requests of the same key share.
   * Rejects (InvariantError) only when a stored key is corrupt.
   */
  authenticate(headerValue: string | undefined): Principal | AuthenticationRefusal | Promise<Principal | AuthenticationRefusal>;
  /**
   * Whether `authenticate` would give this very principal again for the key it was given for, without looking at the secret again:
   * the key is known as it was then, and nothing of it has ended. `false` says nothing.
   */
  stands(principal: Principal): boolean;
  /** Drops what is known about an organisation and its keys. To be called in the process that changed it, after the commit. */
  forgetOrganisation(id: OrganisationId): void;
  /** Drops what is known about the keys of an operator. To be called in the process that changed or disabled him, after the commit. */
  forgetOwner(id: OperatorId): void;
  /** Drops what is known about a key. To be called in the process that created, changed or revoked it, after the commit. */
  forget(keyId: ApiKeyId): void;
}

export interface AuthenticatorDeps {
  readonly store: Store;
  readonly clock: Clock;
  /** What the installation is for: keys of the other kind are refused, wherever they come from. Undefined takes both. */
  readonly environment?: Environment;
  /** Reads what an organisation has set; `undefined` when there is none of this id, whose keys then let nobody in. */
  readonly organisation: (id: OrganisationId) => Promise<OrganisationAccess | undefined>;
  /** What an operator may do who owns keys; `undefined` when there is none of this id or he is disabled: his keys let nobody in. */
  readonly owner?: (id: OperatorId) => Promise<OwnerAccess | undefined>;
  /** Told of every good key. */
  readonly uses?: Pick<KeyUses, "note">;
  /** How long a store read counts, in ms: the bound after which a revocation or a change holds in every process. Default 5,000. */
  readonly ttlMs?: number;
  /** Keys kept in memory, and as many ids known not to exist. Default 10,000. */
  readonly maxCached?: number;
  /** Keys being read at once; more are refused as `overloaded`. Default 1,000. */
  readonly maxReads?: number;
}

/** What is known about an id. Nothing but the hashes in it are of use to a thief, and they only as things to compare with. */
type Known = {
  /** Until when this store read counts. */
  readonly goodUntil: number;
} & (
  | { readonly status: "unknown" }
  | {
      readonly status: "active" | "revoked";
      readonly secretHash: Buffer;
      readonly previous: { readonly secretHash: Buffer; readonly expiresAt: number } | undefined;
      /** When the key itself ends. */
      readonly expiresAt: number;
      /** Whether the operator who owns it is gone or disabled. */
      readonly ownerGone: boolean;
      readonly ownerOperatorId: OperatorId | undefined;
      readonly principal: Principal;
    }
);

export function createAuthenticator(deps: AuthenticatorDeps): Authenticator {
  const { store, clock, uses, ttlMs = 5_000, maxCached = 10_000, maxReads = 1_000 } = deps;
  invariant(ttlMs >= 0 && maxCached >= 1 && maxReads >= 1, "the authenticator's bounds are wrong");
  const found = new Map<ApiKeyId, Known>();
  /** Apart from `found`, so that made-up ids cannot push real keys out. */
  const missing = new Map<ApiKeyId, Known>();
  const reads = new Map<ApiKeyId, Promise<Known>>();

  const read = async (id: ApiKeyId): Promise<Known> => {
    // The age counts from before the reads: what was changed after this moment may not be in the answer.
    const goodUntil = clock.now() + ttlMs;
    const item = await store.get(API_KEYS_TABLE, { hash: id });
    if (item === undefined) return { status: "unknown", goodUntil };
    const record = apiKeyFromItem(item);
    invariant(record.id === id, "the store gave another key than was asked for");
    const organisation = await deps.organisation(record.organisationId);
    if (organisation === undefined) return { status: "unknown", goodUntil };
    const { previousSecret, ownerOperatorId } = record;
    const owner = ownerOperatorId === undefined ? undefined : await deps.owner?.(ownerOperatorId);
    return {
      status: record.status,
      secretHash: comparableHash(record.secretHash),
      previous: previousSecret && { secretHash: comparableHash(previousSecret.hash), expiresAt: previousSecret.expiresAt },
      expiresAt: record.expiresAt ?? Number.POSITIVE_INFINITY,
      ownerGone: ownerOperatorId !== undefined && owner === undefined,
      ownerOperatorId,
      principal: principalOf(record, organisation, owner),
      goodUntil,
    };
  };

  const remember = (id: ApiKeyId, known: Known): void => {
    found.delete(id);
    missing.delete(id);
    const cache = known.status === "unknown" ? missing : found;
    if (cache.size >= maxCached) {
      for (const oldest of cache.keys()) {
        cache.delete(oldest);
        break;
      }
    }
    cache.set(id, known);
  };

  const isFresh = ({ goodUntil }: Known, now: number): boolean => isGood(goodUntil, ttlMs, now);

  const readOnce = (id: ApiKeyId): Promise<Known> | undefined => {
    const running = reads.get(id);
    if (running !== undefined) return running;
    if (reads.size >= maxReads) return undefined;
    const started = read(id)
      .then((known) => {
        // After `forget` this read is no longer the one listed: it may have missed the change, so it is not kept.
        if (reads.get(id) === started) remember(id, known);
        return known;
      })
      .finally(() => {
        if (reads.get(id) === started) reads.delete(id);
      });
    reads.set(id, started);
    return started;
  };

  return {
    authenticate(headerValue) {
      if (headerValue === undefined || headerValue === "") return deny("missing");
      const key = parseApiKey(headerValue);
      if (!key.ok) return deny("malformed");
      if (deps.environment !== undefined && key.environment !== deps.environment)
        return {
          ...deny("wrong_environment", key.id),
          detail: `This is a ${key.environment} key; the installation takes ${deps.environment} keys.`,
        };
      const known = found.get(key.id) ?? missing.get(key.id);
      const now = clock.now();
      if (known !== undefined && isFresh(known, now)) return judge(key, known, now);
      const reading = readOnce(key.id);
      if (reading === undefined) return deny("overloaded", key.id);
      return reading.then(
        (fresh) => judge(key, fresh, clock.now()),
        (error: unknown) => {
          if (error instanceof StoreUnavailableError) return deny("store_unavailable", key.id);
          throw error;
        },
      );
    },

    stands(principal) {
      const known = principal.apiKeyId === null ? undefined : found.get(principal.apiKeyId);
      if (known === undefined || known.status !== "active" || known.principal !== principal || known.ownerGone) return false;
      const now = clock.now();
      // While a rotation overlaps nobody remembers which of the two secrets it was.
      return known.previous === undefined && isFresh(known, now) && now < known.expiresAt;
    },

    forget(keyId) {
      found.delete(keyId);
      missing.delete(keyId);
      reads.delete(keyId);
    },

    forgetOwner(id) {
      for (const [keyId, known] of found) if (known.status !== "unknown" && known.ownerOperatorId === id) found.delete(keyId);
      // Whose keys are being read is not known yet, so that none of these reads is kept.
      reads.clear();
    },

    forgetOrganisation(id) {
      for (const [keyId, known] of found) if (known.status !== "unknown" && known.principal.organisationId === id) found.delete(keyId);
      // Whose keys are being read is not known yet, so that none of these reads is kept.
      reads.clear();
    },
  };

  function judge(key: ParsedApiKey, known: Known, now: number): Principal | AuthenticationRefusal {
    if (known.status === "unknown") return deny("unknown", key.id);
    const { previous, principal } = known;
    // The secret is judged first: only who holds it is worth telling the audit log "revoked" about.
    if (principal.environment !== key.environment) return deny("wrong_secret", key.id);
    if (!secretMatches(key.secret, known.secretHash)) {
      if (previous === undefined || !secretMatches(key.secret, previous.secretHash)) return deny("wrong_secret", key.id);
      if (now >= previous.expiresAt) return deny("rotated", key.id);
    }
    if (known.status === "revoked") return deny("revoked", key.id);
    if (now >= known.expiresAt) return deny("expired", key.id);
    if (known.ownerGone) return deny("owner_gone", key.id);
    uses?.note(key.id, now);
    return principal;
  }
}

/** @throws InvariantError when a stored allow-list is malformed: it lets nobody in. */
export function principalOf(record: ApiKeyRecord, organisation: OrganisationAccess, owner: OwnerAccess | undefined): Principal {
  const own = parseAllowlist(record.ipAllowlist);
  const all = parseAllowlist(organisation.ipAllowlist);
  invariant(own.ok && all.ok, `the allow-list of API key ${record.id} or of its organisation is malformed`);
  return Object.freeze({
    ok: true,
    organisationId: record.organisationId,
    apiKeyId: record.id,
    personId: record.ownerOperatorId ?? record.id,
    environment: record.environment,
    scopes: new Set(owner === undefined ? record.scopes : record.scopes.filter((scope) => owner.scopes.has(scope))),
    rateLimitPerMinute: record.rateLimitPerMinute,
    burstPerSecond: burstOf(record.rateLimitPerMinute),
    ipAllowlist: own.matcher,
    ...(record.certificateSha256 === undefined ? {} : { certificateSha256: record.certificateSha256 }),
    organisation: Object.freeze({
      rateLimitPerMinute: organisation.rateLimitPerMinute,
      keyRateLimitPerMinute: organisation.keyRateLimitPerMinute,
      ipAllowlist: all.matcher,
    }),
  });
}

function deny(reason: AuthenticationRefusal["reason"], apiKeyId?: ApiKeyId): AuthenticationRefusal {
  const code: ProblemCode = reason === "store_unavailable" || reason === "overloaded" ? reason : "unauthenticated";
  const ended = reason === "rotated" || reason === "revoked" || reason === "expired" || reason === "owner_gone";
  return { ok: false, code, reason, ...(ended ? { ended } : {}), ...(apiKeyId === undefined ? {} : { apiKeyId }) };
}
