import type { ServerResponse } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "pino";

const REQUEST = Symbol("request");
type Tracked = ServerResponse & { [REQUEST]?: FastifyRequest };

const CLIENT_REQUEST_ID = /^[\w.:-]{1,64}$/;
/** pino's number for the level "info". */
const INFO = 30;

/** The requests being answered, and the one log line each of them leaves. */
export interface Traffic {
  /** Counts a request until its answer is out or its client is gone. */
  enter(request: FastifyRequest, reply: FastifyReply): void;
  /** Answers still being made. */
  readonly open: ReadonlySet<ServerResponse>;
  readonly stopping: boolean;
  /** From now on every answer closes its connection. `drained` is called once, as soon as nothing is open. */
  stop(drained: () => void): void;
}

export function createTraffic(logger: Logger): Traffic {
  const open = new Set<ServerResponse>();
  let stopping = false;
  let onDrained: (() => void) | undefined;

  // One function for all requests: the response carries its request, so no closure is made for each.
  function leave(this: Tracked): void {
    open.delete(this);
    const request = this[REQUEST];
    if (request !== undefined && logger.levelVal <= INFO) logAccess(logger, request, this);
    if (onDrained !== undefined && open.size === 0) {
      const drained = onDrained;
      onDrained = undefined;
      drained();
    }
  }

  return {
    open,
    get stopping() {
      return stopping;
    },
    enter(request, reply) {
      const response: Tracked = reply.raw;
      request.startedAt = performance.now();
      response[REQUEST] = request;
      open.add(response);
      // "close" comes after "finish" and also when the client goes away, which "finish" does not.
      response.on("close", leave);
      if (stopping) response.shouldKeepAlive = false;
    },
    stop(drained) {
      stopping = true;
      for (const response of open) response.shouldKeepAlive = false;
      if (open.size === 0) drained();
      else onDrained = drained;
    },
  };
}

/** Never the URL, query, headers, body or address: only the pattern, the outcome and the ids of the caller. */
function logAccess(logger: Logger, request: FastifyRequest, response: ServerResponse): void {
  const caller = request.callerOrNone;
  const given = request.raw.headers["x-request-id"];
  logger.info(
    {
      request_id: request.id,
      method: request.raw.method,
      route: request.facts?.pattern,
      status: response.statusCode,
      duration_ms: Math.round((performance.now() - request.startedAt) * 1000) / 1000,
      organisation_id: caller?.principal.organisationId,
      api_key_id: caller?.principal.apiKeyId,
      client_request_id: typeof given === "string" && CLIENT_REQUEST_ID.test(given) ? given : undefined,
      aborted: response.writableEnded ? undefined : true,
    },
    "request",
  );
}
