import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { ALL_ROLES, CONFLICTING_ROLES, ROLES } from "#kernel/roles.ts";
import { ALL_SCOPES } from "#kernel/scopes.ts";
import type { Scope } from "#kernel/scopes.ts";
import { readDocument } from "./document.ts";

const text = readFileSync(new URL("../../docs/operators.md", import.meta.url), "utf8");

describe("docs/operators.md", () => {
  it("has the table of roles as it is", () => {
    const header = `| Scope | ${ALL_ROLES.map((role) => `\`${role}\``).join(" | ")} |`;
    assert.ok(text.includes(`\n${header}\n`), header);
    const rows = [...text.matchAll(/^\| `([a-z_]+:[a-z]+)` \|(.+)\|$/gm)].map(([, scope, cells = ""]) => [
      scope,
      cells.split("|").map((cell) => cell.trim() === "●"),
    ]);
    const wanted = ALL_SCOPES.map((scope) => [scope, ALL_ROLES.map((role) => (ROLES[role].scopes as readonly Scope[]).includes(scope))]);
    assert.deepEqual(rows, wanted);
    for (const role of ALL_ROLES) assert.ok(text.includes(`| \`${role}\` | ${ROLES[role].about} |`), role);
  });

  it("has the conflicting roles as they are", () => {
    const rows = [...text.matchAll(/^\| `([a-z_]+)` \| `([a-z_]+)` \| (.+) \|$/gm)].map(([, one, other, why]) => ({
      roles: [one, other],
      why,
    }));
    assert.deepEqual(rows, CONFLICTING_ROLES);
  });

  it("names only operations that there are", async () => {
    const document = await readDocument();
    const paths = new Set(document.operations.map(({ method, path }) => `${method} ${path}`));
    const named = [...text.matchAll(/`((?:GET|POST|PATCH|DELETE) \/v1[^`]*)`/g)].map(([, operation = ""]) => operation);
    assert.ok(named.length > 10);
    for (const operation of named) assert.ok(paths.has(operation), operation);
  });
});
