import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fault, Operation } from "#storage/memory/memory-store.ts";
import { organisationOf, startApp } from "../support/app.ts";
import { ok } from "../support/http-client.ts";
import { startReceiver } from "../support/webhook-receiver.ts";
import { endpoint, eventually } from "./webhooks-kit.ts";

/** Faults in a fixed sequence, while they are switched on. */
function faulty(): { on: boolean; readonly faults: (operation: Operation) => Fault } {
  let n = 0;
  const kinds = ["throttled", "timeout_written", "timeout_unwritten", "unavailable"] as const;
  const state = {
    on: false,
    faults(operation: Operation): Fault {
      n += 1;
      if (!state.on || n % 5 !== 0) return { kind: "none" };
      if (operation === "commit") return { kind: kinds[(n / 5) % kinds.length] ?? "none" };
      return { kind: n % 35 === 0 ? "unavailable" : "none" };
    },
  };
  return state;
}

describe("webhooks with two nodes over one store", () => {
  it("loses nothing and keeps the order of accounts, through faults of the store and a change of leader", async () => {
    const weather = faulty();
    const one = await startApp({ store: "memory", webhooks: true, memory: { faults: weather.faults } });
    const two = await startApp({ store: "memory", webhooks: true, besides: one });
    const target = await startReceiver();
    try {
      const own = await one.newOrganisation();
      const there = organisationOf(own, two.anonymous.as(own.apiKey));
      const pairs: (readonly [string, string])[] = [];
      for (let n = 0; n < 4; n++) pairs.push([await own.account({ balance: 10_000 }), await own.account()]);
      const made = await endpoint(own, target.url, { event_types: ["transfer.posted"] });
      const wanted = pairs.map((): string[] => []);
      const pay = async (rounds: number): Promise<void> => {
        for (let round = 0; round < rounds; round++) {
          await Promise.all(
            pairs.map(async ([from, to], n) => {
              // The receiver is told of what was acknowledged; what the faults refuse is none of its business.
              const answer = await (round % 2 === 0 ? own : there).transfer(from, to, 1);
              if (answer.status === 201) wanted[n]?.push(answer.body.id);
            }),
          );
        }
      };
      weather.on = true;
      await pay(10);
      // The one that leads stops; the other takes over.
      await one.app.webhooks.stop();
      await pay(10);
      weather.on = false;
      const all = wanted.flat();
      assert.ok(all.length > 20);
      const seen = (): string[] => target.received.map(({ event }) => event.data.object);
      await target.until(() => all.every((id) => seen().includes(id)), 12_000);
      for (const ids of wanted) {
        const firsts = ids.map((id) => seen().indexOf(id));
        assert.deepEqual(
          firsts,
          firsts.toSorted((a, b) => a - b),
          "an account's events came out of order",
        );
      }
      await eventually(
        async () => ok(await there.api.get(`/v1/webhook-endpoints/${made.id}/deliveries?status=pending`), 200).data,
        (pending) => pending.length === 0,
      );
      const leases = await two.store.get("smartfinance-webhook-state", { hash: "term" });
      assert.ok(Number(leases?.version) >= 2, "nobody took over");
    } finally {
      weather.on = false;
      await two.close();
      await one.close();
      await target.close();
    }
  });

  it("leaves a leader that was overtaken without a say", async () => {
    const one = await startApp({ store: "memory", webhooks: true });
    const target = await startReceiver();
    try {
      const own = await one.newOrganisation();
      const [from, to] = [await own.account({ balance: 10_000 }), await own.account()];
      const made = await endpoint(own, target.url, { event_types: ["transfer.posted"] });
      let release: () => void = () => undefined;
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      target.behave = async () => {
        await held;
        return 200;
      };
      ok(await own.transfer(from, to, 1), 201);
      await target.until((all) => all.length === 1);
      // Another node has taken over while the first one's request hung.
      const [term] = await one.store.getMany([{ table: "smartfinance-webhook-state", key: { hash: "term" } }]);
      const version = Number(term?.version);
      const taken = { id: "term", owner: "somebody else", version: version + 1 };
      const lease = { id: "lease", owner: "somebody else", until: Date.now() + 1_500 };
      const result = await one.store.commit([
        { op: "put", table: "smartfinance-webhook-state", item: taken, condition: { version } },
        { op: "put", table: "smartfinance-webhook-state", item: lease, condition: "none" },
      ]);
      assert.equal(result.outcome, "committed");
      release();
      await sleep(300);
      const [pending] = ok(await own.api.get(`/v1/webhook-endpoints/${made.id}/deliveries`), 200).data;
      assert.deepEqual([pending?.status, pending?.["attempts"]], ["pending", 0], "the one overtaken has written");
      // When the other one is silent, this one takes over again, and delivers.
      await eventually(
        async () => ok(await own.api.get(`/v1/webhook-endpoints/${made.id}/deliveries`), 200).data,
        ([found]) => found?.status === "delivered",
      );
      assert.equal(target.received.length, 2);
      assert.equal(target.received[0]?.id, target.received[1]?.id);
    } finally {
      await one.close();
      await target.close();
    }
  });
});
