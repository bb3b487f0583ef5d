import { hash } from "node:crypto";
import { invariant } from "#kernel/assert.ts";
import { toTimestamp } from "#kernel/clock.ts";
import { isId } from "#kernel/ids.ts";
import type { OrganisationId, RuleListId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection, Key, Store, Versioned } from "#storage/index.ts";

export const RULE_LISTS_TABLE = "smartfinance-risk-lists";
export const MAX_LISTS = 20;
export const MAX_ENTRIES = 10_000;
export const MAX_VALUE_LENGTH = 100;
/** Values added or taken out by one call: its shards are one commit. */
export const MAX_VALUES_PER_CALL = 50;
/** How many items the entries of one list are spread over: some 300 entries, 50 KB, in each of a full list. */
export const LIST_SHARDS = 32;
/** Far more than chance brings into one of them, and few enough for an item of any store; only values that were picked for it come to more. */
export const MAX_SHARD_ENTRIES = 1_500;

/** A named list that rules can ask about. Lists are not deleted: a rule set that named one could not be gone back to. */
export interface RuleList extends Versioned {
  readonly id: RuleListId;
  readonly organisationId: OrganisationId;
  readonly name: string;
  readonly description: string | null;
  /** How many entries it has. */
  readonly size: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface ListEntry {
  readonly value: string;
  /** Milliseconds since the epoch. */
  readonly addedAt: number;
  /** The API key. */
  readonly addedBy: string;
}

/** The entries whose values fall into one shard, by value. */
export interface ListShard extends Versioned {
  readonly listId: RuleListId;
  readonly shard: number;
  readonly entries: readonly ListEntry[];
}

export const ruleLists: Collection<RuleList> = {
  table: RULE_LISTS_TABLE,
  keyOf: ({ id }) => ({ hash: id }),
  toItem: (list) => ({
    id: list.id,
    organisation_id: list.organisationId,
    name: list.name,
    description: list.description,
    size: list.size,
    created_at: list.createdAt,
    updated_at: list.updatedAt,
    version: list.version,
  }),
  fromItem(item) {
    invariant(isId("ruleList", item.id), "a stored list is malformed");
    return {
      id: item.id,
      organisationId: item.organisation_id as OrganisationId,
      name: String(item.name),
      description: item.description as string | null,
      size: Number(item.size),
      createdAt: Number(item.created_at),
      updatedAt: Number(item.updated_at),
      version: Number(item.version),
    };
  },
};

export function shardKey(listId: RuleListId, shard: number): Key {
  return { hash: `${listId}#${shard}` };
}

/** Which shard a value is in. */
export function shardOf(value: string): number {
  return (hash("sha256", value, "buffer")[0] ?? 0) % LIST_SHARDS;
}

/** Shards carry no `organisation_id`, which keeps them out of the index of lists. */
export const listShards: Collection<ListShard> = {
  table: RULE_LISTS_TABLE,
  keyOf: ({ listId, shard }) => shardKey(listId, shard),
  toItem: (shard) => ({
    id: shardKey(shard.listId, shard.shard).hash,
    list_id: shard.listId,
    shard: shard.shard,
    entries: shard.entries.map(({ value, addedAt, addedBy }) => [value, addedAt, addedBy]),
    version: shard.version,
  }),
  fromItem: (item) => ({
    listId: item.list_id as RuleListId,
    shard: Number(item.shard),
    entries: (item.entries as unknown as readonly (readonly [string, number, string])[]).map(([value, addedAt, addedBy]) => ({
      value,
      addedAt,
      addedBy,
    })),
    version: Number(item.version),
  }),
};

/** A list of this organisation; another's reads like an unknown one. */
export async function readRuleList(store: Store, organisationId: OrganisationId, id: string): Promise<RuleList | undefined> {
  const item = await store.get(RULE_LISTS_TABLE, { hash: id });
  return item === undefined || item.organisation_id !== organisationId ? undefined : ruleLists.fromItem(item);
}

/** The references of all shards of a list. */
export function shardRefs(listId: RuleListId) {
  return Array.from({ length: LIST_SHARDS }, (_, shard) => ({ table: RULE_LISTS_TABLE, key: shardKey(listId, shard) }) as const);
}

/** A page of a list's entries, shard by shard, by value in each. */
export interface EntryPage {
  readonly entries: readonly ListEntry[];
  /** Where the next page begins: `<shard>:<last value>`. */
  readonly next: string | undefined;
}

const CURSOR = /^(\d{1,2}):([\x21-\x7e]{1,100})$/;

/** Reads a page of entries; `undefined` for a cursor that no page gave. */
export async function readEntries(
  store: Store,
  listId: RuleListId,
  limit: number,
  cursor: string | undefined,
): Promise<EntryPage | undefined> {
  const match = cursor === undefined ? undefined : CURSOR.exec(cursor);
  const from = Number(match?.[1] ?? 0);
  const after = match?.[2];
  // The value of a cursor of ours lies in its shard, which a made-up one's seldom does.
  if (cursor !== undefined && (after === undefined || shardOf(after) !== from)) return undefined;
  const found: ListEntry[] = [];
  for (let shard = from; shard < LIST_SHARDS; shard++) {
    const item = await store.get(RULE_LISTS_TABLE, shardKey(listId, shard));
    const entries = item === undefined ? [] : listShards.fromItem(item).entries;
    for (const entry of entries) {
      if (shard === from && after !== undefined && entry.value <= after) continue;
      if (found.length === limit) return { entries: found, next: cursorOf(found) };
      found.push(entry);
    }
  }
  return { entries: found, next: undefined };
}

function cursorOf(found: readonly ListEntry[]): string | undefined {
  const last = found.at(-1);
  return last === undefined ? undefined : `${shardOf(last.value)}:${last.value}`;
}

export function presentRuleList(list: RuleList): JsonObject {
  return {
    id: list.id,
    object: "risk_list",
    name: list.name,
    description: list.description,
    size: list.size,
    created_at: toTimestamp(list.createdAt),
    updated_at: toTimestamp(list.updatedAt),
    version: list.version,
  };
}

export function presentEntry(entry: ListEntry): JsonObject {
  return { object: "risk_list_entry", value: entry.value, added_by: entry.addedBy, added_at: toTimestamp(entry.addedAt) };
}
