import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actorOf, newId, T0 } from "#test/support/builders.ts";
import { buildEvent } from "#audit/index.ts";
import type { UserId } from "#kernel/ids.ts";
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

  void it("tell of a user's factors, without the version of the set, and not of an operator's", () => {
    const told = (userId: string | undefined, type: "factor.added" | "factor.blocked", objectId: string) => {
      const draft = { id, type, objectId, ...(userId === undefined ? {} : { userId: userId as UserId }) };
      const event = publicEventOf(buildEvent(draft, actorOf(), T0, { version: 7, changes: [] }).item);
      return event === undefined ? undefined : presentPublicEvent(event)["data"];
    };
    assert.deepEqual(told("usr_1", "factor.added", "fac_1"), { object: "fac_1", object_type: "factor" });
    assert.deepEqual(told("usr_1", "factor.blocked", "usr_1"), { object: "usr_1", object_type: "user" });
    assert.equal(told(undefined, "factor.added", "fac_1"), undefined);
    assert.equal(told(undefined, "factor.blocked", "opr_1"), undefined);
  });

  void it("tell how an authentication ended", () => {
    const { item } = buildEvent({ id, type: "authentication.succeeded", objectId: "aut_1" }, actorOf(), T0, { version: 2, changes: [] });
    const event = publicEventOf(item);
    assert.ok(event);
    assert.deepEqual(presentPublicEvent(event)["data"], { object: "aut_1", object_type: "authentication", version: 2 });
  });

  void it("are told of no other audit event", () => {
    const { item } = buildEvent({ id, type: "audit_log.read", objectId: "key_1" }, actorOf(), T0);
    assert.equal(publicEventOf(item), undefined);
  });
});
