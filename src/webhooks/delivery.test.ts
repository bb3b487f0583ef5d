import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newId, ORG, T0 } from "#test/support/builders.ts";
import type { Delivery } from "./delivery.ts";
import { bodyOf, deliveryFromItem, deliveryToItem } from "./delivery.ts";

void describe("a stored delivery", () => {
  const delivery = (version?: number): Delivery => ({
    id: newId("webhookDelivery"),
    endpointId: newId("webhookEndpoint"),
    event: {
      id: newId("event"),
      organisationId: ORG,
      type: "account.frozen",
      createdAt: "2026-01-05T12:00:00.000Z",
      objectId: "acc_1",
      ...(version === undefined ? {} : { version }),
    },
    keys: ["acc_1"],
    createdAt: T0,
    attempts: 0,
    nextAt: T0,
    last: null,
    resendOf: null,
  });

  void it("sends the same bytes at every attempt, with the object's version or, from before there was one, without", () => {
    for (const version of [undefined, 7]) {
      const made = delivery(version);
      const stored = deliveryFromItem(JSON.parse(JSON.stringify(deliveryToItem(made))) as ReturnType<typeof deliveryToItem>);
      assert.deepEqual(stored, made);
      assert.equal(bodyOf(stored), bodyOf(made));
      assert.equal((JSON.parse(bodyOf(stored)) as { data: { version?: number } }).data.version, version);
    }
  });
});
