import type { EventType } from "#audit/index.ts";
import { invariant } from "#kernel/assert.ts";
import { canonicalJson } from "#kernel/canonical-json.ts";
import type { JsonObject, JsonValue } from "#kernel/json.ts";
import type { Collection, Item, Versioned } from "#storage/index.ts";
import type { VerifiedStore } from "./stored-rows.ts";
import { createIdSet } from "./id-set.ts";
import type { Companion } from "./verify-companions.ts";
import { companionAt } from "./verify-companions.ts";
import { isObject, wellFormed, Wrong } from "./verify-wrong.ts";

/** A collection of which the audit log is told; see `Told`. */
export type ToldCollection = Collection<Versioned> & {
  readonly told: NonNullable<Collection<Versioned>["told"]>;
  /** What else lies in its table. Any further row there is one that somebody has added. */
  readonly companions?: readonly Companion[];
};

/** A collection for the list that a verifier is given. */
export function toldCollection<T extends Versioned>(collection: Collection<T>, companions: readonly Companion[] = []): ToldCollection {
  invariant(collection.told !== undefined, `the audit log is not told of ${collection.table}`);
  // The collection only ever gets records that it made itself.
  return { ...(collection as unknown as ToldCollection), companions };
}

/** What the events say of the objects on which money and access depend, against what is stored. */
export interface StateFold {
  /** @param sealed whether the event is in the log: what is not is believed less */
  add(event: Item, sealed: boolean): Promise<void>;
  /** Throws `Wrong`, which names the first object of which something else is stored than its events say. */
  compare(): Promise<void>;
  /** Objects of before events told of them, of which nothing or not everything could be held against anything. */
  readonly untold: number;
}

/** The last that events have said of one fact. */
interface Said {
  readonly value: JsonValue;
  readonly version: number;
}

interface Known {
  readonly of: ToldCollection;
  readonly organisationId: string;
  readonly facts: Map<string, Said>;
}

const READS = 500;

/**
 * Adds up what the events say of each object. Every fact counts with the version of the object that set it, so the order in which a
 * store tells the events of several nodes does not matter.
 */
export function createStateFold(store: VerifiedStore, collections: readonly ToldCollection[]): StateFold {
  const known = new Map<string, Known>();
  /** Objects that their first event has described completely. They are looked at at once, because there are as many as payments. */
  const plain = createIdSet();
  /** Of what else companions belong to: type and object of the events that speak of it. */
  const spoken = new Set<string>();
  const speaking = new Set(collections.flatMap(({ companions = [] }) => companions.flatMap(({ toldBy }) => toldBy ?? [])));
  let waiting: { readonly id: string; readonly organisationId: string; readonly of: ToldCollection; readonly facts: JsonObject }[] = [];
  let old = false;
  let untold = 0;
  /** Found on the way, and told in the end: what is wrong with the log itself comes first. */
  let found: Wrong | undefined;

  const ofId = (id: string): ToldCollection | undefined => collections.find(({ told }) => id.startsWith(told.prefix));

  const say = (of: ToldCollection, id: string, organisationId: string, version: number, set: JsonObject): void => {
    let object = known.get(id);
    if (object === undefined) known.set(id, (object = { of, organisationId, facts: new Map() }));
    for (const [name, value] of Object.entries(set)) {
      const before = object.facts.get(name);
      if (before === undefined || before.version < version) object.facts.set(name, { value: value ?? null, version });
    }
  };

  /** Looks at what is stored of new, plain objects. What has changed since is compared in the end, when all of it has been told. */
  const look = async (): Promise<void> => {
    const some = waiting;
    waiting = [];
    if (some.length === 0) return;
    const items = await store.getMany(
      some.map(({ of, organisationId, id }) => ({ table: of.table, key: of.told.keyOf(organisationId, id) })),
    );
    for (const [n, { id, organisationId, of, facts }] of some.entries()) {
      const item = items[n];
      if (isObject(item) && item?.version === 1 && !known.has(id)) {
        plain.add(id);
        try {
          hold(id, facts, factsIn(of, id, item));
        } catch (error) {
          if (!(error instanceof Wrong)) throw error;
          found ??= error;
        }
      } else say(of, id, organisationId, 1, facts);
    }
  };

  const comparePage = async (page: readonly (readonly [string, Known])[]): Promise<void> => {
    const items = await store.getMany(
      page.map(([id, { of, organisationId }]) => ({ table: of.table, key: of.told.keyOf(organisationId, id) })),
    );
    for (const [n, [id, { of, facts }]] of page.entries()) {
      const item = items[n];
      if (item === undefined) throw new Wrong(`${id} is gone, of which events speak`);
      const stored = factsIn(of, id, item);
      const said: Record<string, JsonValue> = {};
      let last = 0;
      for (const [name, { value, version }] of facts) {
        said[name] = value;
        last = Math.max(last, version);
      }
      // A change of before events told of them: it may be the reason why something else is stored.
      if (old && (Number(item.version) > last || facts.get("organisation_id") === undefined)) untold += 1;
      else hold(id, said, stored);
    }
  };

  const isKnown = (id: string): boolean => known.has(id) || plain.has(id);

  const checkCompanions = async (of: ToldCollection, page: readonly (readonly [Companion, Item])[]): Promise<void> => {
    const owners = await store.getMany(page.map(([one, item]) => ({ table: of.table, key: of.told.keyOf("", one.ownerOf(item)) })));
    for (const [n, [one, item]] of page.entries()) {
      const owner = one.ownerOf(item);
      if (!(one.toldBy === undefined ? isKnown(owner) : spoken.has(`${one.toldBy} ${owner}`))) {
        if (!old) throw new Wrong(`${String(item.id)} is stored, and no event speaks of what it belongs to`);
        untold += 1;
      } else if (one.agrees?.(item, owners[n] ?? {}) === false) throw new Wrong(`${String(item.id)} is not of ${owner}, as it says`);
    }
  };

  const checkRows = async (of: ToldCollection): Promise<void> => {
    if (store.rows === undefined) return;
    let beside: (readonly [Companion, Item])[] = [];
    for await (const { hash, range, item } of store.rows(of.table)) {
      if (!isObject(item)) throw new Wrong(`what is kept as ${range ?? hash} in ${of.table} cannot be read`);
      const { id, organisation_id } = item as Item;
      const companion = range === undefined ? companionAt(of.companions ?? [], hash, item as Item) : undefined;
      if (companion !== undefined) {
        beside.push([companion, item as Item]);
        if (beside.length < READS) continue;
        await checkCompanions(of, beside);
        beside = [];
        continue;
      }
      const key = of.told.keyOf(String(organisation_id), String(id));
      if (key.hash !== hash || key.range !== range)
        throw new Wrong(`${String(id)} is kept under the key of ${range === undefined ? hash : `${range} in ${hash}`}`);
      if (isKnown(String(id))) continue;
      if (!old) throw new Wrong(`${String(id)} is stored, and no event speaks of it`);
      untold += 1;
    }
    await checkCompanions(of, beside);
  };

  return {
    async add(event, sealed) {
      const { changes, object_id, organisation_id, event_type, version } = event;
      const id = String(object_id);
      const of = ofId(id);
      const organisationId = String(organisation_id);
      if (speaking.has(event_type as EventType) && id === organisationId) spoken.add(`${String(event_type)} ${id}`);
      if (sealed && version === undefined && of !== undefined && String(event_type).endsWith(".created")) old = true;
      // A later event of the object says what has become of it, not how it began.
      const first = (version === undefined || version === 1) && !speaksOf(changes, id);
      const facts = first ? of?.told.implied?.of(event) : undefined;
      if (of !== undefined && facts !== undefined) {
        waiting.push({ id, organisationId, of, facts });
        if (waiting.length === READS) await look();
      }
      if (!Array.isArray(changes)) return;
      for (const change of changes as readonly JsonObject[]) {
        const other = String(change.object_id);
        const table = ofId(other);
        if (table === undefined) continue;
        if (!isObject(change.set) || typeof change.version !== "number")
          throw new Wrong(`what ${String(event.event_id)} says of ${other} is malformed`);
        say(table, other, organisationId, change.version, change.set as JsonObject);
      }
    },
    async compare() {
      await look();
      if (found !== undefined) throw found;
      let page: (readonly [string, Known])[] = [];
      for (const entry of known) {
        page.push(entry);
        if (page.length < READS) continue;
        await comparePage(page);
        page = [];
      }
      await comparePage(page);
      for (const of of collections) await checkRows(of);
    },
    get untold() {
      return untold;
    },
  };
}

const speaksOf = (changes: JsonValue | undefined, id: string): boolean =>
  Array.isArray(changes) && (changes as readonly JsonObject[]).some(({ object_id }) => object_id === id);

function factsIn(of: ToldCollection, id: string, item: Item): JsonObject {
  const facts = wellFormed(`${id} in ${of.table}`, undefined, () => of.told.facts(of.fromItem(item)));
  if (item.id !== id) throw new Wrong(`${String(item.id)} is kept under the key of ${id}`);
  return facts;
}

/** @throws Wrong for the first fact that differs; null and absent are the same */
function hold(id: string, said: JsonObject, stored: JsonObject): void {
  for (const name of new Set([...Object.keys(said), ...Object.keys(stored)])) {
    if (stored[name] === said[name]) continue;
    // Canonical, because events keep the members of what is nested in another order than records do.
    const [is, ought] = [canonicalJson(stored[name] ?? null), canonicalJson(said[name] ?? null)];
    if (is !== ought) throw new Wrong(`${id} has the ${name} ${is}, its events say ${ought}`);
  }
}
