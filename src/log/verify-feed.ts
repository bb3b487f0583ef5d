import { checksumOf } from "#audit/index.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import { partitionOf } from "#kernel/ids.ts";
import type { FeedPage, Item, Store } from "#storage/index.ts";
import { findEvent } from "./find.ts";
import { entryOf, hasStoredMembers } from "./leaf.ts";
import type { LogState, SealedEntry } from "./rows.ts";
import { isSame, isSealedAs } from "./same-event.ts";
import type { VerifiedStore } from "./stored-rows.ts";
import { mayRepeat } from "./stored-rows.ts";
import { isObject, wellFormed, Wrong } from "./verify-wrong.ts";

const PAGE = 1_000;

/** Every event that the store tells, in its order. */
export async function* feedOf(store: Store): AsyncGenerator<Item, undefined> {
  let cursor: string | undefined;
  let place = 0;
  for (let limit = PAGE; ; ) {
    let page: FeedPage;
    try {
      page = await store.feed(cursor, limit);
    } catch (error) {
      // One row that is no JSON any more spoils its page: the rows before it are read one by one.
      if (!(error instanceof SyntaxError)) throw error;
      if (limit === 1) throw new Wrong("the event there cannot be read", place);
      limit = 1;
      continue;
    }
    if (page.items.length === 0) return undefined;
    for (const item of page.items) {
      if (!isObject(item)) throw new Wrong("the event there cannot be read", place);
      // What it is found by, and called by wherever something is wrong with it.
      if (typeof item.event_id !== "string" || typeof item.partition !== "string") throw new Wrong("the event there has no key", place);
      yield item;
      place += 1;
    }
    cursor = page.cursor;
  }
}

/** Holds an event against its leaf. */
export function checkEvent(item: Item, sealed: SealedEntry, index: number): void {
  const { event_id, organisation_id, partition } = item;
  if (organisation_id !== sealed.organisationId || partition !== partitionOf(sealed.organisationId as OrganisationId, sealed.eventId))
    throw new Wrong(`event ${String(event_id)} is not the organisation's that the log says`, index);
  checkMembers(item, index);
  if (!wellFormed(`the leaf of ${String(event_id)}`, index, () => entryOf(item, sealed.opening)).equals(sealed.entry))
    throw new Wrong(`event ${String(event_id)} is not what its leaf says`, index);
}

/** That an event has the members of an event and no others, and its checksum. */
export function checkMembers(item: Item, index: number, which = ""): void {
  const name = `event ${String(item.event_id)}${which}`;
  if (item.checksum !== wellFormed(name, index, () => checksumOf(item))) throw new Wrong(`${name} does not have its checksum`, index);
  if (!hasStoredMembers(item)) throw new Wrong(`${name} has other members than events have`, index);
}

/** An event told again has to be the sealed one, and no file tells one again. */
export function checkRepeat(store: VerifiedStore, item: Item, where: SealedEntry & { readonly index: number }, at: number): void {
  if (mayRepeat(store) && isSealedAs(item, where)) return;
  throw new Wrong(`event ${where.eventId}, which is leaf ${where.index}, is there a second time`, at);
}

/** What the API finds by the event's key has to be what the feed tells. */
export async function checkShown(store: Store, item: Item, index: number): Promise<void> {
  const key = { hash: String(item.partition), range: String(item.event_id) };
  const shown: unknown = await store.get("smartfinance-audit-logs", key).catch(() => undefined);
  if (shown === undefined) throw new Wrong(`event ${String(item.event_id)} is not found by its key`, index);
  if (!isObject(shown) || !isSame(shown as Item, item))
    throw new Wrong(`another event is found by the key of ${String(item.event_id)}`, index);
}

/** What the feed has behind the log: only what the sealing has not come to yet. */
export async function checkTail(
  store: VerifiedStore,
  state: LogState,
  take: () => Promise<Item | undefined>,
  add: (item: Item) => Promise<void>,
): Promise<number> {
  const rest: Item[] = [];
  for (let item = await take(); item !== undefined; item = await take()) {
    const again = await findEvent(store, String(item.event_id), state.size).catch(() => undefined);
    if (again !== undefined) checkRepeat(store, item, again, state.size);
    else rest.push(item);
  }
  const waiting = new Set<string>();
  let cursor = state.cursor;
  for (;;) {
    const page = await store.feed(cursor, PAGE);
    if (page.items.length === 0) break;
    for (const { event_id } of page.items) waiting.add(String(event_id));
    cursor = page.cursor;
  }
  const counted = new Set<string>();
  for (const item of rest) {
    const id = String(item.event_id);
    if (!waiting.has(id)) throw new Wrong(`event ${id} was inserted behind the last sealed one`, state.size);
    if (counted.has(id)) {
      if (!mayRepeat(store)) throw new Wrong(`event ${id}, not sealed yet, is there a second time`, state.size);
      continue;
    }
    const index = state.size + counted.size;
    checkMembers(item, index, ", not sealed yet,");
    await checkShown(store, item, index);
    counted.add(id);
    await add(item);
  }
  return counted.size;
}

/** Why the event at this place of the feed is not the one that the log has there. */
export async function explain(store: Store, size: number, index: number, sealed: SealedEntry, found: Item | undefined): Promise<Wrong> {
  const { eventId, organisationId } = sealed;
  const key = { hash: partitionOf(organisationId as OrganisationId, eventId), range: eventId };
  const stored: unknown = await store.get("smartfinance-audit-logs", key).catch(() => undefined);
  if (!isObject(stored) || (stored as Item).event_id !== eventId) return new Wrong(`event ${eventId} was deleted`, index);
  if (found === undefined) return new Wrong(`event ${eventId} is not where it was`, index);
  const other = String(found.event_id);
  const elsewhere = await findEvent(store, other, size).catch(() => undefined);
  return elsewhere === undefined
    ? new Wrong(`event ${other} was inserted before ${eventId}`, index)
    : new Wrong(`event ${other} stands where ${eventId} was: events were put in another order`, index);
}
