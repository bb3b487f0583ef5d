import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { newId } from "#test/support/builders.ts";
import type { EventDraft } from "#audit/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection, Versioned } from "#storage/index.ts";
import type { Change } from "./command.ts";
import { change } from "./command.ts";
import { tellObjects } from "./told.ts";

interface Thing extends Versioned {
  readonly id: string;
  readonly facts: JsonObject;
}

const things: Collection<Thing> = {
  table: "smartfinance-meta",
  told: {
    prefix: "thing_",
    keyOf: (_organisationId, id) => ({ hash: id }),
    facts: ({ facts }) => facts,
    isSame: (a, b) => a.facts === b.facts,
    implied: { has: ({ facts }) => facts["plain"] === true, of: () => undefined },
  },
  keyOf: ({ id }) => ({ hash: id }),
  toItem: (thing) => ({ ...thing }),
  fromItem: (item) => item as unknown as Thing,
};
const { told: _told, ...untold } = things;
const thing = (id: string, version: number, facts: JsonObject): Change => change(things, { id, version, facts });
const event = (objectId: string, more: Partial<EventDraft> = {}): EventDraft => ({
  id: newId("event"),
  type: "account.updated",
  objectId,
  ...more,
});
const none = (): undefined => undefined;

void describe("tellObjects", () => {
  void it("tells of a new record all its facts, and of a changed one those that differ or are gone", () => {
    const one = event("a");
    const fresh = tellObjects([thing("a", 1, { x: 1, y: null })], [one], none);
    assert.deepEqual(fresh.changesOf(one), [{ objectId: "a", version: 1, set: { x: 1 } }]);
    const before = { id: "a", version: 4, facts: { x: 1, y: { z: [1] }, w: 2 } };
    const changed = tellObjects([thing("a", 5, { x: 2, y: { z: [1] } })], [one], () => before);
    assert.deepEqual(changed.changesOf(one), [{ objectId: "a", version: 5, set: { x: 2, w: null } }]);
    assert.equal(changed.versionOf(one), 5);
  });

  void it("tells nothing of what is the same, of what its event says anyway, and of collections that nobody is told of", () => {
    const one = event("a");
    const facts = { x: 1 };
    for (const [given, before] of [
      [thing("a", 2, facts), { version: 1, id: "a", facts }],
      [thing("a", 2, { x: 1 }), { version: 1, id: "a", facts }],
      [thing("a", 1, { plain: true, x: 1 }), undefined],
      [change(untold, { id: "a", version: 1, facts }), undefined],
    ] as const) {
      const told = tellObjects([given], [one], () => before);
      assert.equal(told.changesOf(one), undefined);
      assert.equal(told.versionOf(one), given.record.version, "its version is told all the same");
    }
  });

  void it("knows no version of what the command has not written", () => {
    assert.equal(tellObjects([thing("a", 1, {})], [event("a")], none).versionOf(event("b")), undefined);
    const bare = change({ ...untold, keyOf: () => ({ hash: "p", range: "r" }) }, { version: 3 } as unknown as Thing);
    assert.equal(tellObjects([bare], [event("r")], none).versionOf(event("r")), 3);
  });

  void it("tells the version of the object itself, not of what is kept under its id beside it, wherever that stands", () => {
    // What a payment waits for is kept under the payment's id, and sealed anew apart from it.
    const beside = change({ ...untold, keyOf: () => ({ hash: "txn_1" }) }, { version: 7 } as unknown as Thing);
    const own = thing("txn_1", 3, {});
    const more = Array.from({ length: 20 }, (_, n) => thing(`other_${n}`, 1, {}));
    for (const changes of [
      [beside, own],
      [own, beside],
      [beside, own, ...more],
      [own, ...more, beside],
    ])
      assert.equal(tellObjects(changes, [event("txn_1")], none).versionOf(event("txn_1")), 3);
  });

  void it("tells each change once, with the event it belongs to, however many there are", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), (count) => {
        const events = Array.from({ length: count }, (_, n) => event(`txn_${n}`));
        const changes = events.flatMap((_, n) => [
          thing(`txn_${n}`, 1, { amount: n }),
          thing(`rev_${n}`, 1, { transaction_id: `txn_${n}` }),
          thing(`acc_${n}`, 2, { [`reserved.txn_${n}`]: { amount: n } }),
          thing(`other_${n}`, 1, { x: n }),
        ]);
        const told = tellObjects(changes, events, none);
        const dealt = events.map((one) => told.changesOf(one) ?? []);
        assert.deepEqual(
          dealt
            .flat()
            .map(({ objectId }) => objectId)
            .sort(),
          changes.map(({ record }) => (record as Thing).id).sort(),
        );
        for (const [n, own] of dealt.entries()) {
          const expected = [`txn_${n}`, `rev_${n}`, `acc_${n}`];
          // What belongs to nothing goes with the first.
          assert.deepEqual(
            own.map(({ objectId }) => objectId).filter((id) => !id.startsWith("other_")),
            expected,
          );
          assert.equal(told.versionOf(events[n] as EventDraft), 1);
        }
      }),
    );
  });
});
