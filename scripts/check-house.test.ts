import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkHouse } from "./check-house.ts";

const check = (path: string, text: string, longer: Record<string, number> = {}): string[] => checkHouse([{ path, text }], longer);
const lines = (count: number): string => "x();\n".repeat(count);

describe("house rules", () => {
  it("refuses each banned call in src and names its line", () => {
    const calls = [
      "Date.now()",
      "new Date()",
      "new Date ( )",
      "new Date;",
      "Math.random()",
      "randomUUID()",
      "process.env.HOME",
      "console.log(1)",
      "console.error(1)",
    ];
    for (const call of calls) {
      const failures = check("src/ledger/post.ts", `const a = 1;\n${call}\n`);
      assert.equal(failures.length, 1, call);
      assert.match(failures[0] ?? "", /^src\/ledger\/post\.ts:2: /);
    }
  });

  it("refuses getters and generators where every payment passes", () => {
    for (const member of ["get size() {", "*values() {", "async *rows() {", "*[Symbol.iterator]() {"]) {
      const text = `return {\n  ${member}\n    return 1;\n  },\n};\n`;
      assert.match(check("src/commit/unit.ts", text)[0] ?? "", /^src\/commit\/unit\.ts:2: /, member);
      assert.deepEqual(check("src/webhooks/lane.ts", text), []);
      assert.equal(check("src/commit/queue.ts", text).length, 1);
      assert.deepEqual(check("src/features/labelled.ts", text), []);
      assert.deepEqual(check("src/commit/unit.test.ts", text), []);
    }
    assert.equal(check("src/ledger/chain.ts", "export function* steps() {}\n").length, 1);
    assert.deepEqual(
      check(
        "src/ledger/chain.ts",
        "/**\n * get a(b)\n */\nconst a = b\n  * c;\nview.get (x);\nconst p = { get(key) { return 2 ** key; } };\n",
      ),
      [],
    );
  });

  it("sees a banned call inside a template", () => {
    assert.equal(check("src/ledger/post.ts", "const a = `at ${Date.now()}`;\n").length, 1);
  });

  it("lets comments, strings, dates of a number and the allowed files be", () => {
    assert.deepEqual(check("src/ledger/post.ts", '// Date.now()\n/* Math.random() */\nconst a = "process.env";\n'), []);
    assert.deepEqual(check("src/kernel/clock.ts", "Date.now(); new Date(ms); new Date(a).toISOString();\n"), []);
    assert.deepEqual(check("src/config.ts", "process.env; console.error(1);\n"), []);
    assert.deepEqual(check("scripts/seed.ts", "Date.now(); console.log(1); process.env;\n"), []);
  });

  it("allows a clock in tests, but no unseeded randomness", () => {
    assert.deepEqual(check("test/e2e/transfer.test.ts", "Date.now();\n"), []);
    assert.equal(check("src/ledger/post.test.ts", "Math.random();\n").length, 1);
  });

  it("refuses tests that are left out or singled out", () => {
    for (const way of ["it.only(", "t.skip(", "test.todo("]) assert.equal(check("src/a/b.test.ts", `${way}"a", f);\n`).length, 1, way);
    for (const way of ["skip: true", "only: true", "skip: 'later'", 'todo: "later"'])
      assert.equal(check("src/a/b.test.ts", `it("a", { ${way} }, f);\n`).length, 1, way);
    assert.deepEqual(check("src/a/b.test.ts", "query({ skip: 3 });\n"), []);
    assert.deepEqual(check("test/support/dynamodb-server.ts", "t.skip(why);\n"), []);
  });

  it("refuses left-over markers in comments and documents, not in strings", () => {
    for (const marker of ["TODO", "FIXME", "XXX"]) {
      assert.equal(check("src/a/b.ts", `// ${marker} later\n`).length, 1);
      assert.equal(check("docs/a.md", `${marker} later\n`).length, 1);
      assert.deepEqual(check("src/a/b.ts", `isCurrency("${marker}");\n`), []);
    }
  });

  it("holds the length limit, and its exceptions only shrink", () => {
    const path = "src/a/b.ts";
    assert.deepEqual(check(path, lines(400)), []);
    assert.match(check(path, lines(401))[0] ?? "", /401 lines, at most 400/);
    assert.deepEqual(check(path, lines(450), { [path]: 450 }), []);
    assert.match(check(path, lines(451), { [path]: 450 })[0] ?? "", /grew/);
    assert.match(check(path, lines(449), { [path]: 450 })[0] ?? "", /lower its number/);
    assert.match(check(path, lines(400), { [path]: 450 })[0] ?? "", /take it off/);
    assert.match(checkHouse([], { [path]: 450 })[0] ?? "", /is gone/);
  });
});
