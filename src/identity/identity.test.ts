import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { newId, ORG } from "#test/support/builders.ts";
import type { Item } from "#storage/index.ts";
import { assertStorable } from "#storage/validate-commit.ts";
import { organisations } from "./organisation.ts";
import type { User } from "./user.ts";
import { changedUser, newUser, statusReasons, users, userStatuses, userTypes } from "./user.ts";

const stored = (item: Item): Item => {
  assertStorable(item);
  return JSON.parse(JSON.stringify(item)) as Item;
};

const count = fc.nat();
const text = fc.string({ unit: "grapheme" });
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
const anyUser: fc.Arbitrary<User> = fc.record(
  {
    id: fc.constant(newId("user")),
    organisationId: fc.constant(ORG),
    type: fc.constantFrom(...userTypes),
    status: fc.constantFrom(...userStatuses),
    profile: optional(fc.record({ key_id: text, ciphertext: text }, { noNullPrototype: true })),
    emailIndex: optional(fc.string({ minLength: 1 })),
    phoneIndex: optional(fc.string({ minLength: 1 })),
    statusReason: optional(fc.constantFrom(...statusReasons)),
    accountCount: count,
    sharedAccounts: fc.array(fc.constantFrom(newId("account"), newId("account"))),
    createdAt: count,
    updatedAt: count,
    closedAt: optional(count),
    erasedAt: optional(count),
    version: count,
  },
  { noNullPrototype: true },
);

void describe("stored users and organisations", () => {
  void it("come back as they were", () => {
    fc.assert(fc.property(anyUser, (user) => assert.deepEqual(users.fromItem(stored(users.toItem(user))), user)));
    fc.assert(
      fc.property(text, count, count, (name, createdAt, version) => {
        const organisation = { id: ORG, name, createdAt, version };
        const kept = organisations.fromItem(stored(organisations.toItem(organisation as Parameters<typeof organisations.toItem>[0])));
        assert.deepEqual({ ...kept, ...organisation }, kept);
      }),
    );
  });

  void it("are in the indexes of what they have, and in no other", () => {
    fc.assert(
      fc.property(anyUser, (user) => {
        const item = users.toItem(user);
        assert.equal("email_index" in item, user.emailIndex !== null);
        assert.equal("phone_index" in item, user.phoneIndex !== null);
        assert.equal(item.status_key, `${ORG}#${user.status}`);
      }),
    );
  });

  void it("change with their times going forward only", () => {
    const fields = { id: newId("user"), organisationId: ORG, type: "business" as const, profile: {}, emailIndex: "e", phoneIndex: null };
    const user = newUser(fields, 1_000);
    assert.deepEqual([user.status, user.version, user.createdAt, user.updatedAt, user.closedAt], ["active", 1, 1_000, 1_000, null]);
    const closed = changedUser(user, { status: "closed", closedAt: 900 }, 900);
    assert.deepEqual([closed.status, closed.version, closed.updatedAt, closed.emailIndex], ["closed", 2, 1_000, "e"]);
  });
});
