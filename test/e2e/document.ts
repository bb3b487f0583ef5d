import fastify from "fastify";
import { buildOpenApi } from "#http/index.ts";
import { startApp } from "../support/app.ts";

/** As much of JSON Schema as the document uses and these tests read. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly additionalProperties?: boolean | Schema;
  readonly enum?: readonly unknown[];
}

interface Content {
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

export interface Operation {
  readonly operationId: string;
  readonly method: string;
  /** With `{id}` for its parameters. */
  readonly path: string;
  readonly isPublic: boolean;
  /** Whether it takes sessions of operators and no API keys. */
  readonly isSession: boolean;
  readonly scope: string | undefined;
  readonly isIdempotent: boolean;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[];
  readonly body: Schema | undefined;
  /** Whether the body may be left out. */
  readonly bodyOptional: boolean;
  readonly responses: Readonly<Record<string, Content & { readonly description: string }>>;
}

type Paths = Readonly<
  Record<
    string,
    Readonly<
      Record<
        string,
        {
          readonly operationId: string;
          readonly security: readonly unknown[];
          readonly "x-required-scope"?: string;
          readonly parameters?: Operation["parameters"];
          readonly requestBody?: Content & { readonly required?: boolean };
          readonly responses: Operation["responses"];
        }
      >
    >
  >
>;

export interface ApiDocument {
  readonly operations: readonly Operation[];
  /** What is wrong with a reply by the schema of its operation and status; undefined when nothing is. */
  complaints(operation: Operation, status: number, reply: unknown): unknown;
  /** Whether the document says that the operation answers `status` with this problem. */
  declares(operation: Operation, status: number, code: string): boolean;
}

const DIALECT_KEYWORDS = new Set(["description", "examples"]);

/** Makes every object schema refuse members it does not name: a reply must not carry what nobody documented. */
function strict(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strict);
  if (typeof schema !== "object" || schema === null) return schema;
  const copy: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(schema))
    if (!DIALECT_KEYWORDS.has(name) || typeof value === "object") copy[name] = strict(value);
  if (copy["properties"] !== undefined && copy["additionalProperties"] === undefined) copy["additionalProperties"] = false;
  return copy;
}

/** The document of the product's routes, with validators by the same Ajv that the server has. */
export async function readDocument(): Promise<ApiDocument> {
  const app = await startApp({ store: "memory" });
  const text = await buildOpenApi(app.app.server);
  await app.close();
  const document = JSON.parse(text) as { paths: Paths; components: { schemas: Record<string, unknown> } };
  const operations: Operation[] = [];
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, o] of Object.entries(methods)) {
      const parameters = o.parameters ?? [];
      operations.push({
        operationId: o.operationId,
        method: method.toUpperCase(),
        path,
        isPublic: o.security.length === 0,
        isSession: o.security.every((one) => Object.hasOwn(one as object, "session")) && o.security.length > 0,
        scope: o["x-required-scope"],
        isIdempotent: parameters.some(({ name }) => name === "Idempotency-Key"),
        parameters,
        body: o.requestBody?.content?.["application/json"]?.schema,
        bodyOptional: o.requestBody?.required !== true,
        responses: o.responses,
      });
    }
  }
  const validators = await compile(document.components.schemas, operations);
  return {
    operations,
    complaints(operation, status, reply) {
      const validate = validators.get(`${operation.operationId} ${status}`);
      return validate === undefined ? `status ${status} is not declared` : validate(reply);
    },
    declares: (operation, status, code) => operation.responses[status]?.description.includes(`\`${code}\``) === true,
  };
}

type Validate = (reply: unknown) => unknown;

async function compile(components: Record<string, unknown>, operations: readonly Operation[]): Promise<Map<string, Validate>> {
  const app = fastify({
    ajv: { customOptions: { strict: false, coerceTypes: false, removeAdditional: false, useDefaults: false, allErrors: true } },
  });
  const validators = new Map<string, Validate>();
  const shared = { components: { schemas: strict(components) } };
  // Validators come from a handler: that is where Fastify hands its compiler out.
  app.get("/", (request, reply) => {
    for (const { operationId, responses } of operations) {
      for (const [status, { content }] of Object.entries(responses)) {
        const [media] = Object.values(content ?? {});
        if (media === undefined) continue;
        const validate = request.compileValidationSchema({ ...(strict(media.schema) as object), ...shared });
        validators.set(`${operationId} ${status}`, (value) => (validate(value) === true ? undefined : validate.errors));
      }
    }
    void reply.send("");
  });
  const { statusCode } = await app.inject("/");
  if (statusCode !== 200) throw new Error("the document's schemas do not compile");
  await app.close();
  return validators;
}
