import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { actorOf, minor, newId, ORG, T0 } from "#test/support/builders.ts";
import { canonicalJson } from "#kernel/canonical-json.ts";
import { PARTITIONS, partitionName, partitionOf } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Minor } from "#kernel/money.ts";
import type { Item } from "#storage/index.ts";
import { assertStorable, keyOf } from "#storage/validate-commit.ts";
import type { Actor, EventDraft, EventObjects } from "./event.ts";
import { buildEvent, checksumOf, presentEvent } from "./event.ts";
import { eventTypes } from "./event-types.ts";

const text = fc.string({ unit: "grapheme" });
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const signed = fc.bigInt({ min: -9007199254740991n, max: 9007199254740991n }).map((n) => n as Minor);
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    text,
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => !Number.isInteger(n) || Number.isSafeInteger(n)),
    fc.boolean(),
    fc.constant(null),
    tie("list"),
    tie("object"),
  ),
  list: fc.array(tie("any"), { maxLength: 3 }),
  // Names that are numbers are the trap: an object lists them first, RFC 8785 sorts them as texts.
  object: fc.dictionary(fc.oneof(text, fc.nat(300).map(String)), tie("any"), { maxKeys: 4, noNullPrototype: true }),
}));
const details = value.object.filter((object) => !JSON.stringify(object).includes("__proto__")) as fc.Arbitrary<JsonObject>;

const draft: fc.Arbitrary<EventDraft> = fc.record({
  id: fc.constantFrom(...Array.from({ length: 40 }, () => newId("event"))),
  type: fc.constantFrom(...eventTypes),
  objectId: text,
  userId: optional(text),
  transactionId: optional(text),
  amount: optional(signed),
  currency: optional(text),
  entries: optional(fc.array(fc.record({ accountId: text, amount: signed }), { maxLength: 4 })),
  details: optional(details),
});
const actor: fc.Arbitrary<Actor> = fc.record({
  organisationId: fc.constant(ORG),
  apiKeyId: fc.option(text),
  operatorId: fc.option(text, { nil: undefined }),
  ip: fc.option(text),
  userAgent: fc.option(text),
  requestId: fc.option(text),
});
const objects: fc.Arbitrary<EventObjects> = fc.record({
  version: optional(fc.integer({ min: 1 })),
  changes: optional(fc.array(fc.record({ objectId: text, version: fc.integer({ min: 1 }), set: details }), { minLength: 1, maxLength: 3 })),
});
const time = fc.integer({ min: 0, max: 253402300799999 });

void describe("buildEvent", () => {
  void it("has the checksum that the general canonicaliser gives, for any event", () => {
    fc.assert(
      fc.property(draft, actor, time, objects, (asked, by, at, about) => {
        const { item, line, text } = buildEvent(asked, by, at, about);
        assert.deepEqual([item.version, (item.changes as unknown[] | undefined)?.length], [about.version, about.changes?.length]);
        assert.deepEqual(JSON.parse(text), item, "the text is the item's");
        assert.equal(item.checksum, checksumOf(item));
        const logged = JSON.parse(line) as JsonObject;
        const { checksum, ...rest } = logged;
        assert.equal(checksum, hash("sha256", canonicalJson(rest)), "the logged line proves itself");
        // What a client can recompute from the answer of the API, as its contract says.
        const { id: _id, object: _object, checksum: shown, ...members } = presentEvent(item);
        assert.equal(shown, hash("sha256", canonicalJson(members)));
        assert.equal(checksumOf(JSON.parse(JSON.stringify(item)) as Item), item.checksum, "and survives being stored");
      }),
      { numRuns: 300 },
    );
  });

  void it("is stored under its partition, as every store takes it", () => {
    fc.assert(
      fc.property(draft, actor, time, (asked, by, at) => {
        const { item } = buildEvent(asked, by, at);
        assertStorable(JSON.parse(JSON.stringify(item)) as Item);
        assert.deepEqual(keyOf("smartfinance-audit-logs", item), { hash: partitionOf(ORG, asked.id), range: asked.id });
        assert.ok(Array.from({ length: PARTITIONS }, (_, n) => partitionName(ORG, n)).includes(String(item.partition)));
      }),
    );
  });

  void it("tells what happened, with nulls for what there is not", () => {
    const id = newId("event");
    const { item } = buildEvent(
      { id, type: "deposit.posted", objectId: "txn", amount: minor(7), entries: [{ accountId: "acc", amount: minor(-7) }] },
      actorOf(),
      T0,
    );
    const { checksum, partition, ...members } = item;
    assert.deepEqual(members, {
      amount: 7,
      api_key_id: "key_test",
      currency: null,
      details: null,
      entries: [{ account_id: "acc", amount: -7 }],
      event_id: id,
      event_type: "deposit.posted",
      ip_address: "192.0.2.1",
      object_id: "txn",
      organisation_id: ORG,
      request_id: "req_test",
      timestamp: "2026-01-05T12:00:00.000Z",
      transaction_id: null,
      user_agent: "test",
      user_id: null,
    });
    assert.match(String(checksum), /^[0-9a-f]{64}$/);
    assert.equal(partition, partitionOf(ORG, id));
  });

  void it("says of objects only what there is, in members that it has only then", () => {
    const asked: EventDraft = { id: newId("event"), type: "account.updated", objectId: "acc" };
    const plain = buildEvent(asked, actorOf(), T0).item;
    assert.ok(!("version" in plain) && !("changes" in plain));
    const told = buildEvent(asked, actorOf(), T0, { version: 2, changes: [{ objectId: "acc", version: 2, set: { status: "frozen" } }] });
    assert.deepEqual([told.item.version, told.item.changes], [2, [{ object_id: "acc", set: { status: "frozen" }, version: 2 }]]);
    assert.notEqual(told.item.checksum, plain.checksum);
  });

  void it("has another checksum when anything else is said", () => {
    const asked: EventDraft = { id: newId("event"), type: "account.updated", objectId: "acc", amount: minor(1), details: { a: 1 } };
    const base = buildEvent(asked, actorOf(), T0).item;
    for (const changed of [
      { ...asked, amount: minor(2) },
      { ...asked, details: { a: 2 } },
      { ...asked, objectId: "ac" },
      { ...asked, userId: "u" },
    ])
      assert.notEqual(buildEvent(changed, actorOf(), T0).item.checksum, base.checksum);
    assert.notEqual(buildEvent(asked, actorOf(), T0 + 1).item.checksum, base.checksum);
    assert.notEqual(checksumOf({ ...base, amount: 2 }), base.checksum);
  });
});

void describe("presentEvent", () => {
  void it("shows everything but where it is kept", () => {
    const { item } = buildEvent({ id: newId("event"), type: "user.created", objectId: "usr" }, actorOf(), T0);
    const { partition: _partition, ...rest } = item;
    assert.deepEqual(presentEvent(item), { id: item.event_id, object: "event", ...rest });
  });
});
