import type { Executed, Reply } from "#commit/index.ts";
import { replied } from "#commit/index.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { OrganisationId, UserId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import type { Vault } from "#vault/index.ts";
import { DataKeyBlockedError, DataKeyNotFoundError } from "#vault/index.ts";
import { countAccounts } from "./accounts-of.ts";
import { BLANK, openProfile } from "./profile.ts";
import type { User } from "./user.ts";
import { readUser } from "./user.ts";

type Readers = { readonly store: Store; readonly vault: Vault };

/** The user without anything personal: as an erased one is shown. */
function blankUser(user: User): JsonObject & { readonly id: UserId } {
  return {
    id: user.id,
    object: "user",
    type: user.type,
    status: user.status,
    status_reason: user.statusReason,
    ...BLANK,
    account_count: countAccounts(user),
    version: user.version,
    created_at: toTimestamp(user.createdAt),
    updated_at: toTimestamp(user.updatedAt),
    closed_at: user.closedAt === null ? null : toTimestamp(user.closedAt),
    erased_at: user.erasedAt === null ? null : toTimestamp(user.erasedAt),
  };
}

/**
 * A reply as a decision gives it and as it is kept for replays: what is shown, without anything personal, and the sealed
 * profile as it was then. The kept reply is so sealed under the user's own key, and erasing the user erases it too. What is
 * shown later is this very text with the profile's values in their places, so a replay has the same bytes.
 */
interface KeptReply {
  readonly shown: ReturnType<typeof blankUser>;
  readonly profile: JsonObject | null;
}

/** The reply of a decision about a user; `showReply` makes of it what the client gets. */
export function keptReply(status: number, user: User): Reply {
  const kept: KeptReply = { shown: blankUser(user), profile: user.profile };
  return replied(status, { ...kept });
}

async function filled(vault: Vault, organisationId: OrganisationId, { shown, profile }: KeptReply): Promise<JsonObject> {
  return profile === null ? shown : { ...shown, ...(await openProfile(vault, organisationId, shown.id, profile)) };
}

/**
 * What the client is answered: the kept reply with the profile opened; a refusal as it is. The replay of a reply whose user
 * has been erased since is refused as `user_erased`, also on nodes that still have the destroyed key in memory. Where the profile
 * cannot be opened now it is `outcome_unknown`: asking again, or reading the user, tells.
 */
export async function showReply(deps: Readers, organisationId: OrganisationId, executed: Executed): Promise<Executed> {
  if (!executed.ok || executed.reply.status >= 400) return executed;
  try {
    return await opened(deps, organisationId, executed);
  } catch (error) {
    // It is done: to say that the store or a key cannot be had would be to say that nothing was.
    if (error instanceof StoreUnavailableError) return { ok: false, code: "outcome_unknown" };
    throw error;
  }
}

async function opened(deps: Readers, organisationId: OrganisationId, executed: Executed & { readonly ok: true }): Promise<Executed> {
  const kept = JSON.parse(executed.reply.body) as KeptReply;
  if (executed.replayed && (await isErased(deps.store, organisationId, kept.shown.id))) return { ok: false, code: "user_erased" };
  try {
    return { ...executed, reply: replied(executed.reply.status, await filled(deps.vault, organisationId, kept)) };
  } catch (error) {
    // Erased between the commit, or the look at the record, and now.
    if (mayBeErased(error) && (await isErased(deps.store, organisationId, kept.shown.id))) return { ok: false, code: "user_erased" };
    throw error;
  }
}

/** The key is gone, or was taken out of this process's memory between the look-up and the opening. */
const mayBeErased = (error: unknown): boolean => error instanceof DataKeyNotFoundError || error instanceof DataKeyBlockedError;

async function isErased(store: Store, organisationId: OrganisationId, id: UserId): Promise<boolean> {
  const user = await readUser(store, organisationId, id);
  return user !== undefined && user.erasedAt !== null;
}

/** The user as the API shows it; an erased one without anything personal, also when it was erased since `user` was read. */
export async function presentUser({ store, vault }: Readers, user: User): Promise<JsonObject> {
  const { organisationId } = user;
  try {
    return await filled(vault, organisationId, { shown: blankUser(user), profile: user.profile });
  } catch (error) {
    if (!mayBeErased(error)) throw error;
    const now = await readUser(store, organisationId, user.id);
    if (now === undefined || now.erasedAt === null) throw error;
    return blankUser(now);
  }
}
