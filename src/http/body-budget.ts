import type { FastifyRequest } from "fastify";
import { callerIdOf } from "./caller-id.ts";

/** Smaller bodies are not counted: the bound on open requests bounds them, and counting is not free. */
export const FREE_BYTES = 16 * 1024;
/** What part of the budget one caller may hold. */
const SHARE = 4;

/** The bytes of large bodies that are held for requests which are not answered yet. */
export interface BodyBudget {
  /** Notes that a request's body has grown to `bytes`. @returns false when that is too much; nothing is noted then. */
  hold(request: FastifyRequest, bytes: number): boolean;
  /** The request has been answered. */
  release(request: FastifyRequest): void;
  readonly held: number;
}

/**
 * Bounds what waiting bodies take. Counted are bytes that have arrived, not those that were announced: who announces much
 * and sends little would otherwise lock out everyone. One caller holds a quarter at most, for the same reason.
 */
export function createBodyBudget(totalBytes: number): BodyBudget {
  const share = totalBytes / SHARE;
  const byKey = new Map<string, number>();
  let held = 0;

  function note(request: FastifyRequest, change: number): void {
    held += change;
    const key = ownerOf(request);
    const next = (byKey.get(key) ?? 0) + change;
    if (next === 0) byKey.delete(key);
    else byKey.set(key, next);
  }

  return {
    hold(request, bytes) {
      if (bytes <= FREE_BYTES) return true;
      const change = bytes - request.heldBytes;
      const key = ownerOf(request);
      if (held + change > totalBytes || (byKey.get(key) ?? 0) + change > share) return false;
      request.heldBytes = bytes;
      note(request, change);
      return true;
    },
    release(request) {
      const bytes = request.heldBytes;
      if (bytes === 0) return;
      request.heldBytes = 0;
      note(request, -bytes);
    },
    get held() {
      return held;
    },
  };
}

function ownerOf({ callerOrNone }: FastifyRequest): string {
  return callerOrNone === undefined ? "" : callerIdOf(callerOrNone.principal);
}
