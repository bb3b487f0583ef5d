import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, newId, T0 } from "#test/support/builders.ts";
import { buildEvent } from "#audit/index.ts";
import { presentPublicEvent, publicEventOf } from "./public-event.ts";

void describe("public events", () => {
  const id = newId("event");
  const shown = (version: number | undefined) => {
    const { item } = buildEvent({ id, type: "account.frozen", objectId: "acc_1" }, actorOf(), T0, {
      version,
      changes: [{ objectId: "acc_1", version: 3, set: { status: "frozen" } }],
    });
    const event = publicEventOf(item);
    assert.ok(event);
    return presentPublicEvent(event);
  };

  void it("name the object with its version, and not what it is like", () => {
    assert.deepEqual(shown(3), {
      id,
      object: "event",
      type: "account.frozen",
      created_at: "2026-01-05T12:00:00.000Z",
      data: { object: "acc_1", object_type: "account", version: 3 },
    });
  });

  void it("name none where the stored event has none", () => {
    assert.deepEqual(shown(undefined)["data"], { object: "acc_1", object_type: "account" });
  });

  void it("are told of no other audit event", () => {
    const { item } = buildEvent({ id, type: "audit_log.read", objectId: "key_1" }, actorOf(), T0);
    assert.equal(publicEventOf(item), undefined);
  });
});
