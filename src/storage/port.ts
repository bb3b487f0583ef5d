import type { JsonObject } from "#kernel/json.ts";
import type { TableName } from "./tables.ts";

/**
 * An item: a plain JSON object that carries its table's key attributes (strings), the attributes of
 * its indexes where it is to appear in them, and `version` (a positive integer) where it is ever
 * written under a version condition. Numbers are finite; integers are safe integers. No value is
 * `undefined`. Items handed to or received from a store are never mutated by either side.
 */
export type Item = JsonObject;

/** A primary key: the hash attribute's value and, in tables that have one, the range attribute's. */
export interface Key {
  readonly hash: string;
  readonly range?: string;
}

/** A table and a key in it. */
export interface Ref {
  readonly table: TableName;
  readonly key: Key;
}

/**
 * What must hold for a write to happen.
 * - `absent`: no item has this key.
 * - `{ version: n }`: the stored item's `version` attribute is n.
 * - `none`: nothing is asked.
 */
export type Condition = "absent" | "none" | { readonly version: number };

/** One write of a commit. A key may appear once in a commit only. `check` writes nothing. */
export type Write =
  | {
      readonly op: "put";
      readonly table: TableName;
      readonly item: Item;
      /** The item's JSON text where the caller has it already, so that an engine which keeps text need not make it again. */
      readonly text?: string;
      readonly condition: Condition;
    }
  | { readonly op: "delete"; readonly table: TableName; readonly key: Key; readonly condition: Condition }
  | { readonly op: "check"; readonly table: TableName; readonly key: Key; readonly condition: Exclude<Condition, "none"> };

/**
 * How a commit ended.
 * - `committed`: every write happened and is durable.
 * - `conflict`: nothing was written; `writes` are the indexes of writes whose condition failed (at
 *   least one; possibly not all). Also given, with `writes` empty, when the engine refused because of
 *   concurrent transactions and its own bounded retries ran out. `contended`: beside the failed conditions other writes met a
 *   transaction under way, which may be an earlier sending of this very commit, of which a part is to be seen already.
 * - `unavailable`: nothing was written and nothing will be; the engine refuses work (throttled, closed, disk full).
 * - `unknown`: the writes may have happened or may yet happen. The same commit may be sent again:
 *   every commit of ours puts something under `absent`, so it cannot happen twice.
 */
export type CommitResult =
  | { readonly outcome: "committed" }
  | { readonly outcome: "conflict"; readonly writes: readonly number[]; readonly contended?: true }
  | { readonly outcome: "unavailable"; readonly cause: unknown }
  | { readonly outcome: "unknown"; readonly cause: unknown };

/** Reads one hash value of a table or of one of its indexes, in order of the range attribute (bytewise). */
export interface Query {
  readonly table: TableName;
  /** A declared index; the table's primary key where absent. */
  readonly index?: string;
  readonly hash: string;
  /** Inclusive bounds on the range attribute. */
  readonly from?: string;
  readonly to?: string;
  /** Exclusive start: the `cursor` of an earlier page of the same query (same order, same bounds). */
  readonly cursor?: string;
  readonly order: "ascending" | "descending";
  /** 1 to 1,000. */
  readonly limit: number;
}

export interface Page {
  readonly items: readonly Item[];
  /** Present when there may be more: hand it to the next query. Opaque, printable, engine-specific. */
  readonly cursor?: string;
}

/** A position of the feed: opaque, printable. `undefined` is the beginning. */
export type FeedCursor = string;

export interface FeedPage {
  /** Items put into the feed table, in a stable order: the same cursor gives the same items in the same order. */
  readonly items: readonly Item[];
  /** Where the next page begins; equal to the given cursor when nothing is new. */
  readonly cursor: FeedCursor;
}

/** Thrown by reads when the engine cannot answer. Nothing was changed. */
export class StoreUnavailableError extends Error {
  override readonly name = "StoreUnavailableError";
}

/** Thrown by `query` and `feed` for a cursor that no page of theirs gave. */
export class InvalidCursorError extends Error {
  override readonly name = "InvalidCursorError";
}

/**
 * The port that everything is kept behind. Engines: SQLite, DynamoDB, and a memory store that
 * injects faults for the simulation. One conformance suite runs against all of them.
 *
 * Reads by primary key (`get`, `getMany`, `query` without `index`) are strongly consistent: they see
 * every commit that had resolved as committed before they were called. `query` with `index` may lag;
 * money decisions never read an index. `getMany` is not a snapshot across keys: commit conditions
 * are what makes a decision over several items sound.
 */
export interface Store {
  readonly limits: {
    /** The most writes one commit may hold. */
    readonly writesPerCommit: number;
    /** The most bytes all items of one commit may have together, where the engine has such a bound. */
    readonly commitBytes?: number;
    /** The most bytes one item's JSON may have. */
    readonly itemBytes: number;
    /**
     * Commits are applied in the order in which they were handed in, so that one may be handed in on the
     * versions the former will make before those are durable.
     */
    readonly ordered?: boolean;
    /** How many commits are worth having in flight from one process. */
    readonly commitsInFlight: number;
    /** How many independent sub-commands one commit takes at best (batch transfers). */
    readonly batchChunk: number;
  };
  get(table: TableName, key: Key): Promise<Item | undefined>;
  /** The items in the order of `refs` (at most 1,000), `undefined` where there is none. */
  getMany(refs: readonly Ref[]): Promise<readonly (Item | undefined)[]>;
  query(query: Query): Promise<Page>;
  /**
   * All or nothing. When it resolves as committed the data is on disk (or acknowledged by DynamoDB).
   * Breaking the contract (a key twice, too many writes, an item too large, a key attribute missing)
   * throws an InvariantError and writes nothing. It never rejects otherwise.
   */
  commit(writes: readonly Write[]): Promise<CommitResult>;
  /**
   * Committed items of the feed table after `cursor`, none missing, each at least once. Items are
   * never delivered before their commit is durable. An empty page does not wait.
   */
  feed(cursor: FeedCursor | undefined, limit: number): Promise<FeedPage>;
  /** Resolves when the engine answers; throws StoreUnavailableError when it does not. For /readyz. */
  ping(): Promise<void>;
  /** Deletes some items whose time to live has passed (bounded); returns how many. */
  purgeExpired(nowSeconds: number): Promise<number>;
  /** Finishes what is in flight, then releases files and sockets. */
  close(): Promise<void>;
}
