import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { actorOf, newId, ORG, OTHER_ORG, paymentDeps, testClock } from "#test/support/builders.ts";
import type { Item } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { assertStorable } from "#storage/validate-commit.ts";
import { createUser, presentUser } from "./create-user.ts";
import { organisations } from "./organisation.ts";
import { readUser, users } from "./user.ts";

const stored = (item: Item): Item => {
  assertStorable(item);
  return JSON.parse(JSON.stringify(item)) as Item;
};

void describe("stored users and organisations", () => {
  void it("come back as they were", () => {
    const count = fc.nat();
    fc.assert(
      fc.property(count, count, count, fc.string({ unit: "grapheme" }), (accountCount, createdAt, version, name) => {
        const user = { id: newId("user"), organisationId: ORG, name: { text: name }, accountCount, createdAt, version };
        assert.deepEqual(users.fromItem(stored(users.toItem(user))), user);
        const organisation = { id: ORG, name, createdAt, version };
        assert.deepEqual(organisations.fromItem(stored(organisations.toItem(organisation))), organisation);
      }),
    );
  });
});

void describe("createUser", () => {
  void it("keeps the name sealed, shows it to its organisation, and is replayed", async () => {
    const database = createMemoryDatabase();
    const store = openMemoryStore(database);
    const deps = paymentDeps(store, testClock(), 5);
    const asked = { actor: actorOf(), idempotency: { id: "k", fingerprint: "f" } };
    const name = "Grace Höpper 👩‍💻";
    const executed = await createUser(deps, asked, { name });
    assert.ok(executed.ok && executed.reply.status === 201);
    const body = JSON.parse(executed.reply.body) as { id: ReturnType<typeof newId<"user">>; name: string; account_count: number };
    assert.deepEqual([body.name, body.account_count], [name, 0]);
    const user = await readUser(store, ORG, body.id);
    assert.ok(user);
    assert.ok(!JSON.stringify(user).includes("Grace"), "the name is not stored in the clear");
    assert.equal((await presentUser(deps.vault, user)).name, name);
    assert.equal(await readUser(store, OTHER_ORG, body.id), undefined);
    const events = [...database.dump()].filter(({ table }) => table === "smartfinance-audit-logs");
    assert.ok(events.length === 1 && !JSON.stringify(events).includes("Grace"));
    const again = await createUser(deps, asked, { name });
    assert.ok(again.ok && again.replayed && again.reply.body === executed.reply.body);
  });
});
