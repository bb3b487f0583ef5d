import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Random } from "#kernel/random.ts";
import type { Item, Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import type { Kms } from "#vault/index.ts";
import { checkpointText } from "./checkpoint.ts";
import { EMPTY_ROOT } from "./hashing.ts";
import { formatNote } from "./note.ts";
import { signerOf } from "./note-keys.ts";
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

/**
 * The key that signs checkpoints, made with the log's first use. Its seed is a data key of the KMS: 32 random bytes, which is
 * what an Ed25519 seed is, kept wrapped only. Where the KMS has another current wrapping key since, it is wrapped anew.
 * @throws StoreUnavailableError, KmsUnavailableError, InvalidCiphertextError for a wrapped key of another installation
 */
export async function openLogKey(deps: LogKeyDeps): Promise<Signer> {
  const { store, kms, clock, random, environment } = deps;
  const context = { purpose: "audit-log-key", environment };
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const item = await store.get(LOG_TABLE, { hash: KEY });
    if (item !== undefined) {
      const { origin, public_key, wrapped_key, kms_key_id } = item;
      invariant(
        typeof origin === "string" && typeof wrapped_key === "string" && typeof kms_key_id === "string",
        "the log's key is malformed",
      );
      const seed = await kms.decrypt(wrapped_key, context, kms_key_id);
      const signer = signerOf(origin, "signature", seed);
      seed.fill(0);
      invariant(signer.verifier.vkey === public_key, "the log's key is not the one its public key says");
      await wrapAnew(deps, item, wrapped_key, kms_key_id, context);
      return signer;
    }
    const made = await kms.generateDataKey(context);
    const origin = deps.origin ?? `smartfinance/${Buffer.from(random.bytes(8)).toString("hex")}`;
    const signer = signerOf(origin, "signature", made.plaintext);
    made.plaintext.fill(0);
    const row = {
      id: KEY,
      origin,
      public_key: signer.verifier.vkey,
      wrapped_key: made.wrapped,
      kms_key_id: made.kmsKeyId,
      created_at: clock.now(),
      version: 1,
    };
    // Whatever became of it: the next round reads whose key it is.
    const result = await store.commit([
      { op: "put", table: LOG_TABLE, item: row, condition: "absent" },
      { op: "put", table: LOG_TABLE, item: stateToItem(emptyState(signer, clock.now())), condition: "absent" },
    ]);
    if (result.outcome === "unavailable") throw new StoreUnavailableError("the log's key cannot be written", { cause: result.cause });
  }
  throw new StoreUnavailableError("the log's key did not settle");
}

/** The log begins with a signed checkpoint of nothing, so that a log without a state is one from which it was taken. */
function emptyState(signer: Signer, at: number): LogState {
  const text = checkpointText({ origin: signer.verifier.name, size: 0, root: EMPTY_ROOT });
  const checkpoint = formatNote({ text, signatures: [signer.sign(text, at)] });
  return signState(signer, { ...EMPTY_EDGE, cursor: undefined, checkpoint, sealedAt: at, version: 1 });
}

async function wrapAnew(deps: LogKeyDeps, item: Item, wrapped: string, kmsKeyId: string, context: Record<string, string>): Promise<void> {
  const { store, kms } = deps;
  if (kms.describe === undefined || kms.reEncrypt === undefined) return;
  const current = (await kms.describe()).keys.find((key) => key.current);
  if (current === undefined || current.id === kmsKeyId) return;
  const anew = await kms.reEncrypt(wrapped, context, kmsKeyId);
  const version = Number(item.version);
  const row = { ...item, wrapped_key: anew.wrapped, kms_key_id: anew.kmsKeyId, version: version + 1 };
  // Another node may have done it first: then the next start finds nothing to do.
  await store.commit([{ op: "put", table: LOG_TABLE, item: row, condition: { version } }]);
}
