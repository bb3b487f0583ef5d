import type { RuleListId } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import type { ListSnapshot } from "./facts.ts";
import type { RuleRegistry } from "./policy.ts";
import { listShards, RULE_LISTS_TABLE, ruleLists, shardRefs } from "./rule-list.ts";

/** Lists in memory, with the versions they were read at. */
export interface LoadedLists {
  readonly members: ListSnapshot;
  readonly versions: ReadonlyMap<RuleListId, number>;
  /** Entries of all lists together. */
  readonly entries: number;
}

export const NO_LISTS: LoadedLists = { members: new Map(), versions: new Map(), entries: 0 };

/**
 * Reads the lists named. Those whose version is the one of `before` are taken from there. A name without a list is left out,
 * and a rule that asks about it fails, which does not lower the protection.
 */
export async function loadLists(
  store: Store,
  registry: RuleRegistry,
  names: readonly string[],
  before: LoadedLists = NO_LISTS,
): Promise<LoadedLists> {
  const wanted = registry.lists.filter(({ name }) => names.includes(name));
  const heads = await store.getMany(wanted.map(({ id }) => ({ table: RULE_LISTS_TABLE, key: { hash: id } })));
  const members = new Map<string, ReadonlySet<string>>();
  const versions = new Map<RuleListId, number>();
  let entries = 0;
  for (const [index, { name, id }] of wanted.entries()) {
    const head = heads[index];
    // The version is read before the entries: what is added in between is seen now, and read once more the next time.
    const version = head === undefined ? 0 : ruleLists.fromItem(head).version;
    const kept = before.versions.get(id) === version ? before.members.get(name) : undefined;
    const values = kept ?? (await readValues(store, id));
    members.set(name, values);
    versions.set(id, version);
    entries += values.size;
  }
  return { members, versions, entries };
}

async function readValues(store: Store, id: RuleListId): Promise<ReadonlySet<string>> {
  const values = new Set<string>();
  for (const item of await store.getMany(shardRefs(id)))
    if (item !== undefined) for (const { value } of listShards.fromItem(item).entries) values.add(value);
  return values;
}
