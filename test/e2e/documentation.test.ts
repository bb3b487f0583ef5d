import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import fastify from "fastify";
import { buildOpenApi } from "#http/index.ts";
import type { Organisation, TestApp } from "../support/app.ts";
import { startApp } from "../support/app.ts";
import type { Answer } from "../support/http-client.ts";
import { freshKey } from "../support/http-client.ts";
import type { Landmarks } from "./operation-cases.ts";
import { recordingSender } from "./operation-cases/factors.ts";
import { makeLandmarks, operationCases, pathOf } from "./operation-cases.ts";

type Json = Readonly<Record<string, unknown>>;
interface Schema {
  readonly $ref?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly anyOf?: readonly Schema[];
}
interface Media {
  readonly schema: Schema;
  readonly example?: unknown;
  readonly examples?: Readonly<Record<string, { readonly $ref?: string; readonly value?: unknown }>>;
}
interface Operation {
  readonly operationId: string;
  readonly summary?: string;
  readonly description?: string;
  readonly parameters?: readonly { readonly name: string; readonly description?: string }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<Record<string, { readonly headers?: Json; readonly content?: Readonly<Record<string, Media>> }>>;
}
interface Document {
  readonly info: { readonly description: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly examples: Readonly<Record<string, { readonly value: unknown }>>;
  };
}

/** What HTTP itself needs; OpenAPI leaves it out. */
const OF_HTTP = new Set(["content-type", "content-length", "transfer-encoding", "date", "connection", "keep-alive"]);

/** Every field of a schema that nobody described. What a reference leads to is looked at in its own place. */
function* undescribed(schema: Schema, path: string): Generator<string> {
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    if (field.$ref === undefined && field.description === undefined) yield `${path}.${name}`;
    yield* undescribed(field, `${path}.${name}`);
  }
  if (schema.items !== undefined) yield* undescribed(schema.items, `${path}[]`);
  if (typeof schema.additionalProperties === "object") yield* undescribed(schema.additionalProperties, `${path}{}`);
  for (const one of schema.anyOf ?? []) yield* undescribed(one, path);
}

describe("the OpenAPI document in words", () => {
  let app: TestApp;
  let own: Organisation;
  let landmarks: Landmarks;
  let document: Document;
  let operations: readonly { readonly method: string; readonly path: string; readonly operation: Operation }[];

  before(async () => {
    app = await startApp({ store: "memory", codeSender: recordingSender });
    own = await app.newOrganisation();
    landmarks = await makeLandmarks(own, app.clock);
    document = JSON.parse(await buildOpenApi(app.app.server)) as Document;
    operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
    );
    assert.ok(operations.length >= 37);
  });
  after(() => app.close());

  it("says of every operation, parameter, object and field what it is", () => {
    const silent: string[] = [];
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      if (schema.description === undefined) silent.push(name);
      silent.push(...undescribed(schema, name));
    }
    for (const { operation } of operations) {
      const { operationId, summary = "", description = "", parameters = [], requestBody, responses } = operation;
      if (summary === "") silent.push(`${operationId}: summary`);
      if (description.replace(/\n*Needs the scope [^\n]*$/, "") === "") silent.push(`${operationId}: description`);
      for (const parameter of parameters) if (parameter.description === undefined) silent.push(`${operationId}: ?${parameter.name}`);
      for (const media of Object.values(requestBody?.content ?? {})) silent.push(...undescribed(media.schema, operationId));
      for (const [status, { content }] of Object.entries(responses))
        for (const media of Object.values(content ?? {})) silent.push(...undescribed(media.schema, `${operationId} ${status}`));
    }
    assert.deepEqual(silent, []);
  });

  it("shows an example of every body and every answer, each true to its schema", async () => {
    // Validators come from a handler: that is where Fastify hands its compiler out.
    const judge = fastify({ ajv: { customOptions: { strict: false, coerceTypes: false, removeAdditional: false, allErrors: true } } });
    const wrong: unknown[] = [];
    let seen = 0;
    judge.get("/", (request, reply) => {
      const components = { components: { schemas: document.components.schemas } };
      const check = (place: string, media: Media): void => {
        const { schema, example, examples = {} } = media;
        const shown = [
          ...(example === undefined ? [] : [example]),
          ...Object.values(examples).map(({ $ref, value }) =>
            $ref === undefined ? value : document.components.examples[$ref.replace("#/components/examples/", "")]?.value,
          ),
        ];
        if (shown.length === 0) wrong.push(`${place}: no example`);
        const validate = request.compileValidationSchema({ ...schema, ...components });
        for (const one of shown) {
          seen += 1;
          if (validate(one) !== true) wrong.push([place, one, validate.errors]);
        }
      };
      for (const { operation } of operations) {
        for (const media of Object.values(operation.requestBody?.content ?? {})) check(`${operation.operationId}: body`, media);
        for (const [status, { content }] of Object.entries(operation.responses))
          for (const media of Object.values(content ?? {})) check(`${operation.operationId}: ${status}`, media);
      }
      void reply.send("");
    });
    assert.equal((await judge.inject("/")).statusCode, 200);
    await judge.close();
    assert.deepEqual(wrong, []);
    assert.ok(seen > 500);
  });

  it("names every header that is sent", async () => {
    // What every answer carries is told once, in the introduction.
    const introduction = document.info.description.toLowerCase();
    const unnamed = new Set<string>();
    const met = new Set<string>();
    const look = (operation: Operation, answer: Answer): void => {
      const declared = Object.keys(operation.responses[answer.status]?.headers ?? {}).map((name) => name.toLowerCase());
      for (const name of Object.keys(answer.headers)) {
        if (declared.includes(name)) met.add(name);
        else if (!OF_HTTP.has(name) && !introduction.includes(`\`${name}`))
          unnamed.add(`${operation.operationId} ${answer.status}: ${name}`);
      }
    };
    for (const { method, path, operation } of operations) {
      const facts = operationCases[operation.operationId];
      // operations.test.ts refuses an operation without a case.
      if (facts === undefined) continue;
      const { query, body, ...named } = await facts.prepare(own, landmarks, app.clock);
      const target = pathOf(path, named) + (query === undefined ? "" : `?${new URLSearchParams(query).toString()}`);
      const text = body === undefined ? undefined : JSON.stringify(body);
      const keyed = operation.parameters?.some(({ name }) => name === "Idempotency-Key") === true;
      const idempotencyKey = keyed ? freshKey() : null;
      for (const more of [{}, {}, { key: null }]) look(operation, await own.api.send(method, target, text, { idempotencyKey, ...more }));
    }
    assert.deepEqual([...unnamed], []);
    for (const name of ["x-request-id", "ratelimit", "ratelimit-policy", "idempotent-replayed", "etag", "www-authenticate"])
      assert.ok(met.has(name), `no answer had ${name}`);
  });
});
