import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { API_KEY_PATTERN } from "#access/index.ts";
import { settings } from "#config.ts";
import { SCOPES } from "#kernel/scopes.ts";
import { buildOpenApi } from "#http/index.ts";
import { startApp } from "../support/app.ts";
import { readDocument } from "./document.ts";

interface Paths {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly operationId: string; readonly "x-sensitive"?: true }>>>>;
}

const text = readFileSync(new URL("../../docs/access.md", import.meta.url), "utf8");

describe("docs/access.md", () => {
  it("has the table of scopes as it is, and every scope is needed by some operation", async () => {
    const rows = [...text.matchAll(/^\| `([a-z_]+:[a-z]+)` \| (.+) \|$/gm)].map(([, scope, about]) => [scope, about]);
    assert.deepEqual(rows, Object.entries(SCOPES));
    const document = await readDocument();
    const needed = new Set(document.operations.map(({ scope }) => scope));
    assert.deepEqual(
      Object.keys(SCOPES).filter((scope) => !needed.has(scope)),
      [],
    );
  });

  it("KEY-01 gives scanners the pattern that keys have", () => assert.ok(text.includes(`\n${API_KEY_PATTERN}\n`)));

  it("IP-01 lists the sensitive operations as they are", async () => {
    const listed = /^- \*\*A key's\*\*[^]*?\n\n/m.exec(text)?.[0] ?? "";
    const named = [...listed.matchAll(/`([a-z]+[A-Z]\w+)`/g)].map(([, name]) => name ?? "");
    const app = await startApp({ store: "memory" });
    try {
      const document = JSON.parse(await buildOpenApi(app.app.server)) as Paths;
      const sensitive = Object.values(document.paths)
        .flatMap((methods) => Object.values(methods))
        .filter((operation) => operation["x-sensitive"] === true)
        .map(({ operationId }) => operationId);
      assert.deepEqual(named.sort(), sensitive.sort());
    } finally {
      await app.close();
    }
  });

  it("names only settings that there are", () => {
    const named = [...text.matchAll(/SMARTFINANCE_([A-Z_]+)/g)].map(([, name]) => name ?? "");
    assert.ok(named.length > 3);
    for (const name of named) assert.ok(Object.hasOwn(settings, name), name);
  });
});
