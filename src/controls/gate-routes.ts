import { isDeepStrictEqual } from "node:util";
import type { FastifyReply, FastifyRequest, RouteOptions } from "fastify";
import { Type } from "typebox";
import type { TSchema } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import { ref, sendExecuted, sendVersioned } from "#http/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { ControlDeps } from "./deps.ts";
import type { ControlledOperation, Payload } from "./operation.ts";
import { askControls, passControls } from "./submit.ts";

/** What is known of the routes that were registered behind the gate. */
export interface Gate {
  /** The schema of an operation's body, for amendments; `undefined` where it takes none. */
  bodySchemaOf(operationId: string): object | undefined;
}

const gates = new WeakMap<object, Gate>();

/** The gate of a server. @throws TypeError when `guardRoutes` was not called for it. */
export function gateOf(app: HttpServer): Gate {
  const gate = gates.get(app);
  if (gate === undefined) throw new TypeError("guardRoutes comes first");
  return gate;
}

/**
 * Puts the controls in front of every route whose operation is controlled: after the guard and the schema, before the room's own
 * handler. One place for all of them, so that no route can forget to ask. To be called before those routes are registered.
 */
export function guardRoutes(app: HttpServer, deps: ControlDeps): void {
  const bodies = new Map<string, object>();
  app.addHook("onRoute", (route: RouteOptions) => {
    const operation = deps.operations.get(route.schema?.operationId ?? "");
    if (operation === undefined) return;
    if (route.schema?.body !== undefined) bodies.set(operation.operationId, route.schema.body as object);
    route.schema = { ...route.schema, response: alsoApproval(route.schema?.response) };
    const title = route.schema.summary ?? operation.operationId;
    route.preHandler = [...[route.preHandler ?? []].flat(), gateFor(deps, operation, title)];
  });
  gates.set(app, { bodySchemaOf: (operationId) => bodies.get(operationId) });
}

function gateFor(deps: ControlDeps, operation: ControlledOperation, title: string) {
  return async function gate(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    const asked = askedBy(request);
    const payload = payloadOf(operation.operationId, request);
    const answer = await askControls(deps, asked, operation, payload, title);
    if (answer !== undefined) return sendExecuted(reply, answer);
    const { factsIn } = operation;
    if (factsIn === undefined) return undefined;
    const { principal } = request.caller;
    const standing = { scopes: principal.scopes, principal };
    return sendVersioned(reply, await passControls(deps, asked, { ...operation, factsIn }, payload, standing));
  };
}

/** Everything of a request that its operation reads. It has passed the route's schemas. */
function payloadOf(operation: string, request: FastifyRequest): Payload {
  const seen = request.headers["if-match"];
  return {
    operation,
    params: { ...(request.params as JsonObject) },
    body: { ...((request.body ?? {}) as JsonObject) },
    if_match: seen ?? null,
  };
}

/** 202 beside what the route answers anyway. */
function alsoApproval(response: unknown): object {
  const answers = (response ?? {}) as Record<string, TSchema>;
  const pending = ref("Approval");
  const other = answers["202"];
  const already = other === undefined || isDeepStrictEqual(other, pending);
  return { ...answers, 202: already ? pending : Type.Union([other, pending]) };
}
