import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { CreateTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { systemClock } from "#kernel/clock.ts";
import { createIds, partitionOf } from "#kernel/ids.ts";
import { systemRandom } from "#kernel/random.ts";
import { type DynamoProxy, startDynamoProxy } from "#test/support/dynamodb-proxy.ts";
import { dynamoServerForTests } from "#test/support/dynamodb-server.ts";
import type { Item, Store } from "../port.ts";
import { InvalidCursorError } from "../port.ts";
import { createTableInputs, type DynamoStore, openDynamoStore } from "./index.ts";

const server = await dynamoServerForTests({ durable: false });
const credentials = { accessKeyId: "test", secretAccessKey: "test" };
const region = "eu-central-1";
const ids = createIds(systemClock, systemRandom());
const organisation = ids.next("organisation");

async function putEvents(store: Store, count: number): Promise<string[]> {
  const events = Array.from({ length: count }, () => ids.next("event"));
  for (let i = 0; i < events.length; i += 100) {
    const writes = events.slice(i, i + 100).map((id) => {
      const item = { partition: partitionOf(organisation, id), event_id: id, filler: "x".repeat(50) };
      return { op: "put", table: "smartfinance-audit-logs", item, condition: "absent" } as const;
    });
    assert.equal((await store.commit(writes)).outcome, "committed");
  }
  return events;
}

const idOf = (item: Item): string => String(item["event_id"]);

async function drain(store: Store, from: string | undefined, limit: number): Promise<{ ids: string[]; cursor: string | undefined }> {
  const seen: string[] = [];
  let cursor = from;
  let empty = 0;
  for (let page = 0; page < 2_000 && empty < 3; page++) {
    const got = await store.feed(cursor, limit);
    seen.push(...got.items.map(idOf));
    cursor = got.cursor;
    empty = got.items.length === 0 ? empty + 1 : 0;
  }
  return { ids: seen, cursor };
}

if (server !== undefined) {
  describe("dynamodb feed", () => {
    let proxy: DynamoProxy;
    let opened: DynamoStore[] = [];
    let harnesses = 0;
    const open = async (tablePrefix: string, createTables: boolean): Promise<DynamoStore> => {
      const options = { endpoint: proxy.endpoint, region, credentials, tablePrefix, clock: systemClock, random: systemRandom() };
      const store = await openDynamoStore({ ...options, createTables });
      opened.push(store);
      return store;
    };
    const newPrefix = (): string => `feed-${process.pid}-${++harnesses}-`;

    before(async () => {
      proxy = await startDynamoProxy(server.endpoint);
    });
    after(async () => {
      for (const store of opened) await store.close();
      opened = [];
      await proxy.stop();
    });

    it("walks the table where it was not there from the beginning, and then misses nothing", async () => {
      // Tables from elsewhere (the cloud stack), as many events in them as take two pages of the walk.
      const tablePrefix = newPrefix();
      const client = new DynamoDBClient({ endpoint: server.endpoint, region, credentials });
      for (const { create } of createTableInputs({ tablePrefix })) await client.send(new CreateTableCommand(create));
      client.destroy();
      const store = await open(tablePrefix, false);
      const early = await putEvents(store, 1_050);
      const page = await store.feed(undefined, 50);
      assert.equal(page.items.length, 50);
      const late = await putEvents(store, 40);
      const first = await drain(store, undefined, 300);
      assert.deepEqual([...new Set(first.ids)].toSorted(), [...early, ...late].toSorted());
      assert.deepEqual(first.ids.slice(0, 50), page.items.map(idOf));
      const again = await drain(store, undefined, 137);
      assert.deepEqual(again.ids, first.ids, "duplicates too stay where they are");
      assert.deepEqual((await drain(store, first.cursor, 10)).ids, []);
    });

    it("gives two nodes that read and append at the same time one order", async () => {
      const tablePrefix = newPrefix();
      const one = await open(tablePrefix, true);
      const two = await open(tablePrefix, true);
      const wanted: string[] = [];
      for (let round = 0; round < 12; round++) {
        const [events] = await Promise.all([putEvents(one, 7), one.feed(undefined, 1_000), two.feed(undefined, 1_000)]);
        wanted.push(...events);
      }
      const [a, b] = await Promise.all([drain(one, undefined, 9), drain(two, undefined, 1_000)]);
      assert.deepEqual(a.ids, b.ids);
      assert.deepEqual(a.ids.toSorted(), wanted.toSorted(), "nothing missing, nothing twice");
      assert.equal(a.cursor, b.cursor);
    });

    it("walks again when the stream may have lost records, and keeps the order so far", async () => {
      const store = await open(newPrefix(), true);
      const early = await putEvents(store, 30);
      const first = await drain(store, undefined, 100);
      assert.deepEqual(first.ids.toSorted(), early.toSorted());
      // The records of these events are never seen: the stream shows other, empty shards from now on.
      const lost = await putEvents(store, 20);
      proxy.decide((operation) => {
        if (operation === "DescribeStream") {
          const shards = { StreamDescription: { Shards: [{ ShardId: "shard-of-another-stream" }] } };
          return { kind: "answer", status: 200, body: shards };
        }
        if (operation === "GetShardIterator") return { kind: "answer", status: 200, body: { ShardIterator: "empty" } };
        if (operation === "GetRecords") return { kind: "answer", status: 200, body: { Records: [], NextShardIterator: "empty" } };
        return { kind: "pass" };
      });
      try {
        // Another process: it has no iterators in memory.
        const other = await open(`feed-${process.pid}-${harnesses}-`, false);
        const then = await drain(other, first.cursor, 100);
        const seen = new Set(then.ids);
        assert.deepEqual(
          lost.filter((id) => !seen.has(id)),
          [],
        );
        assert.deepEqual((await drain(other, undefined, 100)).ids.slice(0, first.ids.length), first.ids);
      } finally {
        proxy.decide(undefined);
      }
    });

    it("goes over to the stream that was enabled in the place of a disabled one, which is readable for another day", async () => {
      const store = await open(newPrefix(), true);
      const first = await drain(store, undefined, 100);
      // Committed while there was no stream.
      const between = await putEvents(store, 20);
      let looked = 0;
      proxy.decide((operation, { StreamArn, ShardIterator }) => {
        if (operation === "DescribeTable") {
          return {
            kind: "change",
            change: (answer) => {
              const { Table } = answer as { Table: { LatestStreamArn?: string } };
              return { Table: { ...Table, LatestStreamArn: `${Table.LatestStreamArn}-anew` } };
            },
          };
        }
        const anew = typeof StreamArn === "string" && StreamArn.endsWith("-anew");
        const name = anew ? "anew" : "old";
        if (operation === "DescribeStream") {
          const enabled = { StreamDescription: { StreamStatus: "ENABLED", Shards: [{ ShardId: "shard-anew" }] } };
          if (anew) return { kind: "answer", status: 200, body: enabled };
          looked += 1;
          return {
            kind: "change",
            change: ({ StreamDescription }) => ({ StreamDescription: { ...(StreamDescription as object), StreamStatus: "DISABLED" } }),
          };
        }
        if (operation === "GetShardIterator") return { kind: "answer", status: 200, body: { ShardIterator: name } };
        // The shard of the old one is closed.
        const next = ShardIterator === "old" ? {} : { NextShardIterator: "anew" };
        if (operation === "GetRecords") return { kind: "answer", status: 200, body: { Records: [], ...next } };
        return { kind: "pass" };
      });
      try {
        const other = await open(`feed-${process.pid}-${harnesses}-`, false);
        const then = await drain(other, first.cursor, 100);
        assert.ok(looked > 0, "the old one was looked at");
        assert.deepEqual([...new Set(then.ids)].toSorted(), between.toSorted());
      } finally {
        proxy.decide(undefined);
      }
    });

    it("resolves an append whose answer was lost without repeating it", async () => {
      const store = await open(newPrefix(), true);
      const events = await putEvents(store, 10);
      let met = 0;
      proxy.decide((operation) =>
        operation === "TransactWriteItems" && met++ < 2 ? { kind: "reset", delivered: true } : { kind: "pass" },
      );
      try {
        const { ids: seen } = await drain(store, undefined, 100);
        assert.deepEqual(seen.toSorted(), events.toSorted());
        assert.ok(met >= 2);
      } finally {
        proxy.decide(undefined);
      }
    });

    it("refuses cursors that are not of this feed", async () => {
      const store = await open(newPrefix(), true);
      await putEvents(store, 5);
      const { cursor } = await store.feed(undefined, 2);
      assert.equal((await store.feed(cursor, 10)).items.length, 3);
      for (const wrong of ["", "x", "-1", "1e3", "01", "0.0", "0.100", "1", "0.9", "7", "999999", `${cursor} `, "'; --"]) {
        await assert.rejects(store.feed(wrong, 10), InvalidCursorError, `cursor ${JSON.stringify(wrong)}`);
      }
    });

    it("makes few requests when there is nothing new", async () => {
      const store = await open(newPrefix(), true);
      await putEvents(store, 5);
      const { cursor } = await drain(store, undefined, 10);
      proxy.seen.clear();
      for (let i = 0; i < 10; i++) await store.feed(cursor, 10);
      const total = [...proxy.seen.values()].reduce((sum, count) => sum + count, 0);
      assert.ok(total <= 40, `${total} requests for ten empty pages`);
      assert.equal(proxy.seen.get("TransactWriteItems"), undefined);
    });
  });
}
