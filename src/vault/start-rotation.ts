import type { Asked, CommitQueue, Executed, Working } from "#commit/index.ts";
import { refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import { isId } from "#kernel/ids.ts";
import type { Ids } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Store } from "#storage/index.ts";
import { DATA_KEYS_TABLE, dataKeys, keyringId, keyrings, maxKeysOf, mostKeysOf, nextNumber } from "./data-key-record.ts";
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
  const most = reason === "scheduled" ? maxKeysOf(owner) : mostKeysOf(owner);
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
    ],
    appends: 4,
    decide(view, at) {
      const work = workOn(view);
      let cut: number | undefined;
      // Two sweeps at a time would do no harm, but the second one nothing either. A compromise never waits.
      if (reason === "scheduled" && found === undefined) {
        const busy = work.get(rotationPointers, pointer);
        const running = busy?.running ?? noneRunning;
        if (running[target] !== null) return refused(refuse("rotation_running"), requestId);
        cut = Math.max(at, (busy?.cut ?? 0) + 1);
        work.put(rotationPointers, {
          organisationId,
          running: { ...running, [target]: rotationId },
          cut,
          version: (busy?.version ?? 0) + 1,
        });
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
        const refusal = succeed(work, draft.record, found?.id, most);
        if (refusal !== undefined) return refused(refusal, requestId);
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
        ...(cut === undefined ? {} : { cut }),
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
        details: { target, reason, ...(found === undefined ? {} : { key_id: found.id }) },
      });
      return work.outcome(replied(202, presentRotation(rotation, stepsOf(deps.places, rotation))));
    },
  });
  // From now on this process reads anew which key is current, and blocks the compromised one wherever it is held.
  if (executed.ok && executed.reply.status === 202)
    deps.vault.forget(owner, found === undefined || reason === "scheduled" ? [] : [found.id]);
  return executed;
}

/** Makes the draft the current key; `only` says that this is wanted just while that key is the current one. @param most keys its subject may have */
function succeed(work: Working, draft: DataKeyRecord, only: DataKeyId | undefined, most: number): Refusal | undefined {
  const keyring = work.get(keyrings, { hash: keyringId(draft) });
  // Shredded meanwhile: nothing is sealed for this subject any more.
  if (keyring === undefined || keyring.currentKeyId === null) return undefined;
  if (only !== undefined && keyring.currentKeyId !== only) return undefined;
  if (keyring.keyIds.length >= most) return refuse("too_many_keys");
  work.put(dataKeys, { ...draft, number: nextNumber(keyring) });
  work.put(keyrings, { ...keyring, currentKeyId: draft.id, keyIds: [...keyring.keyIds, draft.id], version: keyring.version + 1 });
  return undefined;
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
