import fastify from "fastify";
import type { RouteOptions } from "fastify";
import { invariant } from "#kernel/assert.ts";
import type { HttpServer, RouteFacts } from "./contract.ts";
import type { OpenApiDocument } from "./openapi-operation.ts";
import { describeOperation } from "./openapi-operation.ts";
import { problemSchema } from "./problem-body.ts";

/** Everything the OpenAPI document is made from, collected while routes are registered. */
export interface Operations {
  /** @throws InvariantError when the operationId is taken. */
  add(route: RouteOptions, facts: RouteFacts): void;
}

interface Operation {
  readonly route: RouteOptions;
  readonly facts: RouteFacts;
}

interface Described {
  readonly version: string;
  readonly operations: Map<string, Operation>;
  text?: Promise<string>;
}

const describedBy = new WeakMap<object, Described>();

/** Starts collecting the operations of a server. */
export function bindOperations(app: HttpServer, version: string): Operations {
  const operations = new Map<string, Operation>();
  describedBy.set(app, { version, operations });
  return {
    add(route, facts) {
      const id = route.schema?.operationId;
      if (id === undefined || route.schema?.hide === true || facts.method === "HEAD") return;
      invariant(!operations.has(id), `operationId ${id} is used twice`);
      operations.set(id, { route, facts });
    },
  };
}

/**
 * The OpenAPI 3.1 document of a server whose routes are all registered: pretty, stable JSON with a final
 * newline, fit for committing. Made once, on first demand, by a second Fastify instance that knows the
 * same schemas but never listens, so that neither start-up nor requests pay for it.
 */
export async function buildOpenApi(app: HttpServer): Promise<string> {
  const described = describedBy.get(app);
  invariant(described !== undefined, "this server was not made by createHttpServer");
  await app.ready();
  described.text ??= render(app, described);
  return described.text;
}

async function render(app: HttpServer, { version, operations }: Described): Promise<string> {
  const { default: swagger } = await import("@fastify/swagger");
  const shadow = fastify({ logger: false, exposeHeadRoutes: false });
  // Nothing is ever validated or serialised here; compiling would only cost time.
  shadow.setValidatorCompiler(() => () => true);
  shadow.setSerializerCompiler(() => () => "");
  await shadow.register(swagger, {
    openapi: {
      openapi: "3.1.1",
      info: {
        title: "SmartFinance API",
        version,
        description:
          "Accounts, an atomic double-entry ledger, and transfers that are scored for fraud before they post. Amounts are JSON " +
          "integers in minor units. Errors are RFC 9457 problems with a stable `code`. A POST that creates or moves something " +
          "takes an `Idempotency-Key`: the same key and request get the same bytes again, for 30 days.",
      },
      components: { securitySchemes: { apiKey: { type: "apiKey", in: "header", name: "X-API-Key" } } },
    },
    convertConstToEnum: false,
    refResolver: {
      clone: true,
      buildLocalReference: (json, _uri, _fragment, i) => (typeof json.$id === "string" ? json.$id : `Schema${i}`),
    },
  });
  for (const schema of Object.values(app.getSchemas())) shadow.addSchema(schema);
  if (app.getSchema("Problem") === undefined) shadow.addSchema(problemSchema);
  for (const { route } of operations.values()) {
    shadow.route({
      method: route.method,
      url: route.url,
      schema: route.schema ?? {},
      config: { access: "public" },
      handler: () => undefined,
    });
  }
  await shadow.ready();
  // Through text and back: the generator's objects share parts that are edited below.
  const document = JSON.parse(JSON.stringify(shadow.swagger())) as OpenApiDocument;
  await shadow.close();
  for (const methods of Object.values(document.paths)) {
    for (const operation of Object.values(methods)) {
      const known = operations.get(operation.operationId);
      if (known !== undefined) describeOperation(operation, known.facts);
    }
  }
  const schemas = document.components.schemas;
  document.components.schemas = Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1)));
  return `${JSON.stringify(document, null, 2)}\n`;
}
