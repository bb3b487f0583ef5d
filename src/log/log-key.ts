import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Random } from "#kernel/random.ts";
import type { Item, Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import type { Kms } from "#vault/index.ts";
import { checkpointText } from "./checkpoint.ts";
import { EMPTY_ROOT } from "./hashing.ts";
import { formatNote } from "./note.ts";
import { parseVkey, signerOf } from "./note-keys.ts";
import type { Signer } from "./note-keys.ts";
import { LOG_TABLE, logKeyKey, stateToItem } from "./rows.ts";
import type { LogState } from "./rows.ts";
import { signState } from "./state-seal.ts";
import { EMPTY_EDGE } from "./tree.ts";

export interface LogKeyDeps {
  readonly store: Store;
  readonly kms: Kms;
  readonly clock: Clock;
  readonly random: Random;
  readonly environment: "test" | "live";
  /** What the log is called where it is made by this call. A name of its own where absent. */
  readonly origin?: string | undefined;
}

const KEY = logKeyKey.hash;
const MAX_ATTEMPTS = 4;

/** A wrapped seed as it is kept. */
export interface WrappedKey {
  readonly public_key: string;
  readonly wrapped_key: string;
  readonly kms_key_id: string;
}

/** A key of before a rotation, which signs next to the present one until then, ms. */
export interface FormerKey extends WrappedKey {
  readonly until: number;
}

/** The row of the log's key. */
export interface LogKeyRow extends WrappedKey {
  readonly origin: string;
  readonly created_at: number;
  readonly version: number;
  /** The newest first. */
  readonly former: readonly FormerKey[];
  /** Public keys of all before the present one. */
  readonly retired: readonly string[];
}

/** What the seeds are wrapped for: in another installation, or for another purpose, they do not open. */
export const keyContext = (environment: "test" | "live"): Record<string, string> => ({ purpose: "audit-log-key", environment });

/** @throws InvariantError for a row that was not written here */
export function keyRowOf(item: Item): LogKeyRow {
  const { origin, public_key, wrapped_key, kms_key_id, created_at, version, former, retired } = item;
  invariant(
    typeof origin === "string" && typeof public_key === "string" && typeof wrapped_key === "string" && typeof kms_key_id === "string",
    "the log's key is malformed",
  );
  const kept = (Array.isArray(former) ? former : []) as unknown as readonly FormerKey[];
  invariant(
    kept.every((one) => typeof one.wrapped_key === "string" && typeof one.until === "number"),
    "a former key of the log is malformed",
  );
  return {
    origin,
    public_key,
    wrapped_key,
    kms_key_id,
    created_at: Number(created_at),
    version: Number(version),
    former: kept,
    retired: Array.isArray(retired) ? (retired as unknown[]).map(String) : [],
  };
}

export function keyRowToItem({ former, retired, ...row }: LogKeyRow): Item {
  return { id: KEY, ...row, former: former.map((one): JsonObject => ({ ...one })), retired };
}

/**
 * The key that signs checkpoints, made with the log's first use. Its seed is a data key of the KMS: 32 random bytes, which is
 * what an Ed25519 seed is, kept wrapped only. Where the KMS has another current wrapping key since, it is wrapped anew. Former keys
 * come with it while they still sign.
 * @throws StoreUnavailableError, KmsUnavailableError, InvalidCiphertextError for a wrapped key of another installation
 */
export async function openLogKey(deps: LogKeyDeps): Promise<Signer> {
  const { store, kms, clock, random, environment } = deps;
  const context = keyContext(environment);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const item = await store.get(LOG_TABLE, { hash: KEY });
    if (item !== undefined) {
      const row = keyRowOf(item);
      const signer = await signerOfRow(deps, row);
      await renew(deps, row, context);
      return signer;
    }
    const made = await kms.generateDataKey(context);
    const origin = deps.origin ?? `smartfinance/${Buffer.from(random.bytes(8)).toString("hex")}`;
    const signer = signerOf(origin, "signature", made.plaintext);
    made.plaintext.fill(0);
    const row: LogKeyRow = {
      origin,
      public_key: signer.verifier.vkey,
      wrapped_key: made.wrapped,
      kms_key_id: made.kmsKeyId,
      created_at: clock.now(),
      version: 1,
      former: [],
      retired: [],
    };
    // Whatever became of it: the next round reads whose key it is.
    const result = await store.commit([
      { op: "put", table: LOG_TABLE, item: keyRowToItem(row), condition: "absent" },
      { op: "put", table: LOG_TABLE, item: stateToItem(emptyState(signer, clock.now())), condition: "absent" },
    ]);
    if (result.outcome === "unavailable") throw new StoreUnavailableError("the log's key cannot be written", { cause: result.cause });
  }
  throw new StoreUnavailableError("the log's key did not settle");
}

/** The signer that a row tells of, with the former keys that still sign. */
export async function signerOfRow({ kms, clock, environment }: LogKeyDeps, row: LogKeyRow): Promise<Signer> {
  const context = keyContext(environment);
  const open = async ({ public_key, wrapped_key, kms_key_id }: WrappedKey): Promise<Signer> => {
    const seed = await kms.decrypt(wrapped_key, context, kms_key_id);
    const signer = signerOf(row.origin, "signature", seed);
    seed.fill(0);
    invariant(signer.verifier.vkey === public_key, "the log's key is not the one its public key says");
    return signer;
  };
  const signer = await open(row);
  const former: { signer: Signer; until: number }[] = [];
  for (const one of row.former) if (one.until > clock.now()) former.push({ signer: await open(one), until: one.until });
  const retired = row.retired.flatMap((text) => parseVkey(text) ?? []);
  return { ...signer, former, retired };
}

/** The log begins with a signed checkpoint of nothing, so that a log without a state is one from which it was taken. */
function emptyState(signer: Signer, at: number): LogState {
  const text = checkpointText({ origin: signer.verifier.name, size: 0, root: EMPTY_ROOT });
  const checkpoint = formatNote({ text, signatures: [signer.sign(text, at)] });
  return signState(signer, { ...EMPTY_EDGE, cursor: undefined, checkpoint, sealedAt: at, version: 1 });
}

/**
 * Takes the seeds of former keys whose time is over out of the store. By a clock that is wrong they would be gone all the same.
 * @returns how many still sign; `undefined` where that is to be tried again
 */
export async function forgetFormerKeys({ store, clock }: Pick<LogKeyDeps, "store" | "clock">): Promise<number | undefined> {
  const item = await store.get(LOG_TABLE, logKeyKey);
  if (item === undefined) return 0;
  const row = keyRowOf(item);
  const former = row.former.filter(({ until }) => until > clock.now());
  if (former.length === row.former.length) return former.length;
  const next = keyRowToItem({ ...row, former, version: row.version + 1 });
  const result = await store.commit([{ op: "put", table: LOG_TABLE, item: next, condition: { version: row.version } }]);
  return result.outcome === "committed" ? former.length : undefined;
}

/** Wraps seeds anew where the KMS has another current key, but not those whose time is over. */
async function renew(deps: LogKeyDeps, row: LogKeyRow, context: Record<string, string>): Promise<void> {
  const { store, kms, clock } = deps;
  const current = kms.reEncrypt === undefined ? undefined : (await kms.describe?.())?.keys.find((key) => key.current);
  const wrapAnew = async <T extends WrappedKey>(key: T): Promise<T> => {
    if (current === undefined || current.id === key.kms_key_id || kms.reEncrypt === undefined) return key;
    const anew = await kms.reEncrypt(key.wrapped_key, context, key.kms_key_id);
    return { ...key, wrapped_key: anew.wrapped, kms_key_id: anew.kmsKeyId };
  };
  const own = await wrapAnew(row);
  const former: FormerKey[] = [];
  for (const one of row.former) former.push(one.until > clock.now() ? await wrapAnew(one) : one);
  const changed = own !== row || former.some((one, n) => one !== row.former[n]);
  if (!changed) return;
  const item = keyRowToItem({ ...own, former, version: row.version + 1 });
  // Another node may have done it first: then the next start finds nothing to do.
  await store.commit([{ op: "put", table: LOG_TABLE, item, condition: { version: row.version } }]);
}
