/**
 * A bounded cache that forgets roughly what was used longest ago. Two maps: what is used moves to the young
 * one; when that has half of the capacity, it becomes the old one and the former old one is dropped. A hit costs
 * one look-up, where a list in order of use costs a deletion and an insertion.
 */
export interface GenerationalCache<V> {
  get(key: string): V | undefined;
  set(key: string, value: V): void;
  delete(key: string): void;
  clear(): void;
  /** How many entries are held at the moment: never more than the capacity. */
  size(): number;
}

/** A cache of at most `capacity` entries; 0 keeps nothing. */
export function createGenerationalCache<V>(capacity: number): GenerationalCache<V> {
  const half = Math.floor(capacity / 2);
  let young = new Map<string, V>();
  let old = new Map<string, V>();

  const set = (key: string, value: V): void => {
    if (half === 0) return;
    if (young.size >= half && !young.has(key)) {
      old = young;
      young = new Map();
    }
    young.set(key, value);
  };

  return {
    get(key) {
      const recent = young.get(key);
      if (recent !== undefined) return recent;
      const value = old.get(key);
      if (value !== undefined) {
        old.delete(key);
        set(key, value);
      }
      return value;
    },
    set(key, value) {
      // The old map must not keep an entry that would come back when the young one is deleted.
      if (old.size > 0) old.delete(key);
      set(key, value);
    },
    delete(key) {
      young.delete(key);
      old.delete(key);
    },
    clear() {
      young = new Map();
      old = new Map();
    },
    size: () => young.size + old.size,
  };
}
