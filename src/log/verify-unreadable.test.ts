import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, newId, T0 } from "#test/support/builders.ts";
import { buildEvent } from "#audit/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Item, Store } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { sealAll, signer } from "./testing/tampering.ts";
import type { ToldCollection } from "./verify-state.ts";
import { verifyStore } from "./verify-store.ts";

const things = {
  table: "smartfinance-meta",
  told: {
    prefix: "thing_",
    keyOf: (_organisationId: string, id: string) => ({ hash: id }),
    facts: (): JsonObject => ({}),
    implied: { has: () => false, of: () => ({}) },
  },
  keyOf: ({ id }: Item) => ({ hash: String(id) }),
  toItem: (item: Item) => item,
  fromItem: (item: Item) => item,
} as unknown as ToldCollection;

void describe("verifyStore where the objects of a good log may not be read", () => {
  void it("says that it could not look, and accuses nobody", async () => {
    const store = openMemoryStore(createMemoryDatabase());
    for (let n = 0; n < 600; n++) {
      const { item } = buildEvent({ id: newId("event"), type: "account.updated", objectId: `thing_${n}` }, actorOf(), T0, { version: 1 });
      await store.commit([{ op: "put", table: "smartfinance-audit-logs", item, condition: "absent" }]);
    }
    await sealAll(store);
    const denied: Store = {
      ...store,
      getMany: (refs) =>
        refs.some(({ table }) => table === "smartfinance-meta") ? Promise.reject(new Error("AccessDeniedException")) : store.getMany(refs),
    };
    await assert.rejects(verifyStore({ store: denied, log: signer.verifier, told: [things] }), /AccessDenied/);
  });
});
