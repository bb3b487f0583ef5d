import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { buildOpenApi, compileSchemas } from "#http/index.ts";
import { systemClock } from "#kernel/clock.ts";
import { systemRandom } from "#kernel/random.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { createApp } from "#app.ts";

const FILE = fileURLToPath(new URL("../docs/openapi.json", import.meta.url));
const METHODS = new Set(["get", "put", "post", "delete", "options", "head", "patch", "trace"]);
/** Statuses that carry no body, and so no schema. */
const BODILESS = new Set(["204", "304"]);

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type JsonObject = { [name: string]: Json };

const isObject = (value: Json | undefined): value is JsonObject => typeof value === "object" && value !== null && !Array.isArray(value);

/** Every value inside a document, with the JSON pointer that leads to it. */
function* walk(value: Json, pointer = "#"): Generator<{ readonly pointer: string; readonly value: Json }> {
  yield { pointer, value };
  if (Array.isArray(value)) for (const [i, item] of value.entries()) yield* walk(item, `${pointer}/${i}`);
  else if (isObject(value))
    for (const [name, inner] of Object.entries(value)) yield* walk(inner, `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`);
}

/** What is wrong with an OpenAPI document, a line each: references, operationIds, parameters, responses without schemas. */
export function documentFailures(text: string): string[] {
  const document = JSON.parse(text) as JsonObject;
  const failures: string[] = [];
  const places = new Map([...walk(document)].map(({ pointer, value }) => [pointer, value] as const));
  const used = new Set<string>();
  for (const [pointer, value] of places) {
    if (!isObject(value) || typeof value["$ref"] !== "string") continue;
    used.add(value["$ref"]);
    if (!places.has(value["$ref"])) failures.push(`${pointer}: ${value["$ref"]} is not in the document`);
  }
  for (const section of ["schemas", "headers", "examples"]) {
    const parts = places.get(`#/components/${section}`);
    for (const [name, part] of Object.entries(isObject(parts) ? parts : {})) {
      const pointer = `#/components/${section}/${name}`;
      if (!used.has(pointer)) failures.push(`${pointer}: nothing refers to it`);
      if (section === "headers" && !isObject(isObject(part) ? part["schema"] : undefined)) failures.push(`${pointer}: has no schema`);
    }
  }

  const ids = new Set<string>();
  let operations = 0;
  const { paths } = document;
  for (const [path, item] of Object.entries(isObject(paths) ? paths : {})) {
    for (const [method, operation] of Object.entries(isObject(item) ? item : {})) {
      if (!METHODS.has(method) || !isObject(operation)) continue;
      operations += 1;
      failures.push(...operationFailures(`${method.toUpperCase()} ${path}`, path, operation, ids));
    }
  }
  if (operations === 0) failures.push("the document has no operations");
  return failures;
}

function* operationFailures(name: string, path: string, operation: JsonObject, ids: Set<string>): Generator<string> {
  const { operationId, parameters, responses, requestBody, summary } = operation;
  if (typeof operationId !== "string") yield `${name}: has no operationId`;
  else if (ids.has(operationId)) yield `${name}: operationId ${operationId} is used twice`;
  else ids.add(operationId);
  if (typeof summary !== "string") yield `${name}: has no summary`;
  const described = (Array.isArray(parameters) ? parameters : []).filter(isObject);
  const inPath = described.filter((parameter) => parameter["in"] === "path").map((parameter) => String(parameter["name"]));
  const inTemplate = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter ?? "");
  if (inPath.toSorted().join() !== inTemplate.toSorted().join()) yield `${name}: its path parameters do not match its path`;
  for (const parameter of described)
    if (!isObject(parameter["schema"])) yield `${name}: parameter ${String(parameter["name"])} has no schema`;
  if (requestBody !== undefined && !hasSchemas(requestBody)) yield `${name}: its body has no schema`;
  const statuses = Object.entries(isObject(responses) ? responses : {});
  if (!statuses.some(([status]) => status.startsWith("2"))) yield `${name}: declares no success`;
  for (const [status, response] of statuses)
    if (!BODILESS.has(status) && !hasSchemas(response)) yield `${name}: response ${status} has no schema`;
}

function hasSchemas(part: Json): boolean {
  const content = isObject(part) ? part["content"] : undefined;
  if (!isObject(content)) return false;
  const media = Object.values(content);
  return media.length > 0 && media.every((type) => isObject(type) && isObject(type["schema"]));
}

/** The document of the product's routes. Nothing listens and nothing is read or written. */
export async function currentDocument(): Promise<string> {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  const absent = (): never => {
    throw new Error("no key is needed to describe the API");
  };
  const { server } = createApp({
    store: openMemoryStore(createMemoryDatabase()),
    kms: { generateDataKey: absent, decrypt: absent },
    clock: systemClock,
    random: systemRandom(),
    logger: pino({ level: "silent" }),
    auditLog: () => undefined,
    trustedProxyHops: 0,
    version,
  });
  // Schemas compile on first use in the server; here a broken one must show.
  await compileSchemas(server);
  const text = await buildOpenApi(server);
  await server.close();
  return text;
}

/** The document as it is committed; undefined when there is none. */
export function committedDocument(): string | undefined {
  try {
    return readFileSync(FILE, "utf8");
  } catch {
    return undefined;
  }
}

async function main(): Promise<void> {
  const text = await currentDocument();
  const failures = documentFailures(text);
  for (const failure of failures) console.error(`✖ ${failure}`);
  if (failures.length > 0) process.exitCode = 1;
  if (!process.argv.includes("--check")) {
    writeFileSync(FILE, text);
    return;
  }
  if (committedDocument() === text) return;
  console.error("✖ docs/openapi.json is stale: run npm run openapi and commit it");
  process.exitCode = 1;
}

if (import.meta.main) await main();
