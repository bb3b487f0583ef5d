import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { startProcess } from "../support/process.ts";

const directory = mkdtempSync(join(tmpdir(), "smartfinance-fails-"));
after(() => rmSync(directory, { recursive: true, force: true }));

/** The one line of a process that could not start. */
async function whyNot(settings: Readonly<Record<string, string>>): Promise<string> {
  const failed = startProcess({ SMARTFINANCE_DATA_DIR: join(directory, "data"), ...settings });
  assert.equal(await failed.ended, 1, failed.stdout());
  assert.match(failed.stderr(), /^smartfinance: [^\n]+\n$/);
  return failed.stderr();
}

describe("a process that cannot start ends with one line that names the setting", () => {
  it("where it cannot listen", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const port = String((taken.address() as AddressInfo).port);
    assert.match(await whyNot({ SMARTFINANCE_PORT: port }), /SMARTFINANCE_PORT takes another port \(EADDRINUSE\)/);
    taken.close();
    assert.match(await whyNot({ SMARTFINANCE_HOST: "192.0.2.1" }), /SMARTFINANCE_HOST \(EADDRNOTAVAIL\)/);
    assert.match(await whyNot({ SMARTFINANCE_HOST: "nowhere.invalid" }), /SMARTFINANCE_HOST \((ENOTFOUND|EAI_AGAIN)\)/);
  });

  it("where its data lies", async () => {
    const file = join(directory, "file");
    writeFileSync(file, "not a folder");
    assert.match(await whyNot({ SMARTFINANCE_DATA_DIR: file }), /SMARTFINANCE_DATA_DIR .* there is a file of this name/);
    assert.match(await whyNot({ SMARTFINANCE_DATA_DIR: join(file, "below") }), /SMARTFINANCE_DATA_DIR .* a part of the path is a file/);
    const broken = join(directory, "broken");
    mkdirSync(broken);
    writeFileSync(join(broken, "smartfinance.db"), "this is not a database, though it is long enough to be looked at".repeat(100));
    assert.match(await whyNot({ SMARTFINANCE_DATA_DIR: broken }), /smartfinance\.db .*SMARTFINANCE_DATA_DIR.* file is not a database/);
  });

  it("tells a first start without a demo what comes next", async () => {
    const empty = startProcess({ SMARTFINANCE_DATA_DIR: join(directory, "live"), SMARTFINANCE_ENVIRONMENT: "live" });
    await empty.url;
    assert.equal(await empty.stop(), 0);
    assert.match(empty.stdout(), /no organisation yet.*npm run create-organisation/);
  });
});
