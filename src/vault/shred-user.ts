import type { Need, Working } from "#commit/index.ts";
import type { OrganisationId, UserId } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import { DATA_KEYS_TABLE, dataKeys, keyringId, keyrings } from "./data-key-record.ts";
import type { DataKeyId, KeySubject } from "./data-key-record.ts";

/** The destruction of a user's keys, as part of a command. */
export interface Shredding {
  /** To be among the command's needs: the keyring and every wrapped key of the user (at most 91 records). */
  readonly needs: readonly Need[];
  /**
   * To be called by `decide`: overwrites every wrapped key and leaves a tombstone keyring. Says `false`, and does
   * nothing, when the user has got another key since: ask for a new shredding then. Doing it twice changes nothing.
   */
  apply(work: Working): boolean;
  /**
   * To be called once the command is committed: this process forgets the keys at once. Other nodes do within the
   * vault's `checkMs` (five seconds by default).
   */
  forget(): void;
}

/** Prepares the destruction of all keys of a user. Also for a user without any: the tombstone keeps one from being made. */
export async function prepareShredding(
  store: Store,
  organisationId: OrganisationId,
  userId: UserId,
  forget: (subject: KeySubject, ids: readonly DataKeyId[]) => void,
): Promise<Shredding> {
  const subject: KeySubject = { organisationId, userId, purpose: "data-key" };
  const ring = { hash: keyringId(subject) };
  const item = await store.get(DATA_KEYS_TABLE, ring);
  const found = item === undefined ? undefined : keyrings.fromItem(item);
  // Another organisation's user reads like one without keys, and the tombstone below is refused.
  const ids = found?.organisationId === organisationId ? found.keyIds : [];
  return {
    needs: [
      { collection: keyrings, key: ring, mode: "write" },
      ...ids.map((id) => ({ collection: dataKeys, key: { hash: id }, mode: "write" as const })),
    ],
    apply(work) {
      const keyring = work.get(keyrings, ring);
      if (keyring !== undefined && keyring.organisationId !== organisationId) return false;
      if ((keyring?.keyIds ?? []).some((id) => !ids.includes(id))) return false;
      if (keyring?.currentKeyId === null) return true;
      for (const id of ids) {
        const record = work.get(dataKeys, { hash: id });
        if (record === undefined || record.state === "destroyed") continue;
        work.put(dataKeys, { ...record, state: "destroyed", wrapped: null, version: record.version + 1 });
      }
      work.put(keyrings, { ...subject, currentKeyId: null, keyIds: ids, version: (keyring?.version ?? 0) + 1 });
      return true;
    },
    forget: () => forget(subject, ids),
  };
}
