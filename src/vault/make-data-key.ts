import { createSecretKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Ids } from "#kernel/ids.ts";
import { unitInterval } from "#kernel/random.ts";
import type { Random } from "#kernel/random.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import type { Store, Write } from "#storage/index.ts";
import { DATA_KEYS_TABLE, dataKeyContext, dataKeys, keyringId, keyrings, maxKeysOf, nextNumber } from "./data-key-record.ts";
import type { DataKeyId, DataKeyRecord, Environment, KeyringRecord, KeySubject } from "./data-key-record.ts";
import { DataKeyNotFoundError, TooManyKeysError, UserShreddedError } from "./errors.ts";
import type { Kms } from "./kms.ts";

export interface DraftKeyDeps {
  readonly kms: Kms;
  readonly clock: Clock;
  readonly ids: Ids;
  /** Part of every encryption context. Default `test`. */
  readonly environment?: Environment;
}

export interface MakeDataKeyDeps extends DraftKeyDeps {
  readonly store: Store;
  readonly random: Random;
}

/** A key made here, not yet known to be stored. */
interface Draft {
  readonly record: DataKeyRecord;
  readonly secret: KeyObject;
}

const MAX_ATTEMPTS = 6;
const BACKOFF_MS = 20;

/**
 * The subject's current data key id, made when there is none, and replaced when it is `retire`.
 * Every node may call this at once: the keyring is written under a condition, and whoever loses reads
 * the winner's. `secret` is given when the key was made here, sparing the round to the KMS.
 *
 * A commit of unknown outcome is settled by reading: the keyring either names the draft or does not, and
 * while it does not, the same commit is sent again, whose conditions keep it from happening twice.
 *
 * @throws UserShreddedError for a subject whose keys were destroyed.
 * @throws DataKeyNotFoundError for a user of another organisation; TooManyKeysError when no further one may be made.
 * @throws StoreUnavailableError when the store does not answer, or did not settle within the attempts.
 * @throws KmsUnavailableError when the KMS does not.
 */
export async function currentKey(
  deps: MakeDataKeyDeps,
  subject: KeySubject,
  retire: DataKeyId | undefined,
): Promise<{ readonly id: DataKeyId; readonly secret?: KeyObject }> {
  let draft: Draft | undefined;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    if (attempt > 0) await deps.clock.sleep(BACKOFF_MS * 2 ** attempt * (0.5 + unitInterval(deps.random)));
    const item = await deps.store.get(DATA_KEYS_TABLE, { hash: keyringId(subject) });
    const keyring = item === undefined ? undefined : keyrings.fromItem(item);
    if (keyring !== undefined && keyring.organisationId !== subject.organisationId)
      throw new DataKeyNotFoundError(`${subject.organisationId} has no such user`);
    if (keyring?.currentKeyId === null) throw new UserShreddedError(`the keys of ${keyringId(subject)} were destroyed`);
    if (draft !== undefined && keyring?.currentKeyId === draft.record.id) return { id: draft.record.id, secret: draft.secret };
    if (keyring !== undefined && keyring.currentKeyId !== retire) return { id: keyring.currentKeyId };

    if (keyring !== undefined && keyring.keyIds.length >= maxKeysOf(subject))
      throw new TooManyKeysError(`${keyringId(subject)} has as many data keys as it may have`);
    draft ??= await draftKey(deps, subject, nextNumber(keyring));
    const result = await deps.store.commit(writesFor(draft.record, keyring));
    if (result.outcome === "committed") return { id: draft.record.id, secret: draft.secret };
    if (result.outcome === "unavailable") throw new StoreUnavailableError("data keys cannot be written", { cause: result.cause });
  }
  throw new StoreUnavailableError("a new data key did not settle");
}

/** Makes a key that is not stored yet, the `number`th of its subject. @throws KmsUnavailableError */
export async function draftKey(deps: DraftKeyDeps, subject: KeySubject, number: number): Promise<Draft> {
  const id = deps.ids.next("dataKey");
  // Taken before the service is asked: what a rotation of wrapping keys began during the call may be under the old one.
  const now = deps.clock.now();
  const generated = await deps.kms.generateDataKey(dataKeyContext(subject, id, deps.environment ?? "test"));
  const secret = toSecret(generated.plaintext);
  const { organisationId, userId, purpose } = subject;
  return {
    record: {
      id,
      organisationId,
      userId,
      purpose,
      number,
      state: "enabled",
      wrapped: generated.wrapped,
      kmsKeyId: generated.kmsKeyId,
      createdAt: now,
      wrappedAt: now,
      version: 1,
    },
    secret,
  };
}

function writesFor(record: DataKeyRecord, keyring: KeyringRecord | undefined): readonly Write[] {
  const keyIds = [...(keyring?.keyIds ?? []), record.id];
  const { organisationId, userId, purpose } = record;
  const held = keyring ?? { organisationId, userId, purpose, version: 0 };
  const next: KeyringRecord = { ...held, currentKeyId: record.id, keyIds, version: held.version + 1 };
  return [
    { op: "put", table: DATA_KEYS_TABLE, item: dataKeys.toItem(record), condition: "absent" },
    {
      op: "put",
      table: DATA_KEYS_TABLE,
      item: keyrings.toItem(next),
      condition: keyring === undefined ? "absent" : { version: keyring.version },
    },
  ];
}

/** Moves raw key bytes into a KeyObject and overwrites them. */
export function toSecret(plaintext: Uint8Array): KeyObject {
  invariant(plaintext.length === 32, "a data key has 32 bytes");
  const secret = createSecretKey(plaintext);
  plaintext.fill(0);
  return secret;
}
