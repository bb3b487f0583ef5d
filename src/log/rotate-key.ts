import { buildEvent } from "#audit/index.ts";
import type { BuiltEvent } from "#audit/index.ts";
import type { Ids } from "#kernel/ids.ts";
import { FEED_TABLE, StoreUnavailableError } from "#storage/index.ts";
import { parseNote, formatNote } from "./note.ts";
import type { Verifier } from "./note-keys.ts";
import { signaturesOf, signerOf } from "./note-keys.ts";
import { byInstallation, INSTALLATION } from "./installation.ts";
import { invariant } from "#kernel/assert.ts";
import type { LogKeyDeps, LogKeyRow } from "./log-key.ts";
import { keyContext, keyRowOf, keyRowToItem, openLogKey, signerOfRow } from "./log-key.ts";
import { resignCosigned } from "./resign-cosigned.ts";
import { LOG_TABLE, logKeyKey, stateToItem } from "./rows.ts";
import { signState } from "./state-seal.ts";
import { LogTamperedError, trustedState } from "./trusted-state.ts";

export interface RotatedKey {
  readonly verifier: Verifier;
  /** The key before, and until when it signs next to the new one, ms; no time where it signs no more. */
  readonly before: { readonly verifier: Verifier; readonly until: number | undefined };
}

/** Commits against sealers that write the state meanwhile. */
const MAX_ATTEMPTS = 20;
/** Keys that may sign next to the present one: a checkpoint has a line for each. */
const MAX_FORMER = 4;
/** Public keys that are remembered. */
const MAX_RETIRED = 1_000;

/**
 * Gives the log a new key. In one commit: the key, the state and its checkpoint signed by it, those that witnesses have cosigned, and an
 * event that names both keys.
 * Until `overlapMs` from now the key before signs next to it, so that whoever knows only that one has time to learn of the new one;
 * with 0 it signs no more, and neither do those before it. Sealers of running nodes notice with their next step.
 * @throws LogTamperedError where the log is not one to go on from; StoreUnavailableError, KmsUnavailableError
 */
export async function rotateLogKey(
  deps: LogKeyDeps & { readonly ids: Ids },
  overlapMs: number,
): Promise<RotatedKey & { readonly told: BuiltEvent }> {
  const { store, kms, clock, environment, ids } = deps;
  await openLogKey(deps);
  // The same with every attempt: it may not be known which of them it was.
  const now = clock.now();
  const id = ids.next("event");
  const made = await kms.generateDataKey(keyContext(environment));
  const item = await store.get(LOG_TABLE, logKeyKey);
  invariant(item !== undefined, "the log has a key");
  const { origin } = keyRowOf(item);
  const bare = signerOf(origin, "signature", made.plaintext);
  made.plaintext.fill(0);
  let tried: (RotatedKey & { readonly told: BuiltEvent }) | undefined;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const stored = await store.get(LOG_TABLE, logKeyKey);
    invariant(stored !== undefined, "the log has a key");
    const row = keyRowOf(stored);
    // It was not known how the commit ended: it is there.
    if (tried !== undefined && row.public_key === tried.verifier.vkey) return tried;
    const before = await signerOfRow(deps, row);
    const state = await trustedState(store, before.verifier).catch(async (error: unknown) => {
      // A rotation that came between, or this very one where it was not known how its commit ended: the state is of the key of by now.
      const present = error instanceof LogTamperedError ? await store.get(LOG_TABLE, logKeyKey) : undefined;
      if (present === undefined || keyRowOf(present).version === row.version) throw error;
      return null;
    });
    if (state === null) continue;
    if (state === undefined) throw new LogTamperedError("the log has its key and no state");
    const until = overlapMs === 0 ? undefined : now + overlapMs;
    const { public_key, wrapped_key, kms_key_id } = row;
    const next: LogKeyRow = {
      origin,
      public_key: bare.verifier.vkey,
      wrapped_key: made.wrapped,
      kms_key_id: made.kmsKeyId,
      created_at: now,
      version: row.version + 1,
      former:
        until === undefined
          ? []
          : [{ public_key, wrapped_key, kms_key_id, until }, ...row.former.filter((one) => one.until > now)].slice(0, MAX_FORMER),
      retired: [public_key, ...row.retired].slice(0, MAX_RETIRED),
    };
    const stillSigning = (before.former ?? []).slice(0, MAX_FORMER - 1);
    const signer = { ...bare, former: until === undefined ? [] : [{ signer: before, until }, ...stillSigning] };
    const note = parseNote(state.checkpoint);
    invariant(note !== undefined, "a trusted state has a checkpoint");
    const resigned = signState(signer, {
      ...state,
      checkpoint: formatNote({ text: note.text, signatures: signaturesOf(signer, note.text, now) }),
      version: state.version + 1,
    });
    const details = { from: public_key, to: bare.verifier.vkey, overlap_seconds: Math.floor(overlapMs / 1_000) };
    const cosigned = await resignCosigned(store, state, before, signer, now);
    const told = buildEvent({ id, type: "audit_log.key_rotated", objectId: INSTALLATION, details }, byInstallation, now);
    const result = await store.commit([
      { op: "put", table: LOG_TABLE, item: keyRowToItem(next), condition: { version: row.version } },
      { op: "put", table: LOG_TABLE, item: stateToItem(resigned), condition: { version: state.version } },
      { op: "put", table: FEED_TABLE, item: told.item, text: told.text, condition: "absent" },
      cosigned,
    ]);
    tried = { verifier: bare.verifier, before: { verifier: before.verifier, until }, told };
    if (result.outcome === "committed") return tried;
    if (result.outcome === "unavailable") throw new StoreUnavailableError("the log's key cannot be written", { cause: result.cause });
  }
  throw new StoreUnavailableError("the log's key did not settle");
}
