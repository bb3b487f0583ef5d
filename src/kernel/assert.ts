/** Thrown when something that must always hold does not: a bug, never a client's mistake. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/**
 * Asserts an invariant. Refusals a client can cause are returned values, never assertions.
 * @throws InvariantError when `condition` is false.
 */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
