import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import pino from "pino";
import { Type } from "typebox";
import type { Clock } from "#kernel/clock.ts";
import { systemClock } from "#kernel/clock.ts";
import { createIds } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import { systemRandom } from "#kernel/random.ts";
import type { HttpServer, HttpServerOptions, Principal, SecurityEvent } from "./contract.ts";
import { pageSchema, readPage } from "./page-query.ts";
import { sendReply } from "./send.ts";
import { createHttpServer } from "./server.ts";

/** A server for this room's tests, with routes of every kind of guard. */
export interface TestServer {
  readonly app: HttpServer;
  readonly principal: Principal;
  /** What was logged, parsed. */
  readonly lines: readonly Record<string, unknown>[];
  readonly securityEvents: readonly SecurityEvent[];
  /** Lets the handlers of `/v1/slow` answer. */
  readonly release: () => void;
  /** How many requests reach a handler of `/v1/slow`. */
  readonly slow: { waiting: number };
}

export const KEY = "test-key";

export function createTestServer(overrides: Partial<HttpServerOptions> = {}): TestServer {
  const clock: Clock = systemClock;
  const ids = createIds(clock, systemRandom());
  const apiKeyId = ids.next("apiKey");
  const principal: Principal = {
    organisationId: ids.next("organisation"),
    apiKeyId,
    personId: apiKeyId,
    scopes: new Set(["transfers:write", "transactions:read"]),
  };
  const lines: Record<string, unknown>[] = [];
  const securityEvents: SecurityEvent[] = [];
  const logger = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  const app = createHttpServer({
    clock,
    ids,
    logger,
    authenticate: (key) => (key === KEY ? principal : refuse("unauthenticated")),
    takeQuota: () => ({ allowed: true, policy: '"default";q=100;w=60', limit: '"default";r=99;t=60', retryAfterSeconds: 0 }),
    refusesIp: () => undefined,
    trustedProxyHops: 0,
    ready: () => Promise.resolve(),
    version: "0.0.1",
    onSecurityEvent: (event) => void securityEvents.push(event),
    ...overrides,
  });
  const gate = Promise.withResolvers<void>();
  const slow = { waiting: 0 };

  const itemSchema = Type.Object(
    { amount: Type.Integer({ minimum: 1 }), note: Type.Optional(Type.String({ maxLength: 5 })) },
    { additionalProperties: false },
  );
  const echoBody = Type.Object(
    {
      amount: Type.Integer({ minimum: 1, maximum: 9007199254740991 }),
      kind: Type.Optional(Type.String({ enum: ["a", "b"] })),
      items: Type.Optional(Type.Array(itemSchema, { maxItems: 5_000 })),
      choice: Type.Optional(Type.Union([Type.Object({ deep: Type.Object({ n: Type.Integer() }) }), Type.Null()])),
      nested: Type.Optional(Type.Unknown()),
    },
    { additionalProperties: false },
  );
  app.post(
    "/v1/echo",
    { config: { access: "key", scope: "transfers:write" }, schema: { operationId: "echo", body: echoBody } },
    (request) => ({
      got: request.body,
      caller: request.caller,
    }),
  );
  app.post(
    "/v1/payments/:id",
    { config: { access: "key", scope: "transfers:write", idempotent: true }, schema: { operationId: "pay", body: echoBody } },
    (request, reply) => sendReply(reply, { status: 201, body: JSON.stringify(request.idempotency), replayed: request.body.amount === 2 }),
  );
  app.post(
    "/v1/payments/:id/close",
    { config: { access: "key", scope: "transfers:write", idempotent: true, sensitive: true }, schema: { operationId: "close" } },
    (request, reply) => sendReply(reply, { status: 200, body: JSON.stringify(request.idempotency), replayed: false }),
  );
  app.post(
    "/v1/optional",
    {
      config: { access: "key", scope: "transfers:write", bodyOptional: true, idempotent: true },
      schema: { operationId: "optional", body: Type.Object({ reason: Type.Optional(Type.String()) }, { additionalProperties: false }) },
    },
    (request) => ({ got: request.body }),
  );
  app.get(
    "/v1/payments",
    { config: { access: "key", scope: "transactions:read" }, schema: { operationId: "listPayments", querystring: pageSchema } },
    (request) => readPage(request.query),
  );
  app.get(
    "/v1/payments/:id",
    { config: { access: "key", scope: "transactions:read", problems: ["not_found"] }, schema: { operationId: "getPayment" } },
    (request) => ({
      params: request.params,
    }),
  );
  app.get("/v1/public", { config: { access: "public", scope: null }, schema: { operationId: "getPublic" } }, () => ({ ok: true }));
  app.get("/v1/whoami", { config: { access: "public", scope: null }, schema: { operationId: "whoami" } }, (request) => ({
    caller: request.caller,
  }));
  app.get("/v1/slow", { config: { access: "key", scope: "transactions:read" }, schema: { operationId: "slow" } }, async () => {
    slow.waiting += 1;
    await gate.promise;
    return { ok: true };
  });
  return { app, principal, lines, securityEvents, release: gate.resolve, slow };
}

/** Listens on a free port of the loopback interface. */
export async function listen(app: HttpServer): Promise<number> {
  await app.listen({ port: 0, host: "127.0.0.1" });
  return (app.server.address() as AddressInfo).port;
}

/** A raw connection: what it received, and when it ended. */
export interface Wire {
  readonly socket: Socket;
  readonly received: () => string;
  readonly closed: Promise<void>;
  /** Resolves once what was received matches. */
  readonly until: (pattern: RegExp) => Promise<void>;
}

export function dial(port: number): Wire {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const check of waiting) check();
  };
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
    wake();
  });
  // A reset ends a connection too; the tests look at what came before.
  socket.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => {
    socket.on("close", () => {
      resolve();
      wake();
    });
  });
  return {
    socket,
    received: () => text,
    closed,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (!pattern.test(text) && !socket.destroyed) return;
          waiting.delete(check);
          if (pattern.test(text)) resolve();
          else reject(new Error(`connection ended; received: ${text}`));
        };
        waiting.add(check);
        check();
      }),
  };
}
