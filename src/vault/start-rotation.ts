import type { Asked, CommitQueue, Executed, Working } from "#commit/index.ts";
import { refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import { isId } from "#kernel/ids.ts";
import type { Ids } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Ref, Store } from "#storage/index.ts";
import { DATA_KEYS_TABLE, dataKeys, keyringId, keyrings, maxKeysOf, nextNumber, SPARE_KEYS } from "./data-key-record.ts";
import type { DataKeyId, DataKeyRecord, Environment, KeyringRecord, KeySubject } from "./data-key-record.ts";
import type { KeyRotation, RotationTarget } from "./key-rotation.ts";
import { firstPass, keyRotations, noneRunning, presentRotation, rotationPointers } from "./key-rotation.ts";
import type { Kms } from "./kms.ts";
import { draftKey } from "./make-data-key.ts";
import type { SealedPlace } from "./sealed-places.ts";
import { stepsOf } from "./sweep-steps.ts";
import type { Vault } from "./vault.ts";

export interface RotationDeps {
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly vault: Vault;
  readonly kms: Kms;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly environment: Environment;
  readonly places: readonly SealedPlace[];
}

export interface RotationBody {
  readonly target?: RotationTarget;
  readonly reason?: "scheduled" | "compromise";
  readonly key_id?: DataKeyId;
}

/**
 * POST /v1/key-rotations. In one commit: the rotation, the new current key where one is due, and, for a compromise, the
 * blocking of the key that was named. Going over the records is the worker's part.
 */
export async function startRotation(deps: RotationDeps, asked: Asked, body: RotationBody): Promise<Executed> {
  const { target = "data_keys", reason = "scheduled", key_id: keyId } = body;
  const { organisationId, requestId } = asked.actor;
  const no = (refusal: Refusal): Executed => refuseAtOnce(refusal, requestId);
  if (reason === "compromise" && (target === "wrapping_keys" || keyId === undefined))
    return no(
      target === "wrapping_keys"
        ? refuse("invalid_request", "reason", "A compromised wrapping key is blocked at the key management service.")
        : refuse("missing_field", "key_id", '"key_id" is required: the data key that is compromised.'),
    );
  if (target === "wrapping_keys" && deps.kms.reEncrypt === undefined)
    return no(refuse("invalid_request", "target", "This key management service cannot wrap anew."));

  const subject: KeySubject = { organisationId, userId: null, purpose: "data-key" };
  const found = keyId === undefined ? undefined : await readKey(deps.store, organisationId, keyId);
  if (keyId !== undefined && found === undefined) return no(refuse("not_found", "key_id", "There is no such data key."));
  if (found?.purpose === "index-key" && target === "data_keys")
    return no(refuse("invalid_request", "key_id", "This key makes search indexes, which cannot be rotated."));

  // The key that gets a successor, and the draft of it; which of the two is stored is decided on the keyring as it is then.
  const owner: KeySubject = found ?? subject;
  const ring = { hash: keyringId(owner) };
  const current = target === "data_keys" ? await currentOf(deps, owner) : undefined;
  const draft = current === undefined ? undefined : await draftKey(deps, owner, nextNumber(current));
  const most = maxKeysOf(owner) + (reason === "compromise" ? SPARE_KEYS : 0);
  const spent =
    reason === "compromise" && current?.currentKeyId === found?.id && current !== undefined && current.keyIds.length >= most
      ? await spentKey(deps, current)
      : undefined;
  const rotationId = deps.ids.next("keyRotation");
  const eventId = deps.ids.next("event");
  const pointer = { hash: organisationId };

  const executed = await deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    needs: [
      { collection: rotationPointers, key: pointer, mode: "write" },
      ...(draft === undefined ? [] : [{ collection: keyrings, key: ring, mode: "write" as const }]),
      ...(found === undefined ? [] : [{ collection: dataKeys, key: { hash: found.id }, mode: "write" as const }]),
      ...(spent === undefined ? [] : [{ collection: dataKeys, key: { hash: spent }, mode: "write" as const }]),
    ],
    appends: 4,
    decide(view, at) {
      const work = workOn(view);
      let givenUp: DataKeyId | undefined;
      // Two sweeps at a time would do no harm, but the second one nothing either. A compromise never waits.
      if (reason === "scheduled" && found === undefined) {
        const busy = work.get(rotationPointers, pointer);
        const running = busy?.running ?? noneRunning;
        if (running[target] !== null) return refused(refuse("rotation_running"), requestId);
        work.put(rotationPointers, { organisationId, running: { ...running, [target]: rotationId }, version: (busy?.version ?? 0) + 1 });
      }
      if (found !== undefined) {
        const record = work.get(dataKeys, { hash: found.id });
        if (record === undefined || record.state === "destroyed")
          return refused(refuse("not_found", "key_id", "There is no such data key."), requestId);
        if (reason === "compromise" && record.state !== "compromised")
          work.put(dataKeys, { ...record, state: "compromised", version: record.version + 1 });
      }
      // A key that was named and is not current any more needs no successor.
      if (draft !== undefined) {
        const succeeded = succeed(work, draft.record, { only: found?.id, most, spent });
        if (!succeeded.ok) return refused(succeeded, requestId);
        givenUp = succeeded.givenUp;
      }
      const rotation: KeyRotation = {
        id: rotationId,
        organisationId,
        target,
        reason,
        keyId: found?.id ?? null,
        status: "running",
        fault: null,
        progress: firstPass(),
        worker: null,
        leasedUntil: 0,
        createdAt: at,
        updatedAt: at,
        completedAt: null,
        version: 1,
      };
      work.put(keyRotations, rotation);
      work.tell({
        id: eventId,
        type: "key_rotation.started",
        objectId: rotationId,
        details: {
          target,
          reason,
          ...(found === undefined ? {} : { key_id: found.id }),
          ...(givenUp === undefined ? {} : { given_up_key_id: givenUp }),
        },
      });
      return work.outcome(replied(202, presentRotation(rotation, stepsOf(deps.places, rotation))));
    },
  });
  // From now on this process reads anew which key is current, and blocks the compromised one wherever it is held.
  if (executed.ok && executed.reply.status === 202)
    deps.vault.forget(owner, found === undefined || reason === "scheduled" ? [] : [found.id]);
  return executed;
}

interface Succession {
  /** Says that a successor is wanted just while this key is the current one. */
  readonly only: DataKeyId | undefined;
  /** How many keys the subject may have. */
  readonly most: number;
  /** The key that makes room where it has as many already. */
  readonly spent: DataKeyId | undefined;
}

/** Makes the draft the current key. */
function succeed(
  work: Working,
  draft: DataKeyRecord,
  { only, most, spent }: Succession,
): Refusal | { readonly ok: true; readonly givenUp?: DataKeyId } {
  const keyring = work.get(keyrings, { hash: keyringId(draft) });
  // Shredded meanwhile: nothing is sealed for this subject any more.
  if (keyring === undefined || keyring.currentKeyId === null) return { ok: true };
  if (only !== undefined && keyring.currentKeyId !== only) return { ok: true };
  const put = ({ keyIds, ...held }: KeyringRecord): void => {
    work.put(dataKeys, { ...draft, number: nextNumber(keyring) });
    work.put(keyrings, { ...held, currentKeyId: draft.id, keyIds: [...keyIds, draft.id], version: keyring.version + 1 });
  };
  if (keyring.keyIds.length < most) {
    put(keyring);
    return { ok: true };
  }
  const record = spent === undefined ? undefined : work.get(dataKeys, { hash: spent });
  const rest = keyring.keyIds.filter((id) => id !== spent);
  if (record?.emptiedAt === undefined || rest.length >= most) return refuse("too_many_keys");
  // It would open nothing any more. Overwritten now, it need not be destroyed with the others, in one commit, when its user is erased.
  work.put(dataKeys, { ...record, wrapped: null, version: record.version + 1 });
  put({ ...keyring, keyIds: rest, givenUp: (keyring.givenUp ?? 0) + 1 });
  return { ok: true, givenUp: record.id };
}

/** How long nothing has been sealed under a key that makes room, ms: longer than any commit is on its way that was sealed under it before. */
const SPENT_MS = 10 * 60_000;
/** Keys read at once. */
const PAGE = 100;

/** Of the compromised keys of a ring that seal nothing any more, the one of which that is so for the longest time. */
async function spentKey({ store, clock }: RotationDeps, keyring: KeyringRecord): Promise<DataKeyId | undefined> {
  let longest: { readonly id: DataKeyId; readonly emptiedAt: number } | undefined;
  for (let at = 0; at < keyring.keyIds.length; at += PAGE) {
    const refs = keyring.keyIds.slice(at, at + PAGE).map((hash): Ref => ({ table: DATA_KEYS_TABLE, key: { hash } }));
    for (const item of await store.getMany(refs)) {
      const { id, state, emptiedAt = Number.POSITIVE_INFINITY } = item === undefined ? {} : dataKeys.fromItem(item);
      if (id === undefined || state !== "compromised" || id === keyring.currentKeyId) continue;
      if (emptiedAt + SPENT_MS <= clock.now() && emptiedAt < (longest?.emptiedAt ?? Number.POSITIVE_INFINITY)) longest = { id, emptiedAt };
    }
  }
  return longest?.id;
}

/** The keyring of the owner; the organisation's first key is made where there is none yet. `undefined` for a shredded user. */
async function currentOf({ store, vault }: RotationDeps, owner: KeySubject): Promise<KeyringRecord | undefined> {
  if (owner.userId === null) await vault.dataKey(owner.organisationId);
  const item = await store.get(DATA_KEYS_TABLE, { hash: keyringId(owner) });
  const keyring = item === undefined ? undefined : keyrings.fromItem(item);
  return keyring === undefined || keyring.currentKeyId === null ? undefined : keyring;
}

async function readKey(store: Store, organisationId: string, id: DataKeyId): Promise<DataKeyRecord | undefined> {
  const item = isId("dataKey", id) ? await store.get(DATA_KEYS_TABLE, { hash: id }) : undefined;
  const record = item === undefined ? undefined : dataKeys.fromItem(item);
  return record === undefined || record.organisationId !== organisationId || record.state === "destroyed" ? undefined : record;
}
