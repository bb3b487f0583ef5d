import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "pino";
import { refuse } from "#kernel/problems.ts";
import type { BodyBudget } from "./body-budget.ts";
import { createBodyBudget } from "./body-budget.ts";
import { bornAt } from "./connections.ts";
import type { HttpLimits } from "./limits.ts";
import type { Place } from "./roster.ts";
import { createRoster } from "./roster.ts";
import { sendRefusal } from "./send.ts";

const REPLY = Symbol("reply");
const PLACE = Symbol("place");
type Tracked = ServerResponse & { [REPLY]?: FastifyReply; [PLACE]?: Place<ServerResponse> };

const CLIENT_REQUEST_ID = /^[\w.:-]{1,64}$/;
/** pino's number for the level "info". */
const INFO = 30;

/** The requests being answered, and the one log line each of them leaves. */
export interface Traffic {
  /**
   * Counts a request until its answer is out or its client is gone. @returns false when an answer before it on its connection is the last
   * one there: nobody would be told what was done, so nothing may be (RFC 9112 section 9.6)
   */
  enter(request: FastifyRequest, reply: FastifyReply): boolean;
  /** This answer is the last of its connection: nothing that comes behind its request is done. */
  endsConnection(reply: FastifyReply): void;
  /** An answer that is written for as long as its client listens is counted, timed and waited for no more. */
  detach(reply: FastifyReply): void;
  /**
   * Whether a request may be looked at, judged by its head. Asked once a request.
   * @param arrived whether it has no body to come
   */
  admit(request: FastifyRequest, arrived: boolean): boolean;
  /**
   * A request has arrived completely and is worked on from now on. Until then it does not count: whoever sends slowly would
   * otherwise lock out everyone. @returns false when there are too many
   */
  begin(request: FastifyRequest): boolean;
  readonly bodies: BodyBudget;
  readonly stopping: boolean;
  /** From now on every answer closes its connection. `drained` is called once, as soon as nothing is open. */
  stop(drained: () => void): void;
  /** Ends what took too long. To be called every `connectionsCheckMs`. */
  sweep(): void;
}

export function createTraffic(logger: Logger, limits: HttpLimits): Traffic {
  /** Answers still being made. */
  const open = createRoster<ServerResponse>();
  const bodies = createBodyBudget(limits.openBodyBytes);
  /** Requests that were answered before they had arrived, and until when the rest is waited for. */
  const lingering = new Map<IncomingMessage, number>();
  /** How many have arrived and are worked on. */
  let working = 0;
  /** The turn of the event loop that is reading sockets now: when its first request came, and how many were admitted in it. */
  let inTurn = false;
  let turnAt = 0;
  let admitted = 0;
  let stopping = false;
  /** Connections whose last answer is known. */
  const closing = new WeakSet<Socket>();
  let onDrained: (() => void) | undefined;

  function endTurn(): void {
    inTurn = false;
  }

  function work(request: FastifyRequest): void {
    if (request.isWorkedOn) return;
    request.isWorkedOn = true;
    working += 1;
  }

  function rest(request: FastifyRequest): void {
    if (!request.isWorkedOn) return;
    request.isWorkedOn = false;
    working -= 1;
  }

  function close(response: ServerResponse): void {
    closing.add(response.req.socket);
    response.shouldKeepAlive = false;
  }

  function away(response: Tracked): void {
    const place = response[PLACE];
    if (place !== undefined) open.leave(place);
  }

  // One function for all requests: the response carries its request, so no closure is made for each.
  function leave(this: Tracked): void {
    away(this);
    const request = this[REPLY]?.request;
    if (request !== undefined) {
      rest(request);
      bodies.release(request);
      const { raw } = request;
      if (raw.complete === false && !raw.socket.destroyed) lingering.set(raw, performance.now() + limits.lingerMs);
      if (logger.levelVal <= INFO) logAccess(logger, request, this);
    }
    if (onDrained !== undefined && open.size === 0) {
      const drained = onDrained;
      onDrained = undefined;
      drained();
    }
  }

  /** Answers in the place of a handler that does not, and cuts off a client that does not take its answer. */
  function expire(response: Tracked, age: number): void {
    const reply = response[REPLY];
    if (reply === undefined || response.headersSent) {
      if (age > 2 * limits.deadlineMs) response.destroy();
      return;
    }
    const { method } = reply.request.raw;
    const reads = method === "GET" || method === "HEAD";
    logger.warn({ request_id: reply.request.id, route: reply.request.facts?.pattern }, "a request was not answered in time");
    // A change may still happen, so its answer must not be one of those that say nothing was done.
    sendRefusal(reply, refuse(reads ? "overloaded" : "outcome_unknown"));
  }

  return {
    bodies,
    admit(request, arrived) {
      if (working >= limits.openRequests) return false;
      // Above capacity requests wait in the sockets, where nobody can count them. A turn that is long already says that they do.
      if (admitted >= limits.turnRequests && request.startedAt - turnAt >= limits.turnMs) return false;
      admitted += 1;
      if (arrived) work(request);
      return true;
    },
    begin(request) {
      if (working >= limits.openRequests) return false;
      work(request);
      return true;
    },
    get stopping() {
      return stopping;
    },
    enter(request, reply) {
      const response: Tracked = reply.raw;
      const now = performance.now();
      request.startedAt = now;
      // Also here: where the router refuses a URL, Fastify makes a request without what requests are decorated with, and
      // bytes given back by one that has no number would leave no number.
      request.isWorkedOn = false;
      request.heldBytes = 0;
      if (!inTurn) {
        inTurn = true;
        turnAt = now;
        admitted = 0;
        // Runs when all sockets that were ready have been read.
        setImmediate(endTurn);
      }
      response[REPLY] = reply;
      response[PLACE] = open.enter(response);
      // "close" comes after "finish" and also when the client goes away, which "finish" does not.
      response.on("close", leave);
      const { socket } = request.raw;
      if (closing.has(socket)) return false;
      if (stopping || now - bornAt(socket, now) > limits.connectionAgeMs) close(response);
      return true;
    },
    endsConnection(reply) {
      close(reply.raw);
    },
    detach(reply) {
      rest(reply.request);
      away(reply.raw);
      if (onDrained !== undefined && open.size === 0) {
        const drained = onDrained;
        onDrained = undefined;
        drained();
      }
    },
    stop(drained) {
      stopping = true;
      // Of those that came one behind the other on one connection only the last closes it: the others would take its answer with them.
      const last = new Map<Socket, ServerResponse>();
      for (const response of open) last.set(response.req.socket, response);
      for (const response of last.values()) close(response);
      if (open.size === 0) drained();
      else onDrained = drained;
    },
    sweep() {
      const now = performance.now();
      for (const [raw, until] of lingering) {
        if (raw.complete || raw.socket.destroyed) lingering.delete(raw);
        else if (until <= now) {
          lingering.delete(raw);
          raw.socket.destroy();
        }
      }
      // In the order of their coming, so the first young one ends it.
      for (const response of open as Iterable<Tracked>) {
        const age = now - (response[REPLY]?.request.startedAt ?? now);
        if (age <= limits.deadlineMs) break;
        expire(response, age);
      }
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
      api_key_id: caller?.principal.apiKeyId ?? undefined,
      operator_id: caller?.principal.operatorId,
      client_request_id: typeof given === "string" && CLIENT_REQUEST_ID.test(given) ? given : undefined,
      aborted: response.writableEnded ? undefined : true,
    },
    "request",
  );
}
