import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { seededRandom, testClock } from "#test/support/builders.ts";
import { createIds } from "#kernel/ids.ts";
import type { Item } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { InvalidCiphertextError, KmsUnavailableError } from "./kms.ts";
import { openLocalKms } from "./local-kms.ts";
import { probeFailure } from "./probe-failure.ts";
import { createVault } from "./vault.ts";

const TABLE = "smartfinance-data-keys";
const clock = testClock();
const random = seededRandom(8);
let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "smartfinance-probe-"));
});
after(() => rm(directory, { recursive: true }));

/** What the start ends with when the stored data key was changed so, and the key file is the one of this name. */
async function started(change: (item: Item) => Item, keyFile = "right.json"): Promise<string> {
  const open = (name: string) => openLocalKms({ file: join(directory, name), random, clock });
  const store = openMemoryStore(createMemoryDatabase(), { clock });
  const ids = createIds(clock, random);
  const organisation = ids.next("organisation");
  const { id } = await createVault({ store, kms: await open("right.json"), clock, ids, random }).dataKey(organisation);
  const item = await store.get(TABLE, { hash: id });
  assert.ok(item);
  await store.commit([{ op: "put", table: TABLE, item: change(item), condition: "none" }]);
  const vault = createVault({ store, kms: await open(keyFile), clock, ids, random });
  return vault.probe(organisation).then(
    () => "started",
    (error: unknown) => String(probeFailure(error, "key file k.json")),
  );
}

void describe("a start that fails on the first data key", () => {
  void it("tells a wrong key file", async () => {
    assert.equal(await started((item) => item), "started");
    assert.match(await started((item) => item, "wrong.json"), /^Error: the key file k\.json does not open .*restore the right one/);
  });

  void it("tells a wrong key file where the newest keys are all of users who were erased", async () => {
    const open = (name: string) => openLocalKms({ file: join(directory, name), random, clock });
    const store = openMemoryStore(createMemoryDatabase(), { clock });
    const ids = createIds(clock, random);
    const organisation = ids.next("organisation");
    const right = createVault({ store, kms: await open("right.json"), clock, ids, random });
    await right.dataKey(organisation);
    for (let n = 0; n < 101; n++) {
      const { id } = await right.userKey(organisation, ids.next("user"));
      const item = await store.get(TABLE, { hash: id });
      assert.ok(item);
      const destroyed = { ...item, state: "destroyed", wrapped_key: null };
      await store.commit([{ op: "put", table: TABLE, item: destroyed, condition: "none" }]);
    }
    await right.probe(organisation);
    const wrong = createVault({ store, kms: await open("wrong.json"), clock, ids, random });
    await assert.rejects(wrong.probe(organisation), InvalidCiphertextError);
  });

  void it("tells a record that is damaged or of another format, and does not blame the key file", async () => {
    const damaged = /^Error: a data key in this store is damaged or was written by another version .*k\.json is not at fault/;
    assert.match(await started((item) => ({ ...item, number: null })), damaged);
    assert.match(await started((item) => ({ ...item, purpose: null })), damaged);
    assert.match(await started((item) => ({ ...item, state: "on" })), damaged);
    assert.match(await started((item) => ({ ...item, wrapped_key: "AAAA" })), damaged);
  });

  void it("passes on an outage, and what it does not know, as they are", () => {
    for (const error of [new KmsUnavailableError("down"), new TypeError("a bug")]) assert.equal(probeFailure(error, "key"), error);
  });
});
