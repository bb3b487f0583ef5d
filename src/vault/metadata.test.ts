import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { newId, ORG, OTHER_ORG, paymentDeps, testClock } from "#test/support/builders.ts";
import type { JsonObject } from "#kernel/json.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { openMetadata, sealMetadata, sealOptional } from "./metadata.ts";
import { DataKeyNotFoundError } from "./errors.ts";

const TABLE = "smartfinance-transactions";
const { vault } = paymentDeps(openMemoryStore(createMemoryDatabase()), testClock(), 9);

void describe("metadata", () => {
  void it("comes back as it was, and is not readable meanwhile", async () => {
    const metadata = fc.dictionary(fc.stringMatching(/^[A-Za-z0-9_.:-]{1,40}$/), fc.string({ unit: "grapheme", maxLength: 60 }), {
      maxKeys: 20,
      noNullPrototype: true,
    });
    await fc.assert(
      fc.asyncProperty(metadata, async (pairs) => {
        const record = newId("transaction");
        const sealed = await sealOptional(vault, ORG, TABLE, record, pairs);
        assert.ok(sealed !== null);
        assert.deepEqual(await openMetadata(vault, ORG, TABLE, record, JSON.parse(JSON.stringify(sealed)) as JsonObject), pairs);
      }),
      { numRuns: 60 },
    );
    const sealed = await sealOptional(vault, ORG, TABLE, "r", { iban: "DE00-SECRET" });
    assert.ok(!JSON.stringify(sealed).includes("SECRET"));
  });

  void it("stays null where there is none, and reads as empty", async () => {
    assert.equal(await sealOptional(vault, ORG, TABLE, "r", undefined), null);
    assert.deepEqual(await openMetadata(vault, ORG, TABLE, "r", null), {});
    assert.notEqual(await sealOptional(vault, ORG, TABLE, "r", {}), null);
  });

  void it("opens only where it was sealed for: record, table and organisation", async () => {
    const dataKey = await vault.dataKey(ORG);
    const sealed = sealMetadata(vault, dataKey, TABLE, "one", { a: "b" });
    assert.deepEqual(await openMetadata(vault, ORG, TABLE, "one", sealed), { a: "b" });
    await assert.rejects(openMetadata(vault, ORG, TABLE, "two", sealed), { name: "SealBrokenError" });
    await assert.rejects(openMetadata(vault, ORG, "smartfinance-holds", "one", sealed), { name: "SealBrokenError" });
    await assert.rejects(openMetadata(vault, OTHER_ORG, TABLE, "one", sealed), DataKeyNotFoundError);
  });
});
