import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { Type } from "typebox";
import { InvariantError } from "#kernel/assert.ts";
import { problems } from "#kernel/problems.ts";
import type { HttpServer } from "./contract.ts";
import { compileSchemas } from "./lazy-compile.ts";
import { buildOpenApi } from "./openapi.ts";
import { createTestServer } from "./testing.ts";

interface Operation {
  operationId: string;
  security: unknown;
  parameters?: { name: string; in: string; required: boolean }[];
  requestBody?: { required: boolean };
  responses: Record<string, { description: string; content: Record<string, { schema: { $ref?: string } }> }>;
}
interface Document {
  openapi: string;
  info: { version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, unknown>; securitySchemes: unknown };
}
const build = async (app: HttpServer): Promise<Document> => JSON.parse(await buildOpenApi(app)) as Document;

test("the document names every operation, guarded as its route is", async () => {
  const { app } = createTestServer();
  const document = await build(app);
  assert.equal(document.openapi, "3.1.1");
  assert.equal(document.info.version, "0.0.1");
  assert.deepEqual(document.components.securitySchemes, { apiKey: { type: "apiKey", in: "header", name: "X-API-Key" } });
  assert.deepEqual(Object.keys(document.paths).sort(), [
    "/healthz",
    "/readyz",
    "/v1/echo",
    "/v1/optional",
    "/v1/payments",
    "/v1/payments/{id}",
    "/v1/payments/{id}/close",
    "/v1/public",
    "/v1/slow",
    "/v1/whoami",
  ]);
  assert.deepEqual(Object.keys(document.paths["/healthz"] ?? {}), ["get"], "HEAD is not an operation of its own");
  const pay = document.paths["/v1/payments/{id}"]?.post;
  assert.deepEqual(pay?.security, [{ apiKey: [] }]);
  assert.deepEqual(
    pay?.parameters?.map(({ name, required }) => [name, required]),
    [
      ["id", true],
      ["Idempotency-Key", true],
    ],
  );
  assert.deepEqual(document.paths["/v1/public"]?.get?.security, []);
  assert.equal(document.paths["/v1/optional"]?.post?.requestBody?.required, false);
  assert.equal(document.paths["/v1/echo"]?.post?.requestBody?.required, true);
  await app.close();
});

test("every 4xx and 5xx answer is the shared Problem, with its codes", async () => {
  const { app } = createTestServer();
  const document = await build(app);
  const referred = { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } };
  for (const methods of Object.values(document.paths)) {
    for (const { responses } of Object.values(methods)) {
      for (const [status, response] of Object.entries(responses)) {
        assert.notEqual(response.description, "Default Response");
        if (Number(status) < 400) continue;
        assert.deepEqual(response.content, referred);
        for (const [, code = ""] of response.description.matchAll(/^`(\w+)`/gm)) {
          assert.equal(problems[code as keyof typeof problems]?.status, Number(status), code);
        }
      }
    }
  }
  const statuses = (path: string, method: string) => Object.keys(document.paths[path]?.[method]?.responses ?? {});
  assert.ok(
    ["400", "401", "409", "413", "415", "422", "429", "503", "504"].every((s) => statuses("/v1/payments/{id}", "post").includes(s)),
  );
  assert.ok(statuses("/v1/payments/{id}/close", "post").includes("403"));
  assert.ok(statuses("/v1/payments/{id}", "get").includes("404"));
  assert.ok(!statuses("/v1/payments", "get").includes("413"));
  assert.ok("Problem" in document.components.schemas);
  await app.close();
});

test("components carry the names of their $id, shared or inline", async () => {
  const { app } = createTestServer();
  const shared = Type.Object({ id: Type.String() }, { $id: "Thing" });
  app.addSchema(shared);
  const inline = Type.Object({ a: Type.Integer() }, { $id: "Inline" });
  app.get(
    "/v1/things",
    {
      config: { access: "public" },
      schema: {
        operationId: "listThings",
        response: { 200: Type.Object({ data: Type.Array(Type.Unsafe({ $ref: "Thing#" })), one: inline }) },
      },
    },
    () => ({ data: [{ id: "1" }], one: { a: 1 } }),
  );
  const document = await build(app);
  assert.deepEqual(Object.keys(document.components.schemas), ["Inline", "Problem", "Thing"]);
  assert.match(JSON.stringify(document.paths["/v1/things"]), /#\/components\/schemas\/Thing"/);
  assert.deepEqual((await app.inject("/v1/things")).json(), { data: [{ id: "1" }], one: { a: 1 } });
  await app.close();
});

test("the text is the same each time and for each server, and is what /openapi.json serves", async () => {
  const [one, two] = [createTestServer().app, createTestServer().app];
  const text = await buildOpenApi(one);
  assert.equal(await buildOpenApi(two), text);
  assert.ok(text.startsWith('{\n  "openapi"') && text.endsWith("}\n"));
  const served = await one.inject("/openapi.json");
  assert.equal(served.body, text);
  assert.equal(served.headers["content-type"], "application/json; charset=utf-8");
  await Promise.all([one.close(), two.close()]);
  await assert.rejects(buildOpenApi({} as HttpServer), InvariantError);
});

test("/docs/ comes whole from this origin and its policy allows nothing else", async () => {
  const { app } = createTestServer();
  const redirect = await app.inject("/docs");
  assert.deepEqual([redirect.statusCode, redirect.headers.location], [308, "/docs/"]);
  const page = await app.inject("/docs/");
  assert.equal(page.statusCode, 200);
  assert.equal(page.headers["content-type"], "text/html; charset=utf-8");
  assert.doesNotMatch(page.body, /https?:\/\//, "the page names no other origin");
  assert.match(page.body, /"withDefaultFonts": false/);
  assert.match(page.body, /"telemetry": false/);
  const policy = String(page.headers["content-security-policy"]);
  assert.doesNotMatch(policy, /https?:|\*|script-src[^;]*unsafe/);
  const scripts = [...page.body.matchAll(/<script type="text\/javascript">([\s\S]*?)<\/script>/g)];
  assert.equal(scripts.length, 1);
  assert.ok(policy.includes(`'sha256-${hash("sha256", scripts[0]?.[1] ?? "", "base64")}'`));
  const source = /<script src="([^"]+)">/.exec(page.body)?.[1] ?? "";
  const script = await app.inject(new URL(source, "http://local/docs/").pathname);
  assert.equal(script.statusCode, 200);
  assert.equal(script.headers["content-type"], "text/javascript; charset=utf-8");
  assert.ok(script.rawPayload.length > 1_000_000);
  await app.close();
});

test("schemas compile when first needed; compileSchemas finds the one that does not", async () => {
  const { app } = createTestServer();
  app.get("/v1/bad", { config: { access: "public" }, schema: { operationId: "bad", querystring: { type: "nonsense" } } }, () => ({}));
  await app.ready();
  assert.equal((await app.inject("/v1/public")).statusCode, 200);
  assert.equal((await app.inject("/v1/bad")).statusCode, 500);
  await assert.rejects(compileSchemas(app), /type must be/);
  const good = createTestServer().app;
  await compileSchemas(good);
  await Promise.all([app.close(), good.close()]);
});
