import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const PROGRAMS = { "audit:verify": "audit-verify.mjs", "audit:witness": "audit-witness.mjs", "fraud:train": "fraud-train.mjs" } as const;

function run(bin: string, ...args: string[]) {
  const path = fileURLToPath(new URL(`../bin/${bin}`, import.meta.url));
  return spawnSync(process.execPath, [path, ...args], { encoding: "utf8", timeout: 20_000 });
}

void describe("the programs beside the server", () => {
  for (const [name, bin] of Object.entries(PROGRAMS)) {
    void it(`${name} tells how it is used when asked, and ends with 0`, () => {
      for (const args of [["--help"], ["-h"], ["--quiet", "--help"]]) {
        const { status, stdout, stderr } = run(bin, ...args);
        assert.equal(status, 0, stderr);
        assert.ok(stdout.startsWith(`npm run ${name} -- `), stdout);
        assert.equal(stderr, "");
      }
    });

    void it(`${name} says in one line which option it does not know, or what an option lacks, and ends with 2`, () => {
      const wrong: readonly [string, RegExp][] = [
        ["--mistyped", /Unknown option '--mistyped'/],
        ["--data", /Option '--data <value>' argument missing/],
        ["stray", /Unexpected argument 'stray'/],
      ];
      for (const [option, what] of wrong) {
        const { status, stdout, stderr } = run(bin, option);
        assert.equal(status, 2);
        assert.match(stderr, what);
        assert.match(stderr, new RegExp(`^${name}: [^\\n]*; see npm run ${name} -- --help\\n$`));
        assert.equal(stdout, "");
      }
    });
  }
});
