import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { systemClock } from "#kernel/clock.ts";
import { createIds, partitionOf } from "#kernel/ids.ts";
import { systemRandom } from "#kernel/random.ts";
import { dynamoServerForTests } from "#test/support/dynamodb-server.ts";
import type { Item, Write } from "../port.ts";
import { type DynamoStore, openDynamoStore } from "./index.ts";

const server = await dynamoServerForTests();
const ROUNDS = 3;
const LANES = 6;
const ids = createIds(systemClock, systemRandom());
const organisation = ids.next("organisation");

interface Sent {
  readonly id: string;
  readonly event: string;
  outcome: string;
}

const writesOf = ({ id, event }: Sent): Write[] => [
  { op: "put", table: "smartfinance-idempotency", item: { id }, condition: "absent" },
  {
    op: "put",
    table: "smartfinance-audit-logs",
    item: { partition: partitionOf(organisation, event), event_id: event },
    condition: "absent",
  },
];

if (server?.kill !== undefined && server.restart !== undefined) {
  const { kill, restart, endpoint } = server;
  describe("dynamodb server killed under load", () => {
    let store: DynamoStore;
    before(async () => {
      store = await openDynamoStore({
        endpoint,
        region: "eu-central-1",
        credentials: { accessKeyId: "test", secretAccessKey: "test" },
        tablePrefix: `crash-${process.pid}-`,
        clock: systemClock,
        random: systemRandom(),
        createTables: true,
        timeouts: { commitMs: 1_000 },
      });
    });
    after(() => store.close());

    it("keeps every acknowledged commit whole, has none by half, and what was unknown resolves when sent again", async () => {
      const sent: Sent[] = [];
      let cursor: string | undefined;
      const seen = new Set<string>();
      for (let round = 0; round < ROUNDS; round++) {
        let up = true;
        const lane = async (): Promise<void> => {
          for (let n = 0; n < 10_000 && up; n++) {
            const one: Sent = { id: ids.next("request"), event: ids.next("event"), outcome: "" };
            sent.push(one);
            one.outcome = (await store.commit(writesOf(one))).outcome;
          }
        };
        const lanes = Array.from({ length: LANES }, lane);
        await systemClock.sleep(150 + 60 * round);
        // A reader is at work too when the server dies.
        const reading = store.feed(cursor, 20).catch(() => undefined);
        await kill();
        up = false;
        await Promise.all(lanes);
        const page = await reading;
        for (const item of page?.items ?? []) seen.add(String(item["event_id"]));
        cursor = page?.cursor ?? cursor;
        await restart();
        await assertWhole(store, sent);
        for (const one of sent.filter(({ outcome }) => outcome === "unknown")) {
          const { outcome } = await store.commit(writesOf(one));
          assert.ok(outcome === "committed" || outcome === "conflict", `sent again: ${outcome}`);
          one.outcome = "committed";
        }
      }
      assert.ok(sent.filter(({ outcome }) => outcome === "committed").length > 50, "the load was too small to show anything");
      await assertWhole(store, sent);
      for (let page = 0, empty = 0; page < 10_000 && empty < 3; page++) {
        const got = await store.feed(cursor, 500);
        for (const item of got.items) seen.add(String(item["event_id"]));
        cursor = got.cursor;
        empty = got.items.length === 0 ? empty + 1 : 0;
      }
      const committed = sent.filter(({ outcome }) => outcome === "committed").map(({ event }) => event);
      assert.deepEqual([...seen].toSorted(), committed.toSorted(), "the feed is not what was committed");
    });
  });
}

async function assertWhole(store: DynamoStore, sent: readonly Sent[]): Promise<void> {
  for (let i = 0; i < sent.length; i += 500) {
    const chunk = sent.slice(i, i + 500);
    const refs = chunk.flatMap((one) =>
      writesOf(one).map((write) => {
        const item: Item = write.op === "put" ? write.item : {};
        const key = write.table === "smartfinance-idempotency" ? { hash: one.id } : { hash: String(item["partition"]), range: one.event };
        return { table: write.table, key };
      }),
    );
    const found = await store.getMany(refs);
    for (const [n, { id, outcome }] of chunk.entries()) {
      const there = [found[2 * n], found[2 * n + 1]].map((item) => item !== undefined);
      assert.equal(there[0], there[1], `${id} is there by half`);
      if (outcome === "committed") assert.ok(there[0], `${id} was acknowledged and is lost`);
      if (outcome === "unavailable") assert.ok(!there[0], `${id} was refused and is there`);
      assert.notEqual(outcome, "conflict", id);
    }
  }
}
