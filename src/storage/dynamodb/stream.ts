import type { Clock } from "#kernel/clock.ts";
import { FEED_TABLE, tables } from "../tables.ts";
import type { Attribute, Attributes } from "./attributes.ts";
import { type Reader, ServiceError } from "./read.ts";

/** Hash and range of an item of the feed table. */
export type FeedKey = readonly [partition: string, eventId: string];

/** How far one shard has been read. */
export interface ShardState {
  /** The last record read; null at the beginning. */
  readonly sequence: string | null;
  /** Epoch seconds up to which every record of the shard is known to have been read. */
  readonly read_to: number;
  /** Read to its end, which it has. Kept until the stream no longer lists it. */
  readonly done: boolean;
}

export interface StreamState {
  readonly arn: string;
  /** Epoch seconds from which on the stream has to supply every item; older ones come from a walk, if any. */
  readonly since: number;
  readonly shards: Readonly<Record<string, ShardState>>;
}

/**
 * What a bounded look at the stream gave. `moved`: the new state is worth keeping.
 * `ended`: the stream was disabled and has been read to its end: nothing will ever come of it, though it is there for another day.
 * `gap`: records may be gone unread, or the stream is gone, so the whole table has to be walked again.
 */
export type StreamStep =
  | {
      readonly kind: "read";
      readonly keys: readonly FeedKey[];
      readonly state: StreamState;
      readonly moved: boolean;
      readonly ended: boolean;
    }
  | { readonly kind: "gap"; readonly reason: string };

interface Listed {
  readonly ShardId: string;
  readonly ParentShardId?: string;
}

interface StreamRecord {
  readonly eventName?: string;
  readonly dynamodb: { readonly Keys: Attributes; readonly SequenceNumber: string; readonly ApproximateCreationDateTime?: number };
}

interface Listing {
  readonly shards: ReadonlyMap<string, Listed>;
  /** No shard will be added: the stream takes no records any more. */
  readonly disabled: boolean;
}

interface Description {
  readonly StreamStatus?: string;
  readonly Shards?: readonly Listed[];
  readonly LastEvaluatedShardId?: string;
}

interface Records {
  readonly Records?: readonly StreamRecord[];
  readonly NextShardIterator?: string;
}

/** A stream keeps records for 24 hours. Behind by more than this, none may be taken to be still there. */
const BEHIND_MAX_S = 20 * 3_600;
/** A progress in time alone is written down this often. */
const SAVE_S = 600;
const LISTING_S = 10;
/** Requests and keys of one step. */
const CALLS_MAX = 8;
const KEYS_MAX = 4_000;
const SHARD_PAGES_MAX = 100;
/**
 * An empty answer does not prove that a shard has been read up to now ("it might take multiple calls to get to a
 * portion of the shard that contains stream records"); this many in a row are taken for it.
 */
const EMPTY_READS = 16;

interface Iterator {
  readonly sequence: string | null;
  readonly text: string;
  readonly emptyReads: number;
}

/** Reads a DynamoDB stream from a given state, parents before children. What it remembers itself only saves requests. */
export function createStreamReader(read: Reader, clock: Clock): (state: StreamState) => Promise<StreamStep> {
  const iterators = new Map<string, Iterator>();
  let listing: (Listing & { readonly arn: string; readonly at: number }) | undefined;
  let turn = 0;

  const list = async (arn: string, at: number): Promise<Listing> => {
    const shards = new Map<string, Listed>();
    let disabled = false;
    let from: string | undefined;
    for (let page = 0; page < SHARD_PAGES_MAX; page++) {
      const { StreamDescription: stream }: { StreamDescription: Description } = await read("DescribeStream", {
        StreamArn: arn,
        ExclusiveStartShardId: from,
      });
      disabled = stream.StreamStatus === "DISABLED";
      for (const shard of stream.Shards ?? []) shards.set(shard.ShardId, shard);
      from = stream.LastEvaluatedShardId;
      if (from === undefined) break;
    }
    listing = { arn, at, shards, disabled };
    return listing;
  };

  const iteratorAt = async (arn: string, ShardId: string, sequence: string | null): Promise<Iterator> => {
    const ask = async (more: object): Promise<Iterator> => {
      const { ShardIterator }: { ShardIterator: string } = await read("GetShardIterator", { StreamArn: arn, ShardId, ...more });
      return { sequence, text: ShardIterator, emptyReads: 0 };
    };
    if (sequence === null) return ask({ ShardIteratorType: "TRIM_HORIZON" });
    try {
      return await ask({ ShardIteratorType: "AFTER_SEQUENCE_NUMBER", SequenceNumber: sequence });
    } catch (error) {
      // The record last read is gone, those after it are not: `read_to` is recent enough.
      if (!isCode(error, "TrimmedDataAccessException")) throw error;
      return ask({ ShardIteratorType: "TRIM_HORIZON" });
    }
  };

  const readShard = async (arn: string, id: string, sequence: string | null): Promise<{ records: Records; used: Iterator }> => {
    let used = iterators.get(id);
    if (used === undefined || used.sequence !== sequence) used = await iteratorAt(arn, id, sequence);
    try {
      return { records: await read<Records>("GetRecords", { ShardIterator: used.text }), used };
    } catch (error) {
      // Iterators live for 15 minutes, and the horizon moves on while they wait.
      if (!isCode(error, "ExpiredIteratorException") && !isCode(error, "TrimmedDataAccessException")) throw error;
      used = await iteratorAt(arn, id, sequence);
      return { records: await read<Records>("GetRecords", { ShardIterator: used.text }), used };
    }
  };

  const step = async (state: StreamState): Promise<StreamStep> => {
    const { arn, since } = state;
    const now = clock.now() / 1_000;
    const shards: Record<string, ShardState> = { ...state.shards };
    const known = Object.keys(shards);
    const fresh = listing !== undefined && listing.arn === arn && now - listing.at < LISTING_S;
    const useable = fresh && known.every((id) => listing?.shards.has(id)) && known.some((id) => shards[id]?.done === false);
    const { shards: listed, disabled } = useable && listing !== undefined ? listing : await list(arn, now);

    let moved = adopt(shards, listed, since);
    const open = Object.keys(shards)
      .filter((id) => shards[id]?.done === false)
      .toSorted();
    for (const id of open) {
      const shard = shards[id];
      if (!listed.has(id)) return { kind: "gap", reason: `shard ${id} is gone unread` };
      if (shard !== undefined && now - shard.read_to > BEHIND_MAX_S) return { kind: "gap", reason: `shard ${id} was read too long ago` };
    }
    for (const id of iterators.keys()) if (!open.includes(id)) iterators.delete(id);

    const keys: FeedKey[] = [];
    let calls = 0;
    const first = turn++;
    for (let i = 0; i < open.length; i++) {
      // Every step begins with another shard, so that a busy one does not starve the rest.
      const id = open[(first + i) % open.length] ?? "";
      while (calls < CALLS_MAX && keys.length < KEYS_MAX) {
        calls += 1;
        const shard = shards[id];
        if (shard === undefined) break;
        const { records, used } = await readShard(arn, id, shard.sequence);
        const { next, found, empty } = afterReading(shard, records, used, now);
        keys.push(...found);
        shards[id] = next;
        if (next.done || !empty || next.read_to - (state.shards[id]?.read_to ?? 0) >= SAVE_S) moved = true;
        if (next.done) {
          iterators.delete(id);
          listing = undefined;
          break;
        }
        const emptyReads = empty ? used.emptyReads + 1 : 0;
        iterators.set(id, { sequence: next.sequence, text: records.NextShardIterator ?? "", emptyReads });
        if (empty) break;
      }
    }
    return { kind: "read", keys, state: { arn, since, shards }, moved, ended: disabled && open.length === 0 };
  };

  return async (state) => {
    try {
      return await step(state);
    } catch (error) {
      listing = undefined;
      iterators.clear();
      // The stream was disabled, or enabled anew under another ARN.
      if (isCode(error, "ResourceNotFoundException")) return { kind: "gap", reason: "the stream is gone" };
      throw error;
    }
  };
}

/**
 * Takes listed shards whose parents have been read to the end (or are no longer listed) into the state, and lets
 * go of finished ones that are no longer listed. A child inherits how far its parent was read: what it holds came later.
 */
function adopt(shards: Record<string, ShardState>, listed: ReadonlyMap<string, Listed>, since: number): boolean {
  let changed = false;
  const before = { ...shards };
  for (const { ShardId, ParentShardId } of listed.values()) {
    if (before[ShardId] !== undefined) continue;
    const parent = ParentShardId === undefined ? undefined : before[ParentShardId];
    const waiting = parent === undefined ? ParentShardId !== undefined && listed.has(ParentShardId) : !parent.done;
    if (waiting) continue;
    shards[ShardId] = { sequence: null, read_to: parent?.read_to ?? since, done: false };
    changed = true;
  }
  for (const [id, shard] of Object.entries(before)) {
    if (!shard.done || listed.has(id)) continue;
    delete shards[id];
    changed = true;
  }
  return changed;
}

function afterReading(shard: ShardState, records: Records, used: Iterator, now: number) {
  const all = records.Records ?? [];
  const after = shard.sequence === null ? undefined : BigInt(shard.sequence);
  // Only an iterator set back to the horizon shows records again.
  const unread = after === undefined ? all : all.filter(({ dynamodb }) => BigInt(dynamodb.SequenceNumber) > after);
  const found = unread.flatMap(({ eventName, dynamodb }) => (eventName === "REMOVE" ? [] : [keyOf(dynamodb.Keys)]));
  const last = unread.at(-1)?.dynamodb;
  const empty = all.length === 0;
  const proven = empty && used.emptyReads + 1 >= EMPTY_READS ? now : (last?.ApproximateCreationDateTime ?? 0);
  const next: ShardState = {
    sequence: last?.SequenceNumber ?? shard.sequence,
    read_to: Math.max(shard.read_to, Math.floor(proven)),
    done: records.NextShardIterator === undefined || records.NextShardIterator === null,
  };
  return { next, found, empty };
}

function keyOf(keys: Attributes): FeedKey {
  const { hash, range } = tables[FEED_TABLE];
  const text = (attribute: Attribute | undefined): string => (attribute !== undefined && "S" in attribute ? attribute.S : "");
  return [text(keys[hash]), text(keys[range])];
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof ServiceError && error.code === code;
}
