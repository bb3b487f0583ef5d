import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import type { ApiKeyId, OrganisationId } from "#kernel/ids.ts";
import type { ProblemCode, Refusal } from "#kernel/problems.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import type { Store } from "#storage/index.ts";
import { API_KEYS_TABLE, apiKeyFromItem } from "./api-key.ts";
import { parseAllowlist } from "./ip-allowlist.ts";
import type { IpMatcher } from "./ip-allowlist.ts";
import { comparableHash, parseApiKey, secretMatches } from "./key-text.ts";
import type { Environment, ParsedApiKey } from "./key-text.ts";

/** Who asks. */
export interface Principal {
  readonly ok: true;
  readonly organisationId: OrganisationId;
  readonly apiKeyId: ApiKeyId;
  readonly environment: Environment;
  readonly rateLimitPerMinute: number;
  /** `undefined`: every address may use the key. See `allows`. */
  readonly ipAllowlist: IpMatcher | undefined;
}

/**
 * Why not. The code is all a client is told: `unauthenticated` for everything from a missing header to a revoked key,
 * so that it cannot find out which keys exist. `reason` and `apiKeyId` are for the audit log and metrics.
 */
export interface AuthenticationRefusal extends Refusal {
  readonly reason: "missing" | "malformed" | "unknown" | "wrong_secret" | "revoked" | "store_unavailable" | "overloaded";
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
  /** Drops what is known about a key. To be called in the process that created, changed or revoked it, after the commit. */
  forget(keyId: ApiKeyId): void;
}

export interface AuthenticatorDeps {
  readonly store: Store;
  readonly clock: Clock;
  /** How long a store read counts, in ms: the bound after which a revocation holds in every process. Default 5,000. */
  readonly ttlMs?: number;
  /** Keys kept in memory, and as many ids known not to exist. Default 10,000. */
  readonly maxCached?: number;
  /** Keys being read at once; more are refused as `overloaded`. Default 1,000. */
  readonly maxReads?: number;
}

/** What is known about an id. Nothing but the hash in it is of use to a thief, and that only as a thing to compare with. */
type Known = { readonly expiresAt: number } & (
  | { readonly status: "active"; readonly secretHash: Buffer; readonly principal: Principal }
  | { readonly status: "revoked"; readonly secretHash: Buffer; readonly environment: Environment }
  | { readonly status: "unknown" }
);

export function createAuthenticator(deps: AuthenticatorDeps): Authenticator {
  const { store, clock, ttlMs = 5_000, maxCached = 10_000, maxReads = 1_000 } = deps;
  invariant(ttlMs >= 0 && maxCached >= 1 && maxReads >= 1, "the authenticator's bounds are wrong");
  const found = new Map<ApiKeyId, Known>();
  /** Apart from `found`, so that made-up ids cannot push real keys out. */
  const missing = new Map<ApiKeyId, Known>();
  const reads = new Map<ApiKeyId, Promise<Known>>();

  const read = async (id: ApiKeyId): Promise<Known> => {
    // The age counts from before the read: what was revoked after this moment may not be in the answer.
    const expiresAt = clock.now() + ttlMs;
    const item = await store.get(API_KEYS_TABLE, { hash: id });
    if (item === undefined) return { status: "unknown", expiresAt };
    const record = apiKeyFromItem(item);
    invariant(record.id === id, "the store gave another key than was asked for");
    const secretHash = comparableHash(record.secretHash);
    if (record.status === "revoked") return { status: "revoked", secretHash, environment: record.environment, expiresAt };
    const allowlist = parseAllowlist(record.ipAllowlist);
    invariant(allowlist.ok, `the allow-list of API key ${id} is malformed`);
    const principal: Principal = Object.freeze({
      ok: true,
      organisationId: record.organisationId,
      apiKeyId: id,
      environment: record.environment,
      rateLimitPerMinute: record.rateLimitPerMinute,
      ipAllowlist: allowlist.matcher,
    });
    return { status: "active", secretHash, principal, expiresAt };
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
      const known = found.get(key.id) ?? missing.get(key.id);
      if (known !== undefined && known.expiresAt > clock.now()) return judge(key, known);
      const reading = readOnce(key.id);
      if (reading === undefined) return deny("overloaded", key.id);
      return reading.then(
        (fresh) => judge(key, fresh),
        (error: unknown) => {
          if (error instanceof StoreUnavailableError) return deny("store_unavailable", key.id);
          throw error;
        },
      );
    },

    forget(keyId) {
      found.delete(keyId);
      missing.delete(keyId);
      reads.delete(keyId);
    },
  };
}

function judge(key: ParsedApiKey, known: Known): Principal | AuthenticationRefusal {
  if (known.status === "unknown") return deny("unknown", key.id);
  // The secret is judged first: only who holds it is worth telling the audit log "revoked" about.
  if (!secretMatches(key.secret, known.secretHash)) return deny("wrong_secret", key.id);
  const environment = known.status === "active" ? known.principal.environment : known.environment;
  if (environment !== key.environment) return deny("wrong_secret", key.id);
  return known.status === "active" ? known.principal : deny("revoked", key.id);
}

function deny(reason: AuthenticationRefusal["reason"], apiKeyId?: ApiKeyId): AuthenticationRefusal {
  const code: ProblemCode = reason === "store_unavailable" || reason === "overloaded" ? reason : "unauthenticated";
  return { ok: false, code, reason, ...(apiKeyId === undefined ? {} : { apiKeyId }) };
}
