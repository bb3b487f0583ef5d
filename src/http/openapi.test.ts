import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { Type } from "typebox";
import { InvariantError } from "#kernel/assert.ts";
import { problems } from "#kernel/problems.ts";
import { ALL_SCOPES, SCOPES } from "#kernel/scopes.ts";
import type { HttpServer } from "./contract.ts";
import { takesGzip } from "./encoded.ts";
import { metadataField, ref } from "./fields.ts";
import { compileSchemas } from "./lazy-compile.ts";
import { buildOpenApi } from "./openapi.ts";
import { createTestServer } from "./testing.ts";

interface Operation {
  operationId: string;
  description?: string;
  "x-required-scope"?: string;
  security: unknown;
  parameters?: { name: string; in: string; required: boolean }[];
  requestBody?: { required: boolean; content: Record<string, Media> };
  responses: Record<
    string,
    { description: string; headers: Record<string, unknown>; content: Record<string, Media>; "x-problem-codes"?: string[] }
  >;
}
interface Media {
  schema: { $ref?: string };
  example?: unknown;
  examples?: Record<string, { $ref?: string; value?: unknown }>;
}
interface Document {
  openapi: string;
  info: { version: string };
  paths: Record<string, Record<string, Operation>>;
  components: {
    schemas: Record<string, unknown>;
    securitySchemes: { apiKey: { description: string } };
    headers: Record<string, unknown>;
    examples: Record<string, { value: unknown }>;
  };
}
const build = async (app: HttpServer): Promise<Document> => JSON.parse(await buildOpenApi(app)) as Document;

test("the document names every operation, guarded as its route is", async () => {
  const { app } = createTestServer();
  const document = await build(app);
  assert.equal(document.openapi, "3.1.1");
  assert.equal(document.info.version, "0.0.1");
  const { description, ...scheme } = document.components.securitySchemes.apiKey;
  assert.deepEqual(scheme, { type: "apiKey", in: "header", name: "X-API-Key" });
  for (const scope of ALL_SCOPES) assert.ok(description.includes(`\`${scope}\`: ${SCOPES[scope]}`));
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
  assert.deepEqual(pay?.security, [{ apiKey: [] }, { session: [] }]);
  assert.deepEqual(
    pay?.parameters?.map(({ name, required }) => [name, required]),
    [
      ["id", true],
      ["Idempotency-Key", true],
    ],
  );
  assert.equal(pay?.["x-required-scope"], "transfers:write");
  assert.match(pay?.description ?? "", /`transfers:write`/);
  const open = document.paths["/v1/public"]?.get;
  assert.deepEqual([open?.security, open?.["x-required-scope"], open?.description], [[], undefined, undefined]);
  assert.equal(document.paths["/v1/optional"]?.post?.requestBody?.required, false);
  assert.equal(document.paths["/v1/echo"]?.post?.requestBody?.required, true);
  await app.close();
});

test("every 4xx and 5xx answer is the shared Problem, with its codes", async () => {
  const { app } = createTestServer();
  const document = await build(app);
  for (const methods of Object.values(document.paths)) {
    for (const { responses } of Object.values(methods)) {
      for (const [status, response] of Object.entries(responses)) {
        assert.notEqual(response.description, "Default Response");
        if (Number(status) < 400) continue;
        const codes = [...response.description.matchAll(/^`(\w+)`/gm)].map(([, code = ""]) => code);
        assert.ok(codes.length > 0);
        assert.deepEqual(response["x-problem-codes"], codes);
        assert.deepEqual(response.content, {
          "application/problem+json": {
            schema: { $ref: "#/components/schemas/Problem" },
            examples: Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }])),
          },
        });
        for (const code of codes) {
          const { status: expected, title } = problems[code as keyof typeof problems];
          assert.equal(expected, Number(status), code);
          const {
            param: _param,
            detail: _detail,
            request_id,
            ...rest
          } = (document.components.examples[code]?.value ?? {}) as Record<string, unknown>;
          assert.deepEqual(rest, { type: `urn:smartfinance:problem:${code}`, title, status: expected, code });
          assert.match(String(request_id), /^req_/);
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
  const codesOf = (path: string) => Object.values(document.paths[path]?.post?.responses ?? {}).flatMap((r) => r["x-problem-codes"] ?? []);
  assert.ok(codesOf("/v1/payments/{id}/close").includes("invalid_json"), "a body that nobody wants is read all the same");
  assert.ok(!codesOf("/v1/payments/{id}/close").includes("missing_field"));
  assert.ok(codesOf("/v1/echo").includes("missing_field"));
  assert.ok("Problem" in document.components.schemas);
  await app.close();
});

test("answers name their headers, each described once", async () => {
  const { app } = createTestServer();
  app.get(
    "/v1/tagged",
    {
      config: { access: "key", scope: "accounts:read", sends: ["ETag"] },
      schema: { operationId: "tagged", response: { 200: Type.Object({}) } },
    },
    () => ({}),
  );
  const document = await build(app);
  const headers = (path: string, method: string, status: string): string[] => {
    const declared = document.paths[path]?.[method]?.responses[status]?.headers ?? {};
    for (const [name, header] of Object.entries(declared)) {
      assert.deepEqual(header, { $ref: `#/components/headers/${name}` });
      assert.ok(name in document.components.headers);
    }
    return Object.keys(declared);
  };
  const quota = ["X-Request-Id", "RateLimit", "RateLimit-Policy"];
  assert.deepEqual(headers("/v1/public", "get", "200"), ["X-Request-Id"]);
  assert.deepEqual(headers("/v1/tagged", "get", "200"), [...quota, "ETag"]);
  assert.deepEqual(headers("/v1/tagged", "get", "403"), quota);
  assert.deepEqual(headers("/v1/payments/{id}", "post", "200"), [...quota, "Idempotent-Replayed"]);
  assert.deepEqual(headers("/v1/payments/{id}", "post", "401"), ["X-Request-Id", "WWW-Authenticate"]);
  assert.deepEqual(headers("/v1/payments/{id}", "post", "429"), [...quota, "Retry-After"]);
  assert.deepEqual(headers("/v1/payments/{id}", "post", "503"), [...quota, "Retry-After"]);
  assert.deepEqual(headers("/v1/payments/{id}", "get", "404"), quota, "only answers that are kept are replayed");
  await app.close();
});

test("bodies and answers have examples: their own, those of what they refer to, or one put together from their parts", async () => {
  const { app } = createTestServer();
  app.addSchema(Type.Object({ id: Type.String() }, { $id: "Thing", examples: [{ id: "thing-1" }] }));
  app.addSchema(Type.Object({ tags: metadataField, kind: Type.Literal("other") }, { $id: "Other" }));
  const ofThings = Type.Object({ data: Type.Array(ref("Thing")), next: Type.Union([Type.Integer({ minimum: 5 }), Type.Null()]) });
  const body = Type.Object(
    { name: Type.String({ examples: ["Ada"] }), on: Type.Boolean() },
    { examples: [{ name: "One" }, { name: "Two" }] },
  );
  const response = { 200: ref("Thing"), 201: ref("Thing", [{ id: "special" }]), 202: ofThings, 203: ref("Other") };
  app.post("/v1/things", { config: { access: "public", scope: null }, schema: { operationId: "makeThing", body, response } }, () => ({}));
  const document = await build(app);
  const things = document.paths["/v1/things"]?.post;
  const media = (status: string) => things?.responses[status]?.content["application/json"];
  assert.deepEqual(things?.requestBody?.content["application/json"]?.examples, {
    example1: { value: { name: "One" } },
    example2: { value: { name: "Two" } },
  });
  assert.deepEqual(media("200")?.examples, { Thing: { $ref: "#/components/examples/Thing" } });
  assert.deepEqual(document.components.examples["Thing"], { value: { id: "thing-1" } });
  assert.deepEqual(media("201")?.example, { id: "special" });
  assert.deepEqual(media("202")?.example, { data: [{ id: "thing-1" }], next: 5 });
  assert.deepEqual(document.components.examples["Other"], { value: { tags: { order: "4711" }, kind: "other" } });
  const other = document.components.schemas["Other"] as { properties: Record<string, Record<string, unknown>> };
  assert.deepEqual(other.properties["tags"]?.["propertyNames"], { pattern: "^[A-Za-z0-9_.:-]{1,40}$" });
  assert.deepEqual(other.properties["tags"]?.["additionalProperties"], { type: "string", maxLength: 500 });
  assert.equal(other.properties["kind"]?.["description"], "Always `other`.");
  assert.doesNotMatch(JSON.stringify(document.components.schemas), /"examples":\[\{"id"/, "an example stands in one place");
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
      config: { access: "public", scope: null },
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
  app.get(
    "/v1/bad",
    { config: { access: "public", scope: null }, schema: { operationId: "bad", querystring: { type: "nonsense" } } },
    () => ({}),
  );
  await app.ready();
  assert.equal((await app.inject("/v1/public")).statusCode, 200);
  assert.equal((await app.inject("/v1/bad")).statusCode, 500);
  await assert.rejects(compileSchemas(app), /type must be/);
  const good = createTestServer().app;
  await compileSchemas(good);
  await Promise.all([app.close(), good.close()]);
});

test("/openapi.json is the same buffer for everyone who asks", async () => {
  const { app } = createTestServer();
  const sent: unknown[] = [];
  app.addHook("onSend", (_request, _reply, payload, done) => {
    sent.push(payload);
    done(null, payload);
  });
  for (let n = 0; n < 2; n++) assert.equal((await app.inject("/openapi.json")).statusCode, 200);
  assert.ok(Buffer.isBuffer(sent[0]) && sent[0] === sent[1]);
  await app.close();
});

test("the document and the viewer's script are compressed once, for whoever takes gzip", async () => {
  const { app } = createTestServer();
  const sent: unknown[] = [];
  app.addHook("onSend", (_request, _reply, payload, done) => {
    sent.push(payload);
    done(null, payload);
  });
  for (const url of ["/openapi.json", "/docs/js/scalar.js"]) {
    const get = (accepted: string) => app.inject({ url, headers: { "accept-encoding": accepted } });
    const plain = await get("identity");
    assert.deepEqual([plain.headers["content-encoding"], plain.headers["vary"]], [undefined, "accept-encoding"]);
    sent.length = 0;
    const packed = await get("br, gzip;q=0.5");
    await get("gzip");
    assert.ok(Buffer.isBuffer(sent[0]) && sent[0] === sent[1]);
    assert.deepEqual([packed.headers["content-encoding"], packed.headers["vary"]], ["gzip", "accept-encoding"]);
    assert.equal(packed.headers["content-length"], String(packed.rawPayload.length));
    assert.ok(packed.rawPayload.length < plain.rawPayload.length / 3);
    assert.ok(gunzipSync(packed.rawPayload).equals(plain.rawPayload));
    assert.equal(packed.headers["content-type"], plain.headers["content-type"]);
  }
  await app.close();
});

test("gzip is taken by name or by a star, and not with the weight 0", () => {
  for (const taken of ["gzip", "GZIP", "deflate, gzip", "x-gzip", "*", "gzip;q=0.1", "*;q=0, gzip"]) assert.ok(takesGzip(taken), taken);
  for (const not of [undefined, "", "identity", "br", "gzip;q=0", "gzip; q=0.0, *", "*;q=0", "gzip;q=x"])
    assert.ok(!takesGzip(not), String(not));
});
