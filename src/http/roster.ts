/** A place in a roster, kept by whoever entered. */
export interface Place<T> {
  value: T | undefined;
  before: Place<T> | undefined;
  after: Place<T> | undefined;
}

/**
 * Objects that come and go by the thousand a second, in the order of their coming. A `Set` would do but for one thing: V8
 * lets every hash table that a Set has outgrown point to the next one. Once one of them has grown old, it keeps all
 * that follow alive until a full collection, and with them whatever was in them: measured, half of everything that
 * was allocated for a request outlived it, and had to be copied twice. A place that is left points to nothing.
 */
export interface Roster<T> {
  readonly size: number;
  enter(value: T): Place<T>;
  /** Leaving twice is the same as once. */
  leave(place: Place<T>): void;
  /** From the one that came first. The present one may leave meanwhile. */
  [Symbol.iterator](): Iterator<T>;
}

/** Creates an empty roster. */
export function createRoster<T>(): Roster<T> {
  let first: Place<T> | undefined;
  let last: Place<T> | undefined;
  let size = 0;
  return {
    get size() {
      return size;
    },
    enter(value) {
      const place: Place<T> = { value, before: last, after: undefined };
      if (last === undefined) first = place;
      else last.after = place;
      last = place;
      size += 1;
      return place;
    },
    leave(place) {
      if (place.value === undefined) return;
      if (place.before === undefined) first = place.after;
      else place.before.after = place.after;
      if (place.after === undefined) last = place.before;
      else place.after.before = place.before;
      place.value = undefined;
      place.before = undefined;
      place.after = undefined;
      size -= 1;
    },
    *[Symbol.iterator]() {
      for (let place = first; place !== undefined; ) {
        const next: Place<T> | undefined = place.after;
        if (place.value !== undefined) yield place.value;
        place = next;
      }
    },
  };
}
