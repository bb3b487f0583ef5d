import { InvariantError } from "#kernel/assert.ts";
import { StoreUnavailableError } from "../port.ts";
import { type Backoff, isMistake, isThrottle } from "./retry.ts";
import type { Reply, Wire } from "./wire.ts";

/** Sends a request that changes nothing and gives its answer. */
export type Reader = <T>(operation: string, body: object) => Promise<T>;

export interface ReaderOptions {
  readonly wire: Wire;
  readonly backoff: Backoff;
  readonly timeoutMs: number;
  /** Tries in all; 1 never repeats. */
  readonly attempts: number;
}

/** A service error that repeating cannot cure, for callers that know the code. */
export class ServiceError extends StoreUnavailableError {
  readonly code: string;
  constructor(code: string, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

/**
 * Reads may be repeated whatever happened to them, so everything but a refusal is retried, boundedly.
 * @throws StoreUnavailableError when the attempts ran out, ServiceError (one of those) for another refusal,
 * InvariantError when the request is malformed.
 */
export function createReader({ wire, backoff, timeoutMs, attempts }: ReaderOptions): Reader {
  return async <T>(operation: string, body: object): Promise<T> => {
    const text = JSON.stringify(body);
    let last: Exclude<Reply, { kind: "ok" }> | undefined;
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (attempt > 0) await backoff(attempt, 10, 500);
      const reply = await wire(operation, text, timeoutMs);
      if (reply.kind === "ok") return reply.body as T;
      if (reply.kind === "error") {
        if (isMistake(reply.code)) throw new InvariantError(`${operation}: ${reply.code}: ${reply.message}`);
        if (!isThrottle(reply.code) && reply.status < 500) throw new ServiceError(reply.code, reply.message);
      }
      last = reply;
    }
    throw new StoreUnavailableError(`${operation} was not answered in ${attempts} attempts`, { cause: causeOf(last) });
  };
}

/** What to hand on as the cause of a failed request. */
export function causeOf(reply: Reply | undefined): unknown {
  if (reply === undefined || reply.kind === "ok") return undefined;
  return reply.kind === "error" ? new ServiceError(reply.code || `HTTP ${reply.status}`, reply.message) : reply.cause;
}
