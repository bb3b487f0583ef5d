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

  it("prints the two lines that one needs and nothing else, and warns of a key that can make no others", async () => {
    const made = startProcess(settings, "create-organisation", "Small", "--scopes", "users:read");
    assert.equal(await made.ended, 0, made.stderr());
    assert.match(made.stdout(), /^organisation org_\S+\napi key {6}sfk_live_\S+ {3}\(shown once\)\n$/);
    assert.match(made.stderr(), /"organisation\.created"/);
    assert.match(made.stderr(), /^warning: .*npm run create-api-key$/m);
  });

  it("AUTHZ-04 helps an organisation that cannot help itself: another key, and an empty allow-list, both audited", async () => {
    const made = startProcess(settings, "create-organisation", "Locked", "--scopes", "organisation:write,organisation:read,audit:read");
    assert.equal(await made.ended, 0, made.stderr());
    const id = /org_\S+/.exec(made.stdout())?.[0] ?? "";
    const first = /sfk_live_\S+/.exec(made.stdout())?.[0] ?? "";
    const served = startProcess(settings);
    const client = createClient(await served.url, first);
    ok(await client.patch("/v1/organisation", { ip_allowlist: ["127.0.0.1"] }), 200);
    client.close();
    assert.equal(await served.stop(), 0);

    const rescue = startProcess(settings, "create-api-key", id, "--name", "Rescue", "--rate-limit", "50");
    assert.equal(await rescue.ended, 0, rescue.stderr());
    const key = /sfk_live_\S+/.exec(rescue.stdout())?.[0] ?? "";
    assert.match(rescue.stdout(), new RegExp(`^organisation ${id}\\napi key      sfk_live_`));
    const reset = startProcess(settings, "reset-allow-list", id);
    assert.equal(await reset.ended, 0, reset.stderr());
    assert.match(reset.stdout(), /^the allow-list of org_\S+ is empty/);
    const nobody = startProcess(settings, "create-api-key", "org_01J0000000000000000000000B", "--name", "Rescue");
    assert.equal(await nobody.ended, 1);
    assert.match(nobody.stderr(), /^smartfinance: there is no organisation org_01J0000000000000000000000B in this store$/m);
    assert.equal(nobody.stdout(), "");

    const again = startProcess(settings);
    const rescued = createClient(await again.url, key);
    assert.deepEqual(ok(await rescued.get("/v1/organisation"), 200)["ip_allowlist"], []);
    assert.equal(ok(await rescued.post("/v1/api-keys", { name: "Next" }), 201)["rate_limit_per_minute"], 100);
    refused(
      await rescued.post("/v1/api-keys", { name: "Fast", rate_limit_per_minute: 101 }),
      "beyond_own_permissions",
      "rate_limit_per_minute",
    );
    const told = ok(await rescued.get("/v1/audit/events?limit=100"), 200).data.map((event) => [event["event_type"], event["api_key_id"]]);
    assert.deepEqual(told.slice(1, 3), [
      ["organisation.updated", null],
      ["api_key.created", null],
    ]);
    rescued.close();
    assert.equal(await again.stop(), 0);
  });

  it("ENV-01 makes no key of the other environment, and a key of the other environment is refused", async () => {
    const other = startProcess(settings, "create-organisation", "Bank", "--environment", "test");
    assert.equal(await other.ended, 1);
    assert.match(other.stderr(), /^smartfinance: --environment test does not fit: this installation is live/);
    const help = startProcess(settings, "create-api-key", "--help");
    assert.equal(await help.ended, 0);
    assert.match(help.stdout(), /^npm run create-api-key -- ORGANISATION_ID/);
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
