import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { T0 } from "#test/support/builders.ts";
import { systemRandom } from "#kernel/random.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import type { Kms } from "#vault/index.ts";
import { openLocalKms } from "#vault/index.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { EMPTY_ROOT } from "./hashing.ts";
import type { LogKeyDeps } from "./log-key.ts";
import { openLogKey } from "./log-key.ts";
import { LOG_TABLE, stateFromItem, stateKey } from "./rows.ts";

const random = systemRandom();
const clock = { now: () => T0, sleep: () => Promise.resolve() };

void describe("the log's key", () => {
  let folder = "";
  let kms: Kms;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "smartfinance-log-key-"));
    kms = await openLocalKms({ file: join(folder, "kms.json"), random });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  const deps = (more: Partial<LogKeyDeps> = {}): LogKeyDeps => ({
    store: openMemoryStore(createMemoryDatabase()),
    kms,
    clock,
    random,
    environment: "test",
    ...more,
  });

  void it("is made once, whoever asks first, and stays the same", async () => {
    const database = createMemoryDatabase();
    const nodes = Array.from({ length: 5 }, () => deps({ store: openMemoryStore(database), origin: "bank.example/audit" }));
    const keys = await Promise.all(nodes.map(openLogKey));
    assert.equal(new Set(keys.map(({ verifier }) => verifier.vkey)).size, 1);
    assert.equal(keys[0]?.verifier.name, "bank.example/audit");
    const later = await openLogKey(deps({ store: openMemoryStore(database), origin: "other.example" }));
    assert.equal(later.verifier.vkey, keys[0]?.verifier.vkey);
  });

  void it("is stored wrapped only, with a first checkpoint of an empty log", async () => {
    const own = deps();
    const { verifier, privateKey } = await openLogKey(own);
    const row = await own.store.get(LOG_TABLE, { hash: "key" });
    assert.ok(row);
    const seed = privateKey.export({ format: "der", type: "pkcs8" }).subarray(-32);
    for (const form of ["base64", "base64url", "hex"] as const) assert.ok(!JSON.stringify(row).includes(seed.toString(form)));
    const state = await own.store.get(LOG_TABLE, stateKey);
    assert.ok(state);
    const opened = openCheckpoint(stateFromItem(state).checkpoint, verifier);
    assert.ok(opened.ok);
    assert.equal(opened.checkpoint.size, 0);
    assert.ok(opened.checkpoint.root.equals(EMPTY_ROOT));
    assert.match(verifier.name, /^smartfinance\/[0-9a-f]{16}$/);
  });

  void it("opens in no other kind of installation, and not without the KMS", async () => {
    const own = deps();
    await openLogKey(own);
    await assert.rejects(openLogKey({ ...own, environment: "live" }));
    const down = { ...kms, decrypt: () => Promise.reject(new Error("down")) };
    await assert.rejects(openLogKey({ ...own, kms: down }), /down/);
  });

  void it("is wrapped anew under the KMS's current key, and stays the same key", async () => {
    const own = deps();
    const { verifier } = await openLogKey(own);
    let asked = 0;
    const rotated: Kms = {
      ...kms,
      decrypt: (wrapped, context) => kms.decrypt(wrapped, context),
      describe: () =>
        Promise.resolve({ engine: "local", custodian: "test", keys: [{ id: "newer", state: "enabled", current: true, createdAt: null }] }),
      reEncrypt: (wrapped) => {
        asked += 1;
        return Promise.resolve({ wrapped, kmsKeyId: "newer" });
      },
    };
    for (let start = 0; start < 2; start++) assert.equal((await openLogKey({ ...own, kms: rotated })).verifier.vkey, verifier.vkey);
    assert.equal(asked, 1);
    assert.equal((await own.store.get(LOG_TABLE, { hash: "key" }))?.["kms_key_id"], "newer");
  });
});
