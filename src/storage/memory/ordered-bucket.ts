import { InvalidCursorError } from "../port.ts";
import type { Item, Page, Query } from "../port.ts";

/**
 * Compares two strings by their UTF-8 bytes. JavaScript's own order is by UTF-16 code units, which puts the
 * surrogates of astral letters before U+E000 to U+FFFF; moving the surrogates behind those mends it.
 */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return byteRank(x) - byteRank(y);
  }
  return a.length - b.length;
}

function byteRank(unit: number): number {
  if (unit >= 0xe000) return unit - 0x800;
  return unit >= 0xd800 ? unit + 0x2000 : unit;
}

/** Where an item stands in a bucket: its range attribute, then its primary key where range values repeat. */
export interface Place {
  readonly range: string;
  readonly ref: string;
}

interface Entry extends Place {
  readonly item: Item;
}

const comparePlaces = (a: Place, b: Place): number => compareUtf8(a.range, b.range) || compareUtf8(a.ref, b.ref);

/** The items of one hash value of a table or an index, in the bytewise order of the range attribute. */
export interface OrderedBucket {
  readonly size: number;
  set(place: Place, item: Item): void;
  remove(place: Place): void;
  page(query: Pick<Query, "from" | "to" | "cursor" | "order" | "limit">): Page;
}

export function createOrderedBucket(): OrderedBucket {
  const entries: Entry[] = [];

  /** How many entries stand before the first for which `before` is false. */
  const count = (before: (entry: Entry) => boolean): number => {
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = entries[middle];
      if (entry !== undefined && before(entry)) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const isAt = (index: number, place: Place): boolean => {
    const entry = entries[index];
    return entry !== undefined && entry.ref === place.ref && entry.range === place.range;
  };

  return {
    get size() {
      return entries.length;
    },
    set(place, item) {
      const at = count((entry) => comparePlaces(entry, place) < 0);
      entries.splice(at, isAt(at, place) ? 1 : 0, { range: place.range, ref: place.ref, item });
    },
    remove(place) {
      const at = count((entry) => comparePlaces(entry, place) < 0);
      if (isAt(at, place)) entries.splice(at, 1);
    },
    page({ from, to, cursor, order, limit }) {
      let start = from === undefined ? 0 : count((entry) => compareUtf8(entry.range, from) < 0);
      let end = to === undefined ? entries.length : count((entry) => compareUtf8(entry.range, to) <= 0);
      if (cursor !== undefined) {
        const place = placeOfCursor(cursor);
        if (order === "ascending")
          start = Math.max(
            start,
            count((entry) => comparePlaces(entry, place) <= 0),
          );
        else
          end = Math.min(
            end,
            count((entry) => comparePlaces(entry, place) < 0),
          );
      }
      if (start >= end) return { items: [] };
      const more = end - start > limit;
      const slice =
        order === "ascending"
          ? entries.slice(start, Math.min(end, start + limit))
          : entries.slice(Math.max(start, end - limit), end).reverse();
      const last = slice.at(-1);
      const items = slice.map(({ item }) => item);
      return more && last !== undefined ? { items, cursor: cursorOfPlace(last) } : { items };
    },
  };
}

function cursorOfPlace({ range, ref }: Place): string {
  return Buffer.from(JSON.stringify([range, ref])).toString("base64url");
}

function placeOfCursor(cursor: string): Place {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(cursor, "base64url").toString());
  } catch {
    value = undefined;
  }
  if (!Array.isArray(value) || value.length !== 2 || !value.every((part) => typeof part === "string"))
    throw new InvalidCursorError("the cursor is not one of this query");
  const [range, ref] = value as [string, string];
  return { range, ref };
}
