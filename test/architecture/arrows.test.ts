import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { HouseRules } from "./arrows.ts";
import { checkArrows, houseRules } from "./arrows.ts";
import { readSources } from "./source-text.ts";

const refusals = (path: string, text: string): readonly string[] => checkArrows([{ path, text }]).failures;

describe("arrows between rooms", () => {
  it("all point the right way", () => {
    const report = checkArrows(readSources(fileURLToPath(new URL("../..", import.meta.url)), ["src"], [".ts"]));
    assert.ok(report.files >= 20, `saw only ${report.files} files`);
    assert.ok(report.imports >= report.files, `saw only ${report.imports} imports in ${report.files} files`);
    assert.equal(report.failures.length, 0, `\n${report.failures.join("\n")}`);
  });

  const wrong: readonly (readonly [path: string, text: string, message: RegExp])[] = [
    ["src/kernel/money.ts", 'import { Store } from "#storage/index.ts";', /kernel must not import storage/],
    ["src/kernel/money.ts", 'import big from "big.js";', /kernel must not import the package big\.js/],
    ["src/ledger/post.ts", 'import { assess } from "#risk/index.ts";', /ledger must not import risk/],
    ["src/ledger/post.ts", 'import type { Assess } from "#risk/index.ts";', /ledger must not import risk/],
    ["src/ledger/post.ts", 'import { type Assess,\n  b } from "../risk/index.ts";', /ledger must not import risk/],
    ["src/ledger/index.ts", 'export * from "#payments/index.ts";', /ledger must not import payments/],
    ["src/ledger/post.ts", 'const a = await import("#payments/index.ts");', /ledger must not import payments/],
    ["src/risk/assess.ts", 'import "#ledger/index.ts";', /risk must not import ledger/],
    ["src/risk/pool.ts", 'new Worker(new URL("../ledger/worker.ts", import.meta.url));', /risk must not import ledger/],
    ["src/payments/transfer.ts", 'import { post } from "#ledger/post.ts";', /reaches into ledger/],
    ["src/payments/transfer.ts", 'import Fastify from "fastify";', /payments must not import the package fastify/],
    ["src/payments/transfer.ts", 'import { problem } from "#http/index.ts";', /payments must not import http/],
    ["src/payments/routes.ts", 'import { page } from "#http/pages.ts";', /reaches into http/],
    ["src/payments/routes.ts", 'import pino from "pino";', /payments must not import the package pino/],
    ["src/storage/port.ts", 'import { open } from "./sqlite/index.ts";', /storage must not import storage\/sqlite/],
    ["src/storage/sqlite/open.ts", 'import "@aws-sdk/client-dynamodb";', /must not import the package @aws-sdk\/client-dynamodb/],
    ["src/storage/sqlite/open.ts", 'import { x } from "../dynamodb/index.ts";', /must not import storage\/dynamodb/],
    ["src/ledger/post.ts", 'import { x } from "#storage/sqlite/index.ts";', /ledger must not import storage\/sqlite/],
    ["src/ledger/post.ts", 'import { DatabaseSync } from "node:sqlite";', /only storage\/sqlite may/],
    ["src/ledger/post.ts", 'import { config } from "#config.ts";', /only the composition root/],
    ["src/app.ts", 'import { DynamoDB } from "@aws-sdk/client-dynamodb";', /composition root must not import the package/],
    ["src/ledger/post.ts", 'import { arbitrary } from "./test-kit.ts";', /is for tests/],
    ["src/app.ts", 'import { suite } from "#storage/conformance/suite.ts";', /is for tests/],
    ["src/helpers.ts", "export const a = 1;", /belongs into a room/],
    ["src/misc/a.ts", "export const a = 1;", /room misc has no rule/],
    ["src/ledger/post.ts", "await import(name);", /cannot follow/],
    ["src/ledger/post.ts", 'const a = require("fastify");', /cannot follow/],
  ];
  for (const [path, text, message] of wrong) {
    it(`refuses ${text.replaceAll("\n", " ")} in ${path}`, () => {
      const failures = refusals(path, text);
      assert.equal(failures.length, 1, failures.join("; "));
      assert.match(failures[0] ?? "", message);
    });
  }

  it("lets the right arrows be", () => {
    const right: readonly (readonly [path: string, text: string])[] = [
      ["src/kernel/canonical-json.ts", 'import canonicalize from "canonicalize";\nimport { a } from "./assert.ts";'],
      ["src/ledger/post.ts", 'import { money } from "#kernel/money.ts";\nimport type { Store } from "#storage/index.ts";'],
      ["src/ledger/post.ts", '// import { assess } from "#risk/index.ts";\n/* import "fastify"; */'],
      ["src/ledger/routes.ts", 'import type { FastifyInstance } from "fastify";\nimport { page } from "#http/index.ts";'],
      ["src/ledger/account-schema.ts", 'import { Type } from "typebox";'],
      ["src/storage/sqlite/open.ts", 'import { tables } from "../tables.ts";\nimport { DatabaseSync } from "node:sqlite";'],
      ["src/storage/dynamodb/open.ts", 'import { DynamoDBClient } from "@aws-sdk/client-dynamodb";'],
      ["src/app.ts", 'import { routes } from "./ledger/routes.ts";\nimport Fastify from "fastify";'],
      ["src/risk/test-kit.ts", 'import fc from "fast-check";'],
      ["src/ledger/post.test.ts", 'import { assess } from "#risk/index.ts";'],
    ];
    for (const [path, text] of right) assert.deepEqual(refusals(path, text), [], path);
  });

  it("names the line", () => {
    assert.match(refusals("src/ledger/post.ts", '\n\nimport "#risk/index.ts";')[0] ?? "", /^src\/ledger\/post\.ts:3: /);
  });

  it("refuses a ring of rooms even where the table would allow each arrow", () => {
    const loose: HouseRules = {
      ...houseRules,
      rooms: { a: { rooms: ["b"], packages: [] }, b: { rooms: ["c"], packages: [] }, c: { rooms: ["a"], packages: [] } },
    };
    const file = (room: string, to: string) => ({ path: `src/${room}/x.ts`, text: `import "#${to}/index.ts";` });
    assert.deepEqual(checkArrows([file("a", "b"), file("b", "c")], loose).failures, []);
    const { failures } = checkArrows([file("a", "b"), file("b", "c"), file("c", "a")], loose);
    assert.deepEqual(failures, ["rooms import each other in a ring: a -> b -> c -> a"]);
  });

  it("counts what it saw, so that a check of nothing shows", () => {
    assert.deepEqual(checkArrows([{ path: "test/a.ts", text: 'import "fastify";' }]), { failures: [], files: 0, imports: 0 });
  });
});
