import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { eventTypes } from "#audit/index.ts";
import { publicEventTypes, publicType } from "./public-types.ts";

test("docs/webhooks.md lists every public type beside its object, and no other", () => {
  const text = readFileSync(new URL("../../docs/webhooks.md", import.meta.url), "utf8");
  const listed = [...text.matchAll(/^\| `([a-z_]+)` \| (`[a-z_]+\.[a-z_]+`.*) \|$/gm)].flatMap(([, object, types = ""]) =>
    [...types.matchAll(/`([a-z_.]+)`/g)].map(([, type]) => [type, object]),
  );
  const sorted = (rows: readonly unknown[]) => rows.map(String).sort();
  assert.deepEqual(sorted(listed), sorted(publicEventTypes.map((type) => [type, publicType(type).object_type])));
  for (const type of publicEventTypes) assert.ok((eventTypes as readonly string[]).includes(type));
});
