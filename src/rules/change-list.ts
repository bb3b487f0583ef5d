import { personOf } from "#audit/index.ts";
import type { Asked, Executed } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { RuleListId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import type { RulesDeps } from "./deps.ts";
import { emptyRegistry, registries, registryKey } from "./policy.ts";
import type { ListEntry, RuleList } from "./rule-list.ts";
import { listShards, MAX_ENTRIES, MAX_LISTS, MAX_SHARD_ENTRIES, presentRuleList, ruleLists, shardKey, shardOf } from "./rule-list.ts";

/** POST /v1/risk/lists */
export async function createRuleList(
  deps: RulesDeps,
  asked: Asked,
  body: { readonly name: string; readonly description?: string | null },
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const id = deps.ids.next("ruleList");
  const eventId = deps.ids.next("event");
  const registry = registryKey(organisationId);
  return deps.queue.execute({
    ...asked,
    needs: [{ collection: registries, key: registry, mode: "write" }],
    decide(view, at) {
      const work = workOn(view);
      const before = work.get(registries, registry) ?? emptyRegistry(organisationId);
      if (before.lists.some(({ name }) => name === body.name)) return refused(refuse("list_name_taken", "name"), requestId);
      if (before.lists.length >= MAX_LISTS) return refused(refuse("limit_reached", undefined, `At most ${MAX_LISTS} lists.`), requestId);
      const list: RuleList = {
        id,
        organisationId,
        name: body.name,
        description: body.description ?? null,
        size: 0,
        createdAt: at,
        updatedAt: at,
        version: 1,
      };
      work.put(registries, { ...before, lists: [...before.lists, { name: body.name, id }], version: before.version + 1 });
      work.put(ruleLists, list);
      work.tell({ id: eventId, type: "risk_list.created", objectId: id, details: { name: list.name } });
      return work.outcome(replied(201, presentRuleList(list)));
    },
  });
}

/** POST /v1/risk/lists/{id}/entries: what is there already stays as it is. */
export function addEntries(deps: RulesDeps, asked: Asked, id: RuleListId, values: readonly string[]): Promise<Executed> {
  return changeEntries(deps, asked, id, values, "risk_list.entries_added", (entries, wanted, added) => {
    const known = new Set(entries.map(({ value }) => value));
    const fresh = wanted.filter((value) => !known.has(value));
    return [...entries, ...fresh.map((value) => ({ value, ...added }))].sort((a, b) => (a.value < b.value ? -1 : 1));
  });
}

/** POST /v1/risk/lists/{id}/entries/remove: what is not there is passed over. */
export function removeEntries(deps: RulesDeps, asked: Asked, id: RuleListId, values: readonly string[]): Promise<Executed> {
  return changeEntries(deps, asked, id, values, "risk_list.entries_removed", (entries, unwanted) =>
    entries.filter(({ value }) => !unwanted.includes(value)),
  );
}

type Edit = (entries: readonly ListEntry[], values: readonly string[], added: Omit<ListEntry, "value">) => readonly ListEntry[];

async function changeEntries(
  deps: RulesDeps,
  asked: Asked,
  id: RuleListId,
  values: readonly string[],
  type: "risk_list.entries_added" | "risk_list.entries_removed",
  edit: Edit,
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const person = personOf(asked.actor);
  invariant(person !== null, "a list is filled by somebody");
  const eventId = deps.ids.next("event");
  const key = { hash: id };
  const byShard = new Map<number, string[]>();
  for (const value of new Set(values)) byShard.set(shardOf(value), [...(byShard.get(shardOf(value)) ?? []), value]);
  const executed = await deps.queue.execute({
    ...asked,
    needs: [
      { collection: ruleLists, key, mode: "write" },
      ...[...byShard.keys()].map((shard) => ({ collection: listShards, key: shardKey(id, shard), mode: "write" as const })),
    ],
    decide(view, at) {
      const work = workOn(view);
      const list = work.get(ruleLists, key);
      if (list === undefined || list.organisationId !== organisationId) return refused(refuse("not_found"), requestId);
      let difference = 0;
      const changed: string[] = [];
      for (const [shard, inShard] of byShard) {
        const before = work.get(listShards, shardKey(id, shard));
        const entries = edit(before?.entries ?? [], inShard, { addedAt: at, addedBy: person });
        const gained = entries.length - (before?.entries.length ?? 0);
        if (gained === 0) continue;
        if (gained > 0 && entries.length > MAX_SHARD_ENTRIES)
          return refused(
            refuse("limit_reached", "values", "Too many values of this list are hashed to one place; leave some of them out."),
            requestId,
          );
        difference += gained;
        const was = new Set(before?.entries.map(({ value }) => value));
        changed.push(...inShard.filter((value) => was.has(value) !== gained > 0));
        work.put(listShards, { listId: id, shard, entries, version: (before?.version ?? 0) + 1 });
      }
      if (list.size + difference > MAX_ENTRIES)
        return refused(
          refuse("limit_reached", "values", `A list has at most ${MAX_ENTRIES} entries; this one has ${list.size}.`),
          requestId,
        );
      const after: RuleList = { ...list, size: list.size + difference, updatedAt: Math.max(at, list.updatedAt), version: list.version + 1 };
      work.put(ruleLists, after);
      work.tell({ id: eventId, type, objectId: id, details: { name: list.name, size: after.size, values: changed.sort() } });
      return work.outcome(replied(200, presentRuleList(after)));
    },
  });
  deps.forget(organisationId);
  return executed;
}
