import type { Need, Working } from "#commit/index.ts";
import type { AuthenticationId, EventId, OrganisationId, UserId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Store } from "#storage/index.ts";
import type { Vault } from "#vault/index.ts";
import type { Approval } from "./approval.ts";
import { challengeOf, fromBase64url, toBase64url } from "./approval.ts";
import type { Authentication } from "./authentication.ts";
import { authentications, readAuthentication, statusAt } from "./authentication.ts";
import { firstDifference } from "./first-difference.ts";
import { openApproval } from "./sealed-approval.ts";

/** An authentication that is shown for something: an order, a payment, a batch. */
export interface ShownAuthentication {
  readonly organisationId: OrganisationId;
  readonly id: AuthenticationId;
  /** What is really to be done. It has to be what was approved, to the character. */
  readonly approval: Approval;
  /** Of the event that tells of its use, or of its end. */
  readonly eventId: EventId;
  /** What was approved, to name what differs. Nothing is decided by it. */
  readonly approved?: Approval | undefined;
}

/**
 * Reads what was approved, so that a refusal can name what differs. What cannot be read or opened is left out: it must not keep from being
 * done what only needs the challenge.
 */
export async function withApproved<Shown extends ShownAuthentication>(
  { store, vault }: { readonly store: Store; readonly vault: Vault },
  shown: Shown,
): Promise<Shown> {
  try {
    const found = await readAuthentication(store, shown.organisationId, shown.id);
    return found === undefined ? shown : { ...shown, approved: await openApproval(vault, found) };
  } catch {
    return shown;
  }
}

/** The record that the decision has to load. */
export function shownNeed({ id }: Pick<ShownAuthentication, "id">): Need {
  return { collection: authentications, key: { hash: id }, mode: "write" };
}

export type Used =
  | {
      readonly ok: true;
      /** Whose authentication it is. */
      readonly userId: UserId;
      /** Notes the one use. To be called once what it was shown for is done, in the same commit. */
      consume(work: Working, usedFor: string): void;
    }
  /** `changed`: the refusal has put an end to the authentication, which has to be committed with it. */
  | { readonly ok: false; readonly refusal: Refusal; readonly changed: boolean };

/**
 * Checks an authentication at its use: succeeded, in time, not used before, and given for exactly this. One that was given for anything
 * else is void from then on (RTS Art 5(1)(d)). Another organisation's, or another person's, is as unknown as one that does not exist.
 * @param mayApprove whose authentication it may be
 * @param at milliseconds
 */
export function useAuthentication(work: Working, shown: ShownAuthentication, mayApprove: (userId: UserId) => boolean, at: number): Used {
  const { organisationId, id, approval, eventId } = shown;
  const stored = work.get(authentications, { hash: id });
  if (stored === undefined || stored.organisationId !== organisationId || !mayApprove(stored.userId))
    return { ok: false, refusal: refuse("not_found", "authentication_id"), changed: false };
  const status = statusAt(stored, at);
  if (status !== "succeeded")
    return { ok: false, refusal: refuse("authentication_not_usable", "authentication_id", `It is ${status}.`), changed: false };
  const challenge = toBase64url(challengeOf(fromBase64url(stored.nonce), stored.userId, approval));
  if (challenge !== stored.challenge) {
    work.put(authentications, { ...stored, status: "invalidated", version: stored.version + 1 });
    work.tell(eventOf(stored, eventId, "authentication.invalidated"));
    return { ok: false, refusal: mismatch(shown), changed: true };
  }
  return {
    ok: true,
    userId: stored.userId,
    consume(working, usedFor) {
      working.put(authentications, { ...stored, status: "consumed", usedFor, version: stored.version + 1 });
      working.tell({ ...eventOf(stored, eventId, "authentication.consumed"), details: { used_for: usedFor } });
    },
  };
}

function mismatch({ approval, approved }: ShownAuthentication): Refusal {
  const differs = approved === undefined ? undefined : firstDifference(approved, approval);
  if (differs === undefined) return refuse("authentication_mismatch", "authentication_id");
  return refuse("authentication_mismatch", differs, "It is not what was approved.");
}

function eventOf(stored: Authentication, id: EventId, type: "authentication.invalidated" | "authentication.consumed") {
  return { id, type, objectId: stored.id, userId: stored.userId };
}
