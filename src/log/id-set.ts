/** A set of ids that may have more members than a `Set` can hold (2^24). */
export interface IdSet {
  add(id: string): void;
  has(id: string): boolean;
}

/** The last character of an id is random, so these are about equally full. */
export function createIdSet(): IdSet {
  const sets = new Map<string, Set<string>>();
  return {
    add(id) {
      const last = id.slice(-1);
      const set = sets.get(last);
      if (set === undefined) sets.set(last, new Set([id]));
      else set.add(id);
    },
    has: (id) => sets.get(id.slice(-1))?.has(id) === true,
  };
}
