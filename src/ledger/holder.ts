import type { UserId } from "#kernel/ids.ts";

/**
 * What a user is to an account. Owners (`owner`, `joint_owner`) own the money, a signatory acts for them, a viewer only looks,
 * and a beneficial owner stands behind a business without acting (Directive 2015/849, article 3(6)).
 */
export const holderRoles = ["owner", "joint_owner", "authorised_signatory", "viewer", "beneficial_owner"] as const;
export type HolderRole = (typeof holderRoles)[number];

/** What a user's status does to the accounts: a `pending` one's move no money at all, a `restricted` one's take some in only. */
export type Restriction = "pending" | "restricted";

/** A user's part in an account. */
export interface Holder {
  readonly userId: UserId;
  readonly role: HolderRole;
  /** Copied from the user's status in the commit that changes it, so that a payment reads the account only. */
  readonly restriction: Restriction | null;
}

/** The most holders of one account: what one commit can check when it is opened. */
export const MAX_HOLDERS = 10;

/** Owns the money, and so has a say in whether the account is kept. */
export const isOwner = (role: HolderRole): boolean => role === "owner" || role === "joint_owner";

/** Those whose own status binds the whole account: money of owners moves, and beneficial owners have to be known before it does. */
const binds = (role: HolderRole): boolean => isOwner(role) || role === "beneficial_owner";

/** Those who may start a payment. Each of them alone: joint signing is not built. */
const acts = (role: HolderRole): boolean => isOwner(role) || role === "authorised_signatory";

/** What is needed of an account to tell who holds it. */
export interface Held {
  /** The first owner, who stays: accounts are found and payments judged by this user. `null` for the organisation's own accounts. */
  readonly userId: UserId | null;
  /** `null`: nobody but the first owner, without a restriction. So a plain account carries nothing more. */
  readonly holders: readonly Holder[] | null;
}

/** Everybody who holds an account, the first owner first. */
export function holdersOf({ userId, holders }: Held): readonly Holder[] {
  return holders ?? (userId === null ? [] : [{ userId, role: "owner", restriction: null }]);
}

/**
 * Whether a user may start a payment from an account: as an owner or a signatory, and not while pending or restricted. That the
 * account itself may pay is for the posting to decide.
 */
export function mayInitiate(account: Held, userId: UserId): boolean {
  return holdersOf(account).some((holder) => holder.userId === userId && acts(holder.role) && holder.restriction === null);
}

/** What the holders' statuses do to the account: the strictest of those that bind it. */
export function restrictionOf({ holders }: Held): Restriction | null {
  // Nearly every account has none, and every payment asks.
  if (holders === null) return null;
  let found: Restriction | null = null;
  for (const { role, restriction } of holders) if (restriction !== null && binds(role) && found !== "pending") found = restriction;
  return found;
}

/** Whether an account is less bound than before by the statuses of its holders. */
export function isFreed(before: Held, after: Held): boolean {
  const [was, is] = [restrictionOf(before), restrictionOf(after)];
  return was !== is && (is === null || was === "pending");
}

/** Holders as they are kept: `null` where they say nothing that the first owner does not. */
export function keptHolders(holders: readonly Holder[]): readonly Holder[] | null {
  const [first] = holders;
  const plain = first === undefined || (holders.length === 1 && first.role === "owner" && first.restriction === null);
  return plain ? null : holders;
}

// A type and not an interface, because only that is known to be JSON.
export type StoredHolder = {
  readonly user_id: UserId;
  readonly role: HolderRole;
  readonly restriction: Restriction | null;
};

export const holdersToItem = (holders: readonly Holder[]): StoredHolder[] =>
  holders.map(({ userId, role, restriction }) => ({ user_id: userId, role, restriction }));

export const holdersFromItem = (stored: readonly StoredHolder[]): Holder[] =>
  stored.map(({ user_id, role, restriction }) => ({ userId: user_id, role, restriction }));
