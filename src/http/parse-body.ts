import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { FastifyRequest } from "fastify";
import { refuse } from "#kernel/problems.ts";
import { fingerprintOf } from "./idempotency-key.ts";
import { inspectJson } from "./inspect-json.ts";
import { RefusalError } from "./refusal-error.ts";
import type { Traffic } from "./traffic.ts";

type Done = (error: Error | null, body?: unknown) => void;

/** A body over the limit is read and thrown away up to this multiple, so that the client reads the 413 before the reset. */
const DRAIN_FACTOR = 4;

/**
 * Reads and parses a JSON body: at most `limit` bytes, no content coding, UTF-8, I-JSON (`inspectJson`).
 * Completes the request's idempotency fingerprint on the way, because only here are the raw bytes at hand.
 * What is read counts against `traffic.bodies` until the request is answered.
 * Refusals reach the error handler as RefusalError.
 */
export function createBodyParser(
  limit: number,
  traffic: Pick<Traffic, "begin" | "bodies">,
): (request: FastifyRequest, payload: IncomingMessage, done: Done) => void {
  return function parseBody(request, payload, done) {
    const coding = request.raw.headers["content-encoding"];
    if (coding !== undefined && coding !== "identity") {
      done(new RefusalError(refuse("unsupported_media_type", undefined, "Compressed bodies are not accepted.")));
      return;
    }
    if (Number(request.raw.headers["content-length"]) > limit * DRAIN_FACTOR) {
      done(new RefusalError(refuse("body_too_large")));
      return;
    }
    let first: Buffer | undefined;
    let rest: Buffer[] | undefined;
    let received = 0;
    let over = false;
    let ended = false;
    const finish = (error: Error | null, body?: unknown): void => {
      if (ended) return;
      ended = true;
      done(error, body);
    };
    payload.on("data", (chunk: Buffer) => {
      received += chunk.length;
      if (received > limit) {
        over = true;
        first = rest = undefined;
        if (received > limit * DRAIN_FACTOR) finish(new RefusalError(refuse("body_too_large")));
      } else if (ended || !traffic.bodies.hold(request, received)) {
        // Nothing more is kept; what else comes is thrown away.
        first = rest = undefined;
        finish(new RefusalError(refuse("overloaded")));
      } else if (first === undefined) {
        first = chunk;
      } else {
        rest ??= [first];
        rest.push(chunk);
      }
    });
    payload.on("end", () => {
      // Refused before, and maybe answered by now: nobody would count it off again.
      if (ended) return;
      if (over) {
        finish(new RefusalError(refuse("body_too_large")));
        return;
      }
      if (!traffic.begin(request)) {
        finish(new RefusalError(refuse("overloaded")));
        return;
      }
      try {
        finish(null, readBody(request, rest === undefined ? first : Buffer.concat(rest, received)));
      } catch (error) {
        finish(error instanceof Error ? error : new Error("body could not be read", { cause: error }));
      }
    });
    // The client went away or was too slow; there is nobody to read the answer, but the request must end.
    payload.on("error", () => finish(new RefusalError(refuse("request_timeout"))));
  };
}

/** @throws RefusalError */
function readBody(request: FastifyRequest, bytes: Buffer | undefined): unknown {
  const facts = request.facts;
  if (bytes === undefined) {
    // A chunked body may turn out to be none: it is recognised like a request without one.
    complete(request, "");
    return facts?.bodyOptional === true ? {} : undefined;
  }
  if (!isUtf8(bytes)) throw new RefusalError(refuse("invalid_encoding"));
  const refusal = inspectJson(bytes);
  if (refusal !== undefined) throw new RefusalError(refusal);
  const text = bytes.toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message quotes the body, so it is not passed on.
    throw new RefusalError(refuse("invalid_json"));
  }
  if (facts?.acceptsBody === false) refuseFields(value);
  complete(request, text);
  return value;
}

/** Puts the body into what the request is recognised by. */
function complete(request: FastifyRequest, body: string): void {
  const { idempotency } = request;
  if (idempotency !== undefined) request.idempotency = { id: idempotency.id, fingerprint: fingerprintOf(request.raw, body) };
}

/** An operation without a body schema takes no fields; dropping them in silence would hide the client's mistake. */
function refuseFields(value: unknown): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RefusalError(refuse("invalid_request", undefined, "This operation takes no body."));
  }
  const [name] = Object.keys(value);
  if (name !== undefined) {
    throw new RefusalError(refuse("unknown_field", name.slice(0, 256).toWellFormed(), "This operation takes no fields."));
  }
}
