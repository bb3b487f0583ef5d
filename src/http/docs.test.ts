import assert from "node:assert/strict";
import { test } from "node:test";
import fastify from "fastify";
import type { FastifyInstance } from "fastify";
import type { HttpServer } from "./contract.ts";
import { registerDocs } from "./docs.ts";

const viewer = (): Promise<FastifyInstance> =>
  Promise.resolve(fastify({ logger: false }).get("/docs/", () => "<script>1</script>") as unknown as FastifyInstance);

test("a viewer that could not be loaded is loaded when it is asked for again", async (t) => {
  let failing = true;
  const app = fastify({ logger: false });
  t.after(() => app.close());
  registerDocs(app as unknown as HttpServer, () => (failing ? Promise.reject(new Error("EMFILE")) : viewer()));
  assert.equal((await app.inject("/docs/")).statusCode, 500);
  failing = false;
  assert.equal((await app.inject("/docs/")).statusCode, 200);
});

test("a stop while the viewer fails to load ends", async () => {
  const load = Promise.withResolvers<FastifyInstance>();
  const app = fastify({ logger: false });
  registerDocs(app as unknown as HttpServer, () => load.promise);
  const asked = app.inject("/docs/");
  await new Promise((resolve) => setTimeout(resolve, 20));
  const closed = app.close();
  load.reject(new Error("EMFILE"));
  await closed;
  assert.equal((await asked).statusCode, 500);
});
