import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { readConfig } from "./config.ts";
import { listenFailure, makeDataDir, storeFailure } from "./start-failure.ts";

const directory = mkdtempSync(join(tmpdir(), "smartfinance-start-"));
after(() => rmSync(directory, { recursive: true }));
const config = readConfig({ SMARTFINANCE_DATA_DIR: directory });
const failing = (code: string): Error => Object.assign(new Error("raw"), { code });

void describe("a start that fails", () => {
  void it("names the setting of what it cannot listen on", () => {
    for (const [code, setting] of [
      ["EADDRINUSE", "SMARTFINANCE_PORT"],
      ["EADDRNOTAVAIL", "SMARTFINANCE_HOST"],
      ["ENOTFOUND", "SMARTFINANCE_HOST"],
      ["EACCES", "SMARTFINANCE_PORT"],
    ] as const) {
      const told = String(listenFailure(failing(code), config));
      assert.ok(told.includes("cannot listen on 127.0.0.1, port 8080") && told.includes(setting) && told.includes(code), told);
    }
    const other = new Error("something else");
    assert.equal(listenFailure(other, config), other);
  });

  void it("makes the folder of the data for its owner alone, and says why when it cannot", () => {
    const made = join(directory, "a", "b");
    makeDataDir(made);
    makeDataDir(made);
    assert.equal(statSync(made).mode & 0o777, 0o700);
    const file = join(directory, "file");
    writeFileSync(file, "");
    assert.throws(
      () => makeDataDir(file),
      /SMARTFINANCE_DATA_DIR ".*file" cannot be used as a folder: there is a file of this name \(EEXIST\)/,
    );
    assert.throws(() => makeDataDir(join(file, "below")), /a part of the path is a file \(ENOTDIR\)/);
  });

  void it("names the file that is no database, and leaves every other failure as it is", () => {
    const wrong = storeFailure(new Error("file is not a database"), config);
    assert.match(String(wrong), /smartfinance\.db .*SMARTFINANCE_DATA_DIR.* cannot be opened .*: file is not a database/);
    const clear = new Error(`${directory}/smartfinance.db is in use by another process`);
    assert.equal(storeFailure(clear, config), clear);
    const remote = new Error("no answer");
    const dynamodb = { ...config, store: "dynamodb" as const };
    assert.equal(storeFailure(remote, dynamodb), remote);
    assert.match(
      String(storeFailure(failing("ECONNREFUSED"), dynamodb)),
      /AWS itself, region eu-central-1; SMARTFINANCE_DYNAMODB_ENDPOINT/,
    );
    const nobody = Object.assign(new Error("Could not load credentials"), { name: "CredentialsProviderError" });
    assert.match(String(storeFailure(nobody, dynamodb)), /DynamoDB asks for AWS credentials, and none were found \(AWS_ACCESS_KEY_ID/);
    assert.equal(storeFailure(nobody, { ...config, dataDir: "Could not" }), nobody);
    assert.equal(storeFailure(undefined, config), undefined);
  });
});
