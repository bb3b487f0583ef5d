import assert from "node:assert/strict";
import type { IncomingHttpHeaders } from "node:http";
import { Agent, request } from "node:http";
import type { AgentOptions } from "node:https";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";
import { connect } from "node:net";
import type { ProblemCode } from "#kernel/problems.ts";
import { problems } from "#kernel/problems.ts";

/** An answer's JSON as tests read it. Nothing here is checked: what is absent shows in the assertion that uses it. */
export interface ApiObject {
  readonly id: string;
  readonly object: string;
  readonly code: string;
  readonly status: string | number;
  readonly balance: number;
  readonly held: number;
  readonly available: number;
  readonly amount: number;
  readonly version: number;
  readonly secret: string;
  readonly review_id: string;
  readonly request_id: string;
  readonly next_cursor: string | null;
  readonly has_more: boolean;
  readonly data: readonly ApiObject[];
  readonly results: readonly ApiObject[];
  readonly [name: string]: unknown;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: ApiObject;
}

export interface CallOptions {
  /** Another key than the client's; `null` sends none. */
  readonly key?: string | null;
  /** A new one where absent, on POST where one is taken; `null` sends none. */
  readonly idempotencyKey?: string | null;
  /** Sent over the ones of the client; `undefined` leaves one out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

export interface Client {
  readonly key: string | undefined;
  get(path: string, options?: CallOptions): Promise<Answer>;
  post(path: string, body?: unknown, options?: CallOptions): Promise<Answer>;
  patch(path: string, body?: unknown, options?: CallOptions): Promise<Answer>;
  /** Sends the body's bytes as they are. */
  send(method: string, path: string, body: string | Buffer | undefined, options?: CallOptions): Promise<Answer>;
  /** A client of the same server with another key. */
  as(key: string): Client;
  close(): void;
}

/** Operations that show a secret once, and refuse an Idempotency-Key. */
const SHOWS_SECRET =
  /^\/v1\/(?:api-keys(?:\/[^/]+\/rotate)?|approvals\/[^/]+\/claim|(?:users|operators)\/[^/]+\/(?:totp|recovery-codes)|webhook-endpoints(?:\/[^/]+\/rotate-secret)?)$/;

let nextKey = 0;
/** An Idempotency-Key that no other call of this process has. */
export function freshKey(): string {
  nextKey += 1;
  return `test-${nextKey}`;
}

/** @param connections the most at once; further calls wait for one. */
export function createClient(url: string, key?: string, connections = 128): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  return clientOver(agent, url, key);
}

/** A client over TLS: whom it trusts, and perhaps its own certificate with key. */
export function createTlsClient(url: string, key: string | undefined, tls: Pick<AgentOptions, "ca" | "cert" | "key">): Client {
  return clientOver(new TlsAgent({ keepAlive: true, maxSockets: 128, ...tls }), url, key);
}

function clientOver(agent: Agent, url: string, key: string | undefined): Client {
  const send: Client["send"] = (method, path, body, options = {}) => {
    const takesKey = method === "POST" && !SHOWS_SECRET.test(path);
    const idempotencyKey = options.idempotencyKey === undefined && takesKey ? freshKey() : options.idempotencyKey;
    const apiKey = options.key === undefined ? key : options.key;
    const headers: Record<string, string | undefined> = {
      ...(body === undefined ? {} : { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) }),
      ...(apiKey === undefined || apiKey === null ? {} : { "x-api-key": apiKey }),
      ...(idempotencyKey === undefined || idempotencyKey === null ? {} : { "idempotency-key": idempotencyKey }),
      ...options.headers,
    };
    const set = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined);
    return new Promise<Answer>((resolve, reject) => {
      const send = agent instanceof TlsAgent ? tlsRequest : request;
      const sent = send(`${url}${path}`, { method, agent, headers: Object.fromEntries(set) }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => {
          chunks.push(chunk);
          // A stream of events has no end: what comes first is its answer.
          if (response.headers["content-type"]?.startsWith("text/event-stream") === true) response.destroy();
        });
        response.on("error", reject);
        response.on("close", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          const json = /json/.test(response.headers["content-type"] ?? "") && text !== "";
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            body: (json ? JSON.parse(text) : {}) as ApiObject,
          });
        });
      });
      sent.on("error", reject);
      sent.end(body);
    });
  };
  const json = (body: unknown): string | undefined => (body === undefined ? undefined : JSON.stringify(body));
  return {
    key,
    send,
    get: (path, options) => send("GET", path, undefined, options),
    post: (path, body, options) => send("POST", path, json(body), options),
    patch: (path, body, options) => send("PATCH", path, json(body), options),
    as: (other) => clientOver(agent, url, other),
    close: () => agent.destroy(),
  };
}

/** Asserts the status of an answer and gives its body. */
export function ok(answer: Answer, status: number): ApiObject {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers["content-type"] ?? "", /^application\/json/);
  return answer.body;
}

/** Asserts that an answer is this problem, complete in all its members. */
export function refused(answer: Answer, code: ProblemCode, param?: string): ApiObject {
  const { body, headers } = answer;
  assert.equal(body.code, code, `${answer.status} ${answer.text}`);
  const { status, title } = problems[code];
  assert.equal(answer.status, status);
  assert.equal(body.status, status);
  assert.equal(body["title"], title);
  assert.equal(body["type"], `urn:smartfinance:problem:${code}`);
  assert.match(headers["content-type"] ?? "", /^application\/problem\+json/);
  assert.match(body.request_id, /^req_/);
  if (headers["idempotent-replayed"] === undefined) assert.equal(body.request_id, headers["x-request-id"]);
  if (param !== undefined) assert.equal(body["param"], param, answer.text);
  return body;
}

/** A connection for what no HTTP client would send. */
export interface RawConnection {
  write(text: string | Buffer): void;
  /** Everything received until the server closed the connection. */
  readonly ended: Promise<string>;
  /** Resolves once the text received so far matches. */
  until(pattern: RegExp): Promise<string>;
  destroy(): void;
}

export function rawConnection(url: string): RawConnection {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const ended = Promise.withResolvers<string>();
  let text = "";
  let look: (() => void)[] = [];
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("utf8");
    for (const check of look) check();
  });
  socket.on("error", () => undefined);
  socket.on("close", () => {
    ended.resolve(text);
    for (const check of look) check();
  });
  return {
    write: (bytes) => void socket.write(bytes),
    ended: ended.promise,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (pattern.test(text)) resolve(text);
          else if (socket.closed) reject(new Error(`closed before ${String(pattern)} came: ${text}`));
          else return;
          look = look.filter((other) => other !== check);
        };
        look.push(check);
        check();
      }),
    destroy: () => socket.destroy(),
  };
}
