import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { findCircles } from "./circles.ts";
import { readSources } from "./source-text.ts";

/** Files of `src/`, by path and text. */
const among = (files: Readonly<Record<string, string>>) =>
  findCircles(Object.entries(files).map(([path, text]) => ({ path: `src/${path}`, text })));

describe("imports between files", () => {
  it("go in no circle", () => {
    const report = findCircles(readSources(fileURLToPath(new URL("../..", import.meta.url)), ["src"], [".ts"]));
    assert.ok(report.files >= 20, `saw only ${report.files} files`);
    assert.ok(report.imports >= report.files, `saw only ${report.imports} imports in ${report.files} files`);
    assert.equal(report.circles.length, 0, `\n${report.circles.join("\n")}`);
  });

  const back: readonly string[] = [
    'import { a } from "./a.ts";',
    'import type { A } from "./a.ts";',
    'import { type A,\n  b } from "#room/a.ts";',
    'export * from "../room/a.ts";',
    'export type { A } from "./a.ts";',
    'type A = import("./a.ts").A;',
    'const a = await import("#room/a.ts");',
    'new Worker(new URL("./a.ts", import.meta.url));',
  ];
  for (const text of back) {
    it(`refuses a circle closed by ${text.replaceAll("\n", " ")}`, () => {
      const { circles } = among({ "room/a.ts": 'import type { B } from "./b.ts";', "room/b.ts": text });
      assert.deepEqual(circles, ["files import each other in a circle: room/a.ts -> room/b.ts -> room/a.ts"]);
    });
  }

  it("names every circle, however long, and passes over what merely leads there", () => {
    const { circles } = among({
      "main.ts": 'import "#a/one.ts";\nimport "#b/x.ts";',
      "a/one.ts": 'import "./two.ts";',
      "a/two.ts": 'import "./three.ts";',
      "a/three.ts": 'import type { One } from "./one.ts";',
      "b/x.ts": 'import type { X } from "./x.ts";',
    });
    assert.deepEqual(circles, [
      "files import each other in a circle: a/one.ts -> a/two.ts -> a/three.ts -> a/one.ts",
      "files import each other in a circle: b/x.ts -> b/x.ts",
    ]);
  });

  it("lets two ways to one file be, comments, and packages", () => {
    const { circles, imports } = among({
      "app.ts": 'import "#a/one.ts";\nimport "#a/two.ts";',
      "a/one.ts": 'import "./two.ts";',
      "a/two.ts": '// import "./one.ts";\nimport type { FastifyInstance } from "fastify";\nimport "node:fs";',
    });
    assert.deepEqual(circles, []);
    assert.equal(imports, 3);
  });

  it("counts what it saw, so that a check of nothing shows", () => {
    assert.deepEqual(findCircles([{ path: "test/a.ts", text: 'import "./a.ts";' }]), { circles: [], files: 0, imports: 0 });
  });
});
