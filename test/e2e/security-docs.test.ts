import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";

const root = new URL("../../", import.meta.url);
const read = (path: string): Promise<string> => readFile(new URL(path, root), "utf8");

describe("docs/security.md", () => {
  it("names for every row tests that are there and carry its id", async () => {
    const rows = [...(await read("docs/security.md")).matchAll(/^\| ([A-Z]+-\d+) \| [^|]+ \| ([^|]+) \|$/gm)];
    assert.ok(rows.length >= 21, `only ${rows.length} rows`);
    for (const [, id, places] of rows) {
      const files = [...(places ?? "").matchAll(/`([^`]+)`/g)].map(([, file]) => file ?? "");
      assert.ok(files.length > 0, `${id} names no test`);
      for (const file of files) assert.match(await read(file), new RegExp(`["\`][^"\`]*${id}`), `${file} has no test named ${id}`);
    }
  });

  it("tells no claim of a row that its table does not have", async () => {
    const text = await read("docs/security.md");
    const [threats, table] = text.split("## Which test shows it");
    const claimed = new Set([...(threats ?? "").matchAll(/\b[A-Z]{2,5}-\d{2}\b/g)].map(([id]) => id));
    assert.ok(claimed.size >= 20);
    for (const id of claimed) assert.ok(table?.includes(`| ${id} |`), `${id} is claimed and not in the table`);
  });
});
