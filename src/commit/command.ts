import type { Actor, EventDraft } from "#audit/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { ProblemCode } from "#kernel/problems.ts";
import type { Collection, Key, Versioned } from "#storage/index.ts";

/** What a client is answered. `body` is JSON text, stored as it is so that a replay has the same bytes. */
export interface Reply {
  readonly status: number;
  readonly body: string;
  /**
   * The id of a stored object that `body` shows, and from which it can be made again at any time as it is now, whatever becomes of the
   * object. Such a reply is kept as a reference, without its body (`ShowReply`).
   */
  readonly shows?: string;
}

/** How a command ended: its reply (perhaps a kept one), or why nothing can be answered. */
export type Executed =
  | { readonly ok: true; readonly reply: Reply; readonly replayed: boolean }
  | { readonly ok: false; readonly code: ProblemCode };

/**
 * A record a command reads. Those with `write` are locked inside the process while a commit is in flight. A record that is read and
 * not put is not guarded against another node's change between load and commit: what must still be true then has to be put.
 */
export interface Need {
  readonly collection: Pick<Collection<never>, "table">;
  readonly key: Key;
  readonly mode: "write" | "read";
}

/** Loaded state as a decision sees it: what was stored, changed by the earlier commands of the same group. */
export interface View {
  /** @throws InvariantError when the command did not name this record among its needs. */
  get<T extends Versioned>(collection: Collection<T>, key: Key): T | undefined;
}

/** A record to be stored. `version` 1 creates it (it must be absent); a higher one replaces version - 1. */
export interface Change<T extends Versioned = Versioned> {
  readonly collection: Collection<T>;
  readonly record: T;
}

/** What a decision comes to. A refusal is an outcome too: a reply without changes and events. */
export interface Outcome {
  readonly reply: Reply;
  readonly changes: readonly Change[];
  readonly events: readonly EventDraft[];
  /** A refusal that speaks of this moment only: nothing of it is kept, so that a repetition under the same Idempotency-Key is decided anew. */
  readonly passing?: true;
}

/** A claim on an Idempotency-Key: `id` is bound to the organisation and the key, `fingerprint` to the request. */
export interface IdempotencyClaim {
  readonly id: string;
  readonly fingerprint: string;
}

/** One change asked for. */
export interface Command {
  readonly actor: Actor;
  readonly idempotency?: IdempotencyClaim | undefined;
  readonly needs: readonly Need[];
  /**
   * The reply shows what is stored sealed elsewhere (a name, metadata), so the reply kept for replays is sealed too.
   */
  readonly privateReply?: boolean;
  /** The same for a command that has its key at hand: nothing is waited for then. Not called for a reply that is kept as a reference. */
  readonly sealReply?: ((body: string) => JsonObject) | undefined;
  /** How many new items the decision adds at most (objects, events, the idempotency record); 3 where absent. */
  readonly appends?: number;
  /**
   * What `appends` comes to of the commands that follow when this one has been answered, as parts of one request. They are weighed with it, so that
   * the request is refused as overloaded before anything of it is done, or not at all.
   */
  readonly followers?: number;
  /**
   * The id of the claim of the part of the same request before this one, whose reply has to be kept by then. For stores that apply commits in
   * order: there a part flies while the one before it does, and may need what that one would have refused otherwise by now.
   */
  readonly after?: string | undefined;
  /** It was weighed with one that came before it, and is not refused as overloaded. */
  readonly follows?: true;
  /**
   * Decides, purely and synchronously: same view and time, same outcome. May be called again on newer
   * state when the commit conflicted, so ids and nonces are drawn before.
   * @param at milliseconds; the time of the decision
   */
  decide(view: View, at: number): Outcome;
}

/** Pairs a collection with a record, keeping the types together. */
export function change<T extends Versioned>(collection: Collection<T>, record: T): Change {
  // The pair is consistent by this signature; the list of changes forgets which T each one has.
  return { collection, record } as unknown as Change;
}
