import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { OrganisationId, WebhookDeliveryId, WebhookEndpointId } from "#kernel/ids.ts";
import type { Delivery } from "./delivery.ts";
import type { Entry } from "./waiting-line.ts";
import { createWaitingLine } from "./waiting-line.ts";

const deliveryOf = (place: number, keys: readonly string[]): Delivery => ({
  id: `dlv_${String(place).padStart(4, "0")}` as WebhookDeliveryId,
  endpointId: "whk" as WebhookEndpointId,
  event: { id: "evt", organisationId: "org" as OrganisationId, type: "transfer.posted", createdAt: "", objectId: "txn" },
  keys,
  createdAt: 0,
  attempts: 0,
  nextAt: 0,
  last: null,
  resendOf: null,
});

const keys = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e"), { maxLength: 3 });

void describe("createWaitingLine", () => {
  void it("ends every delivery once, and never one before an earlier one that shares a key, whatever fails and in which order", () => {
    const steps = fc.array(fc.record({ pick: fc.nat(6), outcome: fc.constantFrom("end", "end", "fail", "put_back") }), { maxLength: 400 });
    fc.assert(
      fc.property(fc.array(keys, { minLength: 1, maxLength: 30 }), steps, fc.integer({ min: 1, max: 12 }), (all, moves, window) => {
        const line = createWaitingLine();
        let now = 0;
        // What the store has, in order, and when each is due.
        const stored = new Map(all.map((own, place) => [place, { delivery: deliveryOf(place, own), dueAt: 0 }]));
        const order: number[] = [];
        const sending: Entry[] = [];
        let position = -1;
        const placeOf = (entry: Entry): number => Number(entry.delivery.id.slice(4));
        const turn = (pick: number, outcome: string): void => {
          if (line.nextDue <= now) {
            line.restart();
            position = -1;
          }
          for (const [place, { delivery, dueAt }] of stored) {
            if (line.size >= window) break;
            if (place <= position) continue;
            position = place;
            if (!line.has(delivery.id)) line.look(delivery, dueAt, now);
          }
          const next = sending.length < 4 ? line.next() : undefined;
          if (next !== undefined) sending.push(next);
          const [entry] = sending.splice(pick % Math.max(1, sending.length), 1);
          if (entry === undefined) return;
          const place = placeOf(entry);
          if (outcome === "end") {
            line.end(entry);
            stored.delete(place);
            order.push(place);
          } else if (outcome === "fail") {
            stored.set(place, { delivery: entry.delivery, dueAt: now + 5 });
            line.postpone(entry, now + 5);
          } else line.putBack(entry);
          now += 1;
        };
        for (const { pick, outcome } of moves) turn(pick, outcome);
        for (let rounds = 0; rounds < 40 * all.length && stored.size > 0; rounds++) {
          turn(0, "end");
          now += 1;
        }
        assert.equal(stored.size, 0, "a delivery is stuck");
        assert.deepEqual(
          order.toSorted((a, b) => a - b),
          all.map((_own, place) => place),
        );
        for (const [at, place] of order.entries())
          for (const later of order.slice(at + 1))
            if (later < place) assert.ok(!all[later]?.some((key) => all[place]?.includes(key)), `${place} has overtaken ${later}`);
      }),
      { numRuns: 400 },
    );
  });

  void it("tells when the first of those that wait comes due, and lets the others go meanwhile", () => {
    const line = createWaitingLine();
    for (const [place, own] of [["a"], ["a"], ["b"]].entries()) line.look(deliveryOf(place, own), 0, 0);
    const first = line.next();
    assert.ok(first);
    line.postpone(first, 50);
    assert.deepEqual([line.size, line.passedOver, line.nextDue], [1, 2, 50]);
    assert.equal(line.next()?.delivery.id, "dlv_0002");
    assert.equal(line.next(), undefined);
  });
});
