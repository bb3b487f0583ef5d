import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { actorOf, newId, ORG, T0 } from "#test/support/builders.ts";
import type { EventDraft, ObjectChange } from "#audit/index.ts";
import { buildEvent } from "#audit/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Item } from "#storage/index.ts";
import type { VerifiedStore } from "./stored-rows.ts";
import type { ToldCollection } from "./verify-state.ts";
import { createStateFold } from "./verify-state.ts";
import { Wrong } from "./verify-wrong.ts";

const things = {
  table: "smartfinance-meta",
  told: {
    prefix: "thing_",
    keyOf: (_organisationId: string, id: string) => ({ hash: id }),
    facts: (item: Item): JsonObject => ({ size: item["size"] ?? null, colour: item["colour"] ?? null, organisation_id: ORG }),
    implied: { has: () => false, of: ({ amount }: Item) => (amount === null ? undefined : { size: amount, organisation_id: ORG }) },
  },
  keyOf: ({ id }: Item) => ({ hash: String(id) }),
  toItem: (item: Item) => item,
  fromItem: (item: Item) => item,
} as unknown as ToldCollection;

const thing = (id: string, version: number, facts: JsonObject): Item => ({ id: `thing_${id}`, organisation_id: ORG, version, ...facts });

function storeOf(items: readonly Item[]): VerifiedStore {
  const byId = new Map(items.map((item) => [String(item["id"]), item]));
  return {
    getMany: (refs: readonly { readonly key: { readonly hash: string } }[]) => Promise.resolve(refs.map(({ key }) => byId.get(key.hash))),
    rows: () => items.map((item) => ({ hash: String(item["id"]), item })),
  } as unknown as VerifiedStore;
}

interface Told {
  readonly id: string;
  readonly version?: number;
  readonly set?: JsonObject;
  readonly type?: EventDraft["type"];
  readonly amount?: number;
}

function eventOf({ id, version, set, type = "account.updated", amount }: Told): Item {
  const objectId = `thing_${id}`;
  const changes: ObjectChange[] | undefined = set === undefined ? undefined : [{ objectId, version: version ?? 1, set }];
  const { item } = buildEvent({ id: newId("event"), type, objectId }, actorOf(), T0, { version, changes });
  return amount === undefined ? item : { ...item, amount };
}

/** What the comparison comes to: how many could not be compared wholly, or what is wrong. */
async function verdict(items: readonly Item[], events: readonly Told[], sealed = true): Promise<number | string> {
  const fold = createStateFold(storeOf(items), [things]);
  for (const event of events) await fold.add(eventOf(event), sealed);
  try {
    await fold.compare();
    return fold.untold;
  } catch (error) {
    if (error instanceof Wrong) return error.message;
    throw error;
  }
}

const born = (id: string, more: JsonObject = {}): Told => ({ id, version: 1, set: { organisation_id: ORG, size: 1, ...more } });

void describe("createStateFold", () => {
  void it("takes the value that the greatest version has set, in whatever order the events are told", async () => {
    const history: Told[] = [
      born("a", { colour: "red" }),
      { id: "a", version: 2, set: { size: 2 } },
      { id: "a", version: 5, set: { size: 5, colour: null } },
      { id: "a", version: 3, set: { colour: "blue" } },
    ];
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(history, { minLength: history.length }), async (events) => {
        assert.equal(await verdict([thing("a", 5, { size: 5 })], events), 0);
        assert.match(String(await verdict([thing("a", 5, { size: 2 })], events)), /thing_a has the size 2, its events say 5/);
        assert.match(String(await verdict([thing("a", 5, { size: 5, colour: "blue" })], events)), /colour "blue", its events say null/);
      }),
    );
  });

  void it("takes what an event implies for the beginning of an object, and only for that", async () => {
    const paid: Told = { id: "a", version: 1, amount: 7 };
    assert.equal(await verdict([thing("a", 1, { size: 7 })], [paid]), 0);
    assert.match(String(await verdict([thing("a", 1, { size: 8 })], [paid])), /size 8, its events say 7/);
    const later: Told = { id: "a", version: 2, set: { size: 9 } };
    for (const events of [
      [paid, later],
      [later, paid],
    ])
      assert.equal(await verdict([thing("a", 2, { size: 9 })], events), 0);
    assert.match(String(await verdict([], [paid])), /thing_a is gone/);
    // An event of its second version says what has become of it.
    assert.match(String(await verdict([thing("a", 2, { size: 7 })], [{ ...paid, version: 2 }])), /no event speaks of it/);
  });

  void it("counts what cannot be compared in a store from before events told, and believes no unsealed event that it is one", async () => {
    const created: Told = { id: "a", type: "account.created" };
    const stored = [thing("a", 4, { size: 3 })];
    assert.equal(await verdict(stored, [created]), 1);
    assert.match(String(await verdict(stored, [created], false)), /no event speaks of it/);
    // Told in part since then: what was told by the newest version is compared once all of it is.
    assert.equal(await verdict(stored, [created, { id: "a", version: 4, set: { size: 4 } }]), 1);
    assert.match(
      String(await verdict(stored, [created, { id: "a", version: 4, set: { organisation_id: ORG, size: 4 } }])),
      /its events say 4/,
    );
  });

  void it("refuses changes that are no changes", async () => {
    const fold = createStateFold(storeOf([]), [things]);
    const item = { ...eventOf(born("a")), changes: [{ object_id: "thing_a", set: 1, version: 1 }] };
    await assert.rejects(fold.add(item, true), Wrong);
  });
});
