import fastify from "fastify";
import type { FastifySchema, RouteOptions } from "fastify";
import { invariant } from "#kernel/assert.ts";
import { SCOPES } from "#kernel/scopes.ts";
import type { HttpServer, RouteFacts } from "./contract.ts";
import type { ExampledSchema, LookUp } from "./openapi-examples.ts";
import type { OpenApiDocument, UsedComponents } from "./openapi-operation.ts";
import { describeOperation, sharedComponents } from "./openapi-operation.ts";
import type { ToldWebhooks } from "./openapi-webhooks.ts";
import { describeWebhooks } from "./openapi-webhooks.ts";
import { describable } from "./openapi-schema.ts";
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
  tells?: ToldWebhooks;
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

/** Adds what this server sends by itself to the document's `webhooks`. */
export function tellWebhooks(app: HttpServer, tells: ToldWebhooks): void {
  const described = describedBy.get(app);
  invariant(described !== undefined, "this server was not made by createHttpServer");
  described.tells = tells;
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

const ABOUT = `Accounts, an atomic double-entry ledger, and transfers that are scored for fraud before they post.

**Amounts** are JSON integers in minor units (cents for EUR). **Times** are RFC 3339, in answers UTC with milliseconds.

**Errors** are RFC 9457 problems with a stable \`code\`, and \`param\` where one field is at fault. **Unknown fields** and parameters are refused.

**Idempotency.** A POST that creates or moves something requires an \`Idempotency-Key\`: the same key and the same request, byte by
byte, get the same bytes again, refusals included, for 30 days. Operations whose answer shows a secret refuse one (\`idempotency_key_not_taken\`); on all others it
has no effect. Each operation says which: by the header parameter, and by its problem codes.

**Lists** answer \`data\`, \`has_more\` and \`next_cursor\`, newest first; hand \`next_cursor\` in as \`cursor\` for the next page.

**Every answer** carries \`X-Request-Id\`, and for browsers \`Cache-Control: no-store\`, \`X-Content-Type-Options\`,
\`Content-Security-Policy\`, \`X-Frame-Options\` and, over TLS, \`Strict-Transport-Security\`.`;

const ABOUT_KEYS = [
  "An API key. It has scopes, of which each operation needs one (`x-required-scope`); `insufficient_scope` refuses a key without it:",
  "",
  ...Object.entries(SCOPES).map(([scope, meaning]) => `- \`${scope}\`: ${meaning}`),
].join("\n");

const ABOUT_SESSIONS =
  "The session of an operator who has signed in, for browsers. What it may do follows from the operator's roles, in the same scopes. " +
  "Requests that change something have to come from a page of this very origin (`cross_site_request`). Without TLS the cookie is called " +
  "`smartfinance-session`.";

async function render(app: HttpServer, { version, operations, tells }: Described): Promise<string> {
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
        description: ABOUT,
        license: { name: "Apache 2.0", identifier: "Apache-2.0" },
      },
      // Relative: every installation has its own, where the document itself is found.
      servers: [{ url: "/", description: "The server that answers with this document." }],
      components: {
        securitySchemes: {
          apiKey: { type: "apiKey", in: "header", name: "X-API-Key", description: ABOUT_KEYS },
          session: { type: "apiKey", in: "cookie", name: "__Host-smartfinance-session", description: ABOUT_SESSIONS },
        },
      },
    },
    convertConstToEnum: false,
    refResolver: {
      clone: true,
      buildLocalReference: (json, _uri, _fragment, i) => (typeof json.$id === "string" ? json.$id : `Schema${i}`),
    },
  });
  for (const schema of Object.values(app.getSchemas())) shadow.addSchema(describable(schema, true));
  if (app.getSchema("Problem") === undefined) shadow.addSchema(problemSchema);
  for (const { route } of operations.values()) {
    shadow.route({
      method: route.method,
      url: route.url,
      schema: describableRoute(route.schema ?? {}),
      config: { access: "public", scope: null },
      handler: () => undefined,
    });
  }
  await shadow.ready();
  // Through text and back: the generator's objects share parts that are edited below.
  const document = JSON.parse(JSON.stringify(shadow.swagger())) as OpenApiDocument;
  await shadow.close();
  const lookUp: LookUp = (id) => app.getSchema(id) as ExampledSchema | undefined;
  const used: UsedComponents = { headers: new Set(), problems: new Set(), objects: new Set() };
  for (const methods of Object.values(document.paths)) {
    for (const operation of Object.values(methods)) {
      const known = operations.get(operation.operationId);
      if (known === undefined) continue;
      const { body, response } = known.route.schema ?? {};
      describeOperation(operation, known.facts, { body, response, lookUp }, used);
    }
  }
  if (tells !== undefined) document.webhooks = describeWebhooks(tells, lookUp);
  const schemas = document.components.schemas;
  document.components.schemas = Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1)));
  Object.assign(document.components, sharedComponents(used, lookUp));
  return `${JSON.stringify(document, null, 2)}\n`;
}

function describableRoute(schema: FastifySchema): FastifySchema {
  const { body, response, querystring, params, headers, ...rest } = schema;
  const answers = Object.entries(response ?? {}).map(([status, answer]) => [status, describable(answer, true)]);
  return {
    ...rest,
    ...(body === undefined ? {} : { body: describable(body, true) }),
    ...(response === undefined ? {} : { response: Object.fromEntries(answers) as unknown }),
    ...(querystring === undefined ? {} : { querystring: describable(querystring) }),
    ...(params === undefined ? {} : { params: describable(params) }),
    ...(headers === undefined ? {} : { headers: describable(headers) }),
  };
}
