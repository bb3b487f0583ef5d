import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import { type FeedCursor, type FeedPage, type Item, type Ref, StoreUnavailableError } from "../port.ts";
import { FEED_TABLE, tables } from "../tables.ts";
import type { Attribute, Attributes } from "./attributes.ts";
import { InvalidCursorError } from "../port.ts";
import type { FeedOrder, Head, Sources } from "./feed-order.ts";
import type { Reader } from "./read.ts";
import type { FeedKey } from "./stream.ts";
import { createStreamReader } from "./stream.ts";

/*
 * The feed on DynamoDB: none missing, each at least once, and the same cursor gives the same items in the same order.
 *
 * Neither source that DynamoDB offers keeps that promise alone. A stream forgets after 24 hours and its shards have
 * no order among each other, so a position in it gives other items later. The table forgets nothing, but an item may
 * become visible behind a position by key or by time: an id is older than its commit by an unbounded delay. So the
 * order is made once and written down. The table smartfinance-feed-order holds the keys of the feed's items by
 * position, and one head item that says how far the sources have been taken in. Whoever finds the order read to its
 * end looks at the sources and appends: the new keys and the new head go into one transaction, conditional on the
 * head's version.
 *
 * - Same order for ever: positions are only appended (each stretch is put as absent), readers read positions. Of
 *   readers that append at the same time one wins; the others' transactions fail whole and they read what it wrote.
 * - Nothing before it is durable: streams and consistent scans show committed items only.
 * - Each at least once, while the stream is intact: a shard's records are read in order, and its position advances only
 *   in the transaction that puts their keys into the order. A shard is let go only when it was read to its end (no next
 *   iterator) and the stream lists it no more; its children are taken up from their beginning when it is done. Hence
 *   the records of a shard enter the order exactly once.
 * - At the beginning, and after a gap (unread records may have passed 24 hours, a shard vanished, the stream was enabled
 *   anew): the head is replaced by { walk from the start of the table, no shards, since = now }. An item committed
 *   before that moment is found by the walk, whose pages are consistent reads and whose position is kept in the same
 *   way. An item committed after it is in the stream, which from here on is read from its horizon, at once and beside
 *   the walk, and is in time as long as no shard falls behind by 20 hours; otherwise this paragraph applies again.
 *   What both sources show comes twice: at least once. A table that this process has just created needs no walk.
 * - Being behind is measured by `read_to`, the age of the last record read or of the proof that there was none, never
 *   by the absence of errors: an emptied shard answers like an idle one. A wrong clock can cause a walk too many, and
 *   one that is four hours slow a gap; request signatures refuse service long before that.
 *
 * Order between items of different partitions is not the order of their commits. No reader may rely on it.
 */

export interface Feed {
  read(cursor: FeedCursor | undefined, limit: number): Promise<FeedPage>;
  /** Begins the order of a table created together with its stream at or after `since` (epoch seconds): no walk is needed. */
  begin(since: number): Promise<void>;
}

export interface FeedOptions {
  readonly order: FeedOrder;
  readonly clock: Clock;
  readonly read: Reader;
  readonly readStream: Reader;
  readonly physical: (table: string) => string;
  readonly getMany: (refs: readonly Ref[]) => Promise<readonly (Item | undefined)[]>;
  /** Reads the order as it stands, and takes nothing new into it. */
  readonly frozen?: boolean;
  /** The ARN of the feed table's present stream. */
  readonly streamArn: () => Promise<string>;
}

const PAGE_MAX = 1_000;
const WALK_KEYS = 1_000;
/** Looks at the sources in one call: a gap, a lost race and the reading itself take one each. */
const STEPS_MAX = 4;

interface Position {
  readonly position: number;
  readonly offset: number;
}

export function createFeed(options: FeedOptions): Feed {
  const { order, clock, read, readStream, physical, getMany, streamArn } = options;
  const stepStream = createStreamReader(readStream, clock);
  let extending: Promise<Head | undefined> | undefined;

  /** @returns whether the order was appended to; otherwise the head is to be read anew, which tells what happened. */
  const append = async (head: Head | undefined, sources: Sources, keys: readonly FeedKey[]): Promise<boolean> => {
    const result = await order.append(head, sources, keys);
    if (result.outcome === "unavailable") throw new StoreUnavailableError("the feed's order cannot be written", { cause: result.cause });
    return result.outcome === "committed";
  };

  const restart = async (head: Head | undefined): Promise<void> => {
    const since = Math.floor(clock.now() / 1_000);
    // The stream is named before the walk begins, so nothing falls between the two.
    const arn = await streamArn();
    await append(head, { stream: { arn, since, shards: {} }, walk: { after: null } }, []);
  };

  const walk = async (after: FeedKey | null): Promise<{ keys: FeedKey[]; last: FeedKey | undefined }> => {
    const { hash, range } = tables[FEED_TABLE];
    const answer: { Items?: Attributes[]; LastEvaluatedKey?: Attributes } = await read("Scan", {
      TableName: physical(FEED_TABLE),
      ConsistentRead: true,
      ProjectionExpression: "#h, #r",
      ExpressionAttributeNames: { "#h": hash, "#r": range },
      Limit: WALK_KEYS,
      ...(after === null ? {} : { ExclusiveStartKey: { [hash]: { S: after[0] }, [range]: { S: after[1] } } }),
    });
    const keyOf = (attributes: Attributes): FeedKey => [text(attributes[hash]), text(attributes[range])];
    const last = answer.LastEvaluatedKey;
    return { keys: (answer.Items ?? []).map(keyOf), last: last === undefined ? undefined : keyOf(last) };
  };

  /**
   * Takes what is new in the sources into the order by a bounded number of requests.
   * @returns the head where the sources had nothing new.
   */
  const extend = async (): Promise<Head | undefined> => {
    for (let step = 0; step < STEPS_MAX; step++) {
      const head = await order.head();
      if (head === undefined) {
        await restart(undefined);
        continue;
      }
      const { stream, walk: walking } = head.sources;
      const streamed = await stepStream(stream);
      // A stream that was disabled is there, and silent, for another 24 hours beside the one that was enabled in its place.
      const replaced = streamed.kind === "read" && streamed.ended && (await streamArn()) !== stream.arn;
      if (streamed.kind === "gap" || replaced) {
        await restart(head);
        continue;
      }
      const walked = walking === undefined ? undefined : await walk(walking.after);
      if (!streamed.moved && walked === undefined) return head;
      const keys = new Map([...streamed.keys, ...(walked?.keys ?? [])].map((key) => [key.join("\n"), key]));
      const sources = { stream: streamed.state, ...(walked?.last === undefined ? {} : { walk: { after: walked.last } }) };
      if ((await append(head, sources, [...keys.values()])) && keys.size > 0) return undefined;
    }
    return undefined;
  };

  const find = async ({ position, offset }: Position, limit: number): Promise<{ keys: FeedKey[]; next: Position } | undefined> => {
    const stretches = await order.stretches(position, offset + limit);
    const [first] = stretches;
    if (first === undefined) return undefined;
    if (first.position !== position || offset >= first.keys.length) throw new InvalidCursorError("the cursor is not one of the feed");
    const keys: FeedKey[] = [];
    let next = { position, offset };
    for (const stretch of stretches) {
      const from = stretch === first ? offset : 0;
      const taken = stretch.keys.slice(from, from + limit - keys.length);
      if (taken.length === 0) break;
      keys.push(...taken);
      const end = from + taken.length;
      next = end === stretch.keys.length ? { position: stretch.position + end, offset: 0 } : { position: stretch.position, offset: end };
    }
    return { keys, next };
  };

  return {
    async read(cursor, limit) {
      invariant(Number.isSafeInteger(limit) && limit >= 1, `a feed limit of ${limit}`);
      const at = cursor === undefined ? { position: 0, offset: 0 } : parsePosition(cursor);
      const most = Math.min(limit, PAGE_MAX);
      let found = await find(at, most);
      if (found === undefined) {
        // Readers of one process that wait for news share one look at the sources.
        extending ??= (options.frozen === true ? order.head() : extend()).finally(() => {
          extending = undefined;
        });
        const unmoved = await extending;
        if (unmoved?.next === at.position && at.offset === 0) return { items: [], cursor: cursor ?? positionCursor(at) };
        found = await find(at, most);
      }
      if (found === undefined) {
        const end = (await order.head())?.next ?? 0;
        if (at.position === end && at.offset === 0) return { items: [], cursor: cursor ?? positionCursor(at) };
        // Either another reader has appended meanwhile, or no stretch begins here or ever will.
        found = await find(at, most);
        if (found === undefined) throw new InvalidCursorError("the cursor is not one of the feed");
      }
      const items = await getMany(found.keys.map(([hash, range]) => ({ table: FEED_TABLE, key: { hash, range } })));
      return { items: items.filter((item) => item !== undefined), cursor: positionCursor(found.next) };
    },
    async begin(since) {
      const arn = await streamArn();
      await append(undefined, { stream: { arn, since, shards: {} } }, []);
    },
  };
}

function positionCursor({ position, offset }: Position): FeedCursor {
  return offset === 0 ? String(position) : `${position}.${offset}`;
}

/** @throws InvalidCursorError when the cursor is not of the form this feed gives. */
function parsePosition(cursor: FeedCursor): Position {
  const match = /^(0|[1-9]\d{0,14})(?:\.([1-9]\d?))?$/.exec(cursor);
  if (match === null) throw new InvalidCursorError("the cursor is not one of the feed");
  return { position: Number(match[1]), offset: Number(match[2] ?? 0) };
}

function text(attribute: Attribute | undefined): string {
  return attribute !== undefined && "S" in attribute ? attribute.S : "";
}
