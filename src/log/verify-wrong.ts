/** Something is wrong. Caught by `verifyStore`, so that the checks read as a list. */
export class Wrong extends Error {
  override readonly name = "Wrong";
  readonly index: number | undefined;
  constructor(what: string, index?: number) {
    super(what);
    this.index = index;
  }
}

/** What `read` gives; whatever it throws says that the thing is malformed. */
export function wellFormed<T>(what: string, index: number | undefined, read: () => T): T {
  try {
    return read();
  } catch {
    throw new Wrong(`${what} is malformed`, index);
  }
}

/** JSON that is no object is no item, whatever the port says of a file that was edited. */
export const isObject = (item: unknown): boolean => typeof item === "object" && item !== null && !Array.isArray(item);
