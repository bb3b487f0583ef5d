import { invariant } from "#kernel/assert.ts";
import type { CommitResult, Item } from "../port.ts";
import { type Attributes, fromAttributes, toAttributes } from "./attributes.ts";
import type { Reader } from "./read.ts";
import { FEED_ORDER_TABLE, feedOrderDefinition } from "./schema.ts";
import type { FeedKey, StreamState } from "./stream.ts";
import type { Transact } from "./transact.ts";
import { conditionText } from "./transact-items.ts";

/** How far the sources of the feed have been taken into its order. */
export interface Sources {
  readonly stream: StreamState;
  /** Where the walk over the whole table stands; absent when there is none to do. */
  readonly walk?: { readonly after: FeedKey | null };
}

/** The end of the order. `version` guards the next append. */
export interface Head {
  readonly version: number;
  /** The position that the next key gets. */
  readonly next: number;
  readonly sources: Sources;
}

/** A stretch of the order: the keys of positions `position`, `position + 1`, … */
export interface Stretch {
  readonly position: number;
  readonly keys: readonly FeedKey[];
}

export interface FeedOrder {
  head(): Promise<Head | undefined>;
  /** Stretches from the one that begins at `position`, until they hold `wanted` keys or the order ends. */
  stretches(position: number, wanted: number): Promise<readonly Stretch[]>;
  /**
   * Puts `keys` at the end and replaces the sources, all or nothing, if the head is still `head`.
   * `conflict` where another reader was quicker.
   */
  append(head: Head | undefined, sources: Sources, keys: readonly FeedKey[]): Promise<CommitResult>;
}

/** One `BatchGetItem` reads the items of a stretch. */
const STRETCH_KEYS = 100;
/** What fits a transaction beside the head. */
export const APPEND_KEYS_MAX = 99 * STRETCH_KEYS;
const POSITION_DIGITS = 16;
const QUERIES_MAX = 100;

const HEAD_LOG = "head";
const ORDER_LOG = "order";
const HEAD_KEY = { log: { S: HEAD_LOG }, position: { S: "head" } };

/** Keeps the order of the feed in the engine's own table. The argument is in feed.ts. */
export function createFeedOrder(read: Reader, transact: Transact, physical: (table: string) => string): FeedOrder {
  const TableName = physical(FEED_ORDER_TABLE);
  const put = (item: Item, condition: "absent" | { readonly version: number }): string => {
    const text = JSON.stringify(toAttributes(item));
    return `{"Put":{"TableName":"${TableName}","Item":${text}${conditionText(feedOrderDefinition, condition)}}}`;
  };
  return {
    async head() {
      const { Item: found }: { Item?: Attributes } = await read("GetItem", { TableName, Key: HEAD_KEY, ConsistentRead: true });
      if (found === undefined) return undefined;
      const { version, next, sources } = fromAttributes(found);
      return { version, next, sources } as unknown as Head;
    },
    async stretches(position, wanted) {
      const stretches: Stretch[] = [];
      let keys = 0;
      let from: Attributes | undefined;
      for (let query = 0; query < QUERIES_MAX && keys < wanted; query++) {
        const answer: { Items?: Attributes[]; LastEvaluatedKey?: Attributes } = await read("Query", {
          TableName,
          ConsistentRead: true,
          KeyConditionExpression: "#l = :l AND #p >= :p",
          ExpressionAttributeNames: { "#l": feedOrderDefinition.hash, "#p": feedOrderDefinition.range },
          ExpressionAttributeValues: { ":l": { S: ORDER_LOG }, ":p": { S: positionText(position) } },
          // A stretch holds at least one key.
          Limit: Math.min(wanted - keys, 100),
          ExclusiveStartKey: from,
        });
        for (const found of answer.Items ?? []) {
          const stretch = toStretch(fromAttributes(found));
          stretches.push(stretch);
          keys += stretch.keys.length;
        }
        from = answer.LastEvaluatedKey;
        if (from === undefined) break;
      }
      return stretches;
    },
    append(head, sources, keys) {
      invariant(keys.length <= APPEND_KEYS_MAX, `${keys.length} keys for the feed's order at once`);
      const start = head?.next ?? 0;
      const version = (head?.version ?? 0) + 1;
      const next = { log: HEAD_LOG, position: "head", version, next: start + keys.length, sources } as unknown as Item;
      const texts = [put(next, head === undefined ? "absent" : { version: head.version })];
      for (let i = 0; i < keys.length; i += STRETCH_KEYS) {
        // Flat, because 100 lists of two would be a third longer.
        const stretch = keys.slice(i, i + STRETCH_KEYS).flat();
        texts.push(put({ log: ORDER_LOG, position: positionText(start + i), keys: stretch }, "absent"));
      }
      return transact(texts);
    },
  };
}

function positionText(position: number): string {
  return String(position).padStart(POSITION_DIGITS, "0");
}

function toStretch(item: Item): Stretch {
  const flat = item["keys"] as readonly string[];
  const keys: FeedKey[] = [];
  for (let i = 0; i < flat.length; i += 2) keys.push([flat[i] ?? "", flat[i + 1] ?? ""]);
  return { position: Number(item["position"]), keys };
}
