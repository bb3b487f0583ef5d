import assert from "node:assert/strict";
import { test } from "node:test";
import { committedDocument, currentDocument, documentFailures } from "./openapi.ts";

const text = await currentDocument();
const changed = (from: string, to: string): string[] => {
  assert.ok(text.includes(from));
  return documentFailures(text.replace(from, to));
};

test("docs/openapi.json is what the routes say now", () => {
  assert.ok(committedDocument() === text, "docs/openapi.json is stale: run npm run openapi and commit it");
});

test("the document is sound", () => {
  assert.deepEqual(documentFailures(text), []);
});

test("a reference to nowhere, a name used twice and a missing schema are found", () => {
  assert.match(changed("#/components/schemas/Account", "#/components/schemas/Acount").join(), /Acount is not in the document/);
  assert.deepEqual(changed('"operationId": "getUser"', '"operationId": "listUsers"'), [
    "GET /v1/users/{id}: operationId listUsers is used twice",
  ]);
  assert.deepEqual(changed('"operationId": "getUser"', '"operationid": "getUser"'), ["GET /v1/users/{id}: has no operationId"]);
  assert.deepEqual(changed('"/v1/users/{id}"', '"/v1/users/{user}"'), [
    "GET /v1/users/{user}: its path parameters do not match its path",
    "PATCH /v1/users/{user}: its path parameters do not match its path",
  ]);
  assert.match(changed('"schema":', '"scheme":').join(), /has no schema/);
  assert.match(changed('"User": {', '"Customer": {').join(), /Customer: nothing refers to it/);
  assert.deepEqual(documentFailures('{"components":{"headers":{"X":{}},"examples":{"Y":{}}},"paths":{}}'), [
    "#/components/headers/X: nothing refers to it",
    "#/components/headers/X: has no schema",
    "#/components/examples/Y: nothing refers to it",
    "the document has no operations",
  ]);
  assert.deepEqual(documentFailures('{"paths":{}}'), ["the document has no operations"]);
  assert.match(documentFailures('{"paths":{"/x":{"get":{"operationId":"x","summary":"X","responses":{}}}}}').join(), /declares no success/);
});
