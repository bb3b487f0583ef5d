import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { makeAuthority } from "../support/certificates.ts";
import { createTlsClient, ok, rawConnection } from "../support/http-client.ts";
import { startProcess } from "../support/process.ts";

const directory = mkdtempSync(join(tmpdir(), "smartfinance-tls-process-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const file = (name: string): string => join(directory, name);
const WAITS_MAX = 200;

const first = makeAuthority("First");
const second = makeAuthority("Second");
const asked = { name: "localhost", usage: "server", hosts: ["127.0.0.1"] } as const;
const settings = {
  SMARTFINANCE_DATA_DIR: file("data"),
  SMARTFINANCE_TLS_CERT_FILE: file("server.pem"),
  SMARTFINANCE_TLS_KEY_FILE: file("server.key"),
};
function install({ certificate, key }: { readonly certificate: string; readonly key: string }): void {
  writeFileSync(settings.SMARTFINANCE_TLS_CERT_FILE, certificate);
  writeFileSync(settings.SMARTFINANCE_TLS_KEY_FILE, key, { mode: 0o600 });
}

/** Whether a new connection that trusts only this authority is served. */
async function serves(url: string, ca: string): Promise<boolean> {
  const client = createTlsClient(url, undefined, { ca });
  try {
    ok(await client.get("/readyz"), 200);
    return true;
  } catch {
    return false;
  } finally {
    client.close();
  }
}

describe("the process over TLS", () => {
  it("ENC-11: speaks TLS alone, takes new certificates on SIGHUP, and keeps the old ones when the new are wrong", async () => {
    install(first.issue(asked));
    const running = startProcess(settings);
    const url = await running.url;
    assert.match(url, /^https:/);
    assert.equal(await serves(url, first.certificate), true);
    const plain = rawConnection(url);
    plain.write("GET /healthz HTTP/1.1\r\nhost: t\r\n\r\n");
    assert.doesNotMatch(await plain.ended, /HTTP/);

    install(second.issue(asked));
    running.signal("SIGHUP");
    for (let n = 0; n < WAITS_MAX && !(await serves(url, second.certificate)); n++) await sleep(10);
    assert.equal(await serves(url, second.certificate), true);
    assert.equal(await serves(url, first.certificate), false);

    install({ certificate: first.issue(asked).certificate, key: second.issue(asked).key });
    running.signal("SIGHUP");
    for (let n = 0; n < WAITS_MAX && !running.stdout().includes("not read anew"); n++) await sleep(10);
    assert.match(running.stdout(), /not read anew; the ones in use stay/);
    assert.equal(await serves(url, second.certificate), true);
    assert.equal(await running.stop(), 0);
  });

  it("ENC-11: does not start with files that do not go together, nor in the clear for live keys", async () => {
    install({ certificate: first.issue(asked).certificate, key: second.issue(asked).key });
    const live = { SMARTFINANCE_DATA_DIR: file("live"), SMARTFINANCE_ENVIRONMENT: "live", SMARTFINANCE_HOST: "0.0.0.0" };
    for (const [environment, message] of [
      [settings, /^smartfinance: the TLS certificate in .*server\.pem does not belong to the key in .*server\.key\n$/],
      [live, /^smartfinance: SMARTFINANCE_HOST is "0\.0\.0\.0", .*TLS_CERT_FILE.*\n$/],
    ] as const) {
      const process = startProcess(environment);
      assert.equal(await process.ended, 1);
      assert.match(process.stderr(), message);
    }
  });
});
