import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { createClient, ok, refused } from "../support/http-client.ts";
import { startProcess } from "../support/process.ts";

describe("npm run create-organisation", () => {
  const directory = mkdtempSync(join(tmpdir(), "smartfinance-command-"));
  after(() => rmSync(directory, { recursive: true, force: true }));
  const settings = { SMARTFINANCE_DATA_DIR: directory, SMARTFINANCE_ENVIRONMENT: "live" };

  it("makes the first key with what it is asked for, and there is none before", async () => {
    const made = startProcess(settings, "create-organisation", "Bank", "--scopes", "users:read,organisation:read", "--rate-limit", "7000");
    assert.equal(await made.ended, 0, made.stderr());
    const key = /sfk_live_\S+/.exec(made.stdout())?.[0] ?? "";
    const served = startProcess(settings);
    const client = createClient(await served.url, key);
    const organisation = ok(await client.get("/v1/organisation"), 200);
    assert.deepEqual([organisation["name"], organisation["rate_limit_ceiling"]], ["Bank", 7_000]);
    refused(await client.get("/v1/accounts"), "insufficient_scope");
    assert.ok(!served.stdout().includes("sfk_"), "no other key was made");
    client.close();
    assert.equal(await served.stop(), 0);
  });

  it("makes nothing of arguments it does not know, in one line", async () => {
    const wrong = startProcess(settings, "create-organisation", "Bank", "--admin");
    assert.equal(await wrong.ended, 1);
    assert.match(wrong.stderr(), /^smartfinance: .*--admin.*usage: npm run create-organisation.*\n$/);
    assert.equal(wrong.stdout(), "");
    const unknown = startProcess(settings, "create-admin");
    assert.equal(await unknown.ended, 1);
    assert.match(unknown.stderr(), /no command "create-admin"/);
  });
});
