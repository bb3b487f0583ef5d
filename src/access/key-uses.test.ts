import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newId, testClock } from "#test/support/builders.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import type { Fault } from "#storage/memory/memory-store.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { createKeyUses } from "./key-uses.ts";

function bench() {
  const database = createMemoryDatabase();
  let fault: Fault = { kind: "none" };
  const counts = { commits: 0 };
  const store = openMemoryStore(database, {
    clock: testClock(),
    faults: (operation) => {
      if (operation === "commit") counts.commits += 1;
      return operation === "commit" ? fault : { kind: "none" };
    },
  });
  return { store, counts, breakCommits: (kind: "none" | "unavailable") => (fault = { kind }) };
}

void describe("the uses of keys (KEY-02)", () => {
  void it("are known at once here, and elsewhere after they are written", async () => {
    const { store } = bench();
    const [here, there] = [createKeyUses(store), createKeyUses(store)];
    const [used, unused] = [newId("apiKey"), newId("apiKey")];
    here.note(used, 5);
    here.note(used, 9);
    assert.deepEqual([...(await here.read([used, unused]))], [[used, 9]]);
    assert.deepEqual([...(await there.read([used, unused]))], []);
    await here.flush();
    assert.deepEqual([...(await there.read([unused, used]))], [[used, 9]]);
    there.note(used, 12);
    assert.deepEqual([...(await there.read([used]))], [[used, 12]]);
    assert.deepEqual([...(await there.read([]))], []);
  });

  void it("are written in bulk: a key once, however often it was used, and nothing when nothing was", async () => {
    const { store, counts } = bench();
    const uses = createKeyUses(store);
    const ids = Array.from({ length: 250 }, () => newId("apiKey"));
    for (let n = 0; n < 20; n++) for (const id of ids) uses.note(id, n + 1);
    await uses.flush();
    assert.equal(counts.commits, 3);
    await uses.flush();
    assert.equal(counts.commits, 3);
    assert.equal((await createKeyUses(store).read(ids)).size, 250);
  });

  void it("are dropped, and nobody is stopped, while the store takes nothing", async () => {
    const { store, breakCommits } = bench();
    const uses = createKeyUses(store);
    const id = newId("apiKey");
    breakCommits("unavailable");
    uses.note(id, 5);
    await uses.flush();
    breakCommits("none");
    assert.deepEqual([...(await uses.read([id]))], []);
    uses.note(id, 6);
    await uses.flush();
    assert.deepEqual([...(await uses.read([id]))], [[id, 6]]);
  });
});
