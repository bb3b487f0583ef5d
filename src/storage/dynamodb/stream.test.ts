import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Clock } from "#kernel/clock.ts";
import { type Reader, ServiceError } from "./read.ts";
import { createStreamReader, type StreamState } from "./stream.ts";

const DAY_MS = 24 * 3_600_000;
const START = 1_800_000_000_000;

interface FakeRecord {
  readonly key: string;
  readonly sequence: number;
  readonly at: number;
}

interface FakeShard {
  readonly id: string;
  readonly parent: string | undefined;
  readonly records: FakeRecord[];
  closedAt: number | undefined;
}

/** A stream as DynamoDB describes its own: shards that close and have children, records gone after 24 hours, iterators that expire. */
function fakeStream(emptyReadsFirst: number) {
  let now = START;
  let sequence = 0;
  const shards: FakeShard[] = [];
  const counts = new Map<string, number>();
  const clock: Clock = { now: () => now, sleep: () => Promise.resolve() };
  const grow = (parent: string | undefined): void => {
    shards.push({ id: `shard-${String(shards.length).padStart(3, "0")}`, parent, records: [], closedAt: undefined });
  };
  const open = (): FakeShard[] => shards.filter(({ closedAt }) => closedAt === undefined);
  const kept = (record: FakeRecord): boolean => now - record.at < DAY_MS;
  const listed = (shard: FakeShard): boolean => shard.closedAt === undefined || now - shard.closedAt < DAY_MS;
  grow(undefined);
  const answer = (operation: string, body: Record<string, string>): object => {
    counts.set(operation, (counts.get(operation) ?? 0) + 1);
    if (operation === "DescribeStream") {
      const all = shards.filter(listed).map(({ id, parent }) => ({ ShardId: id, ParentShardId: parent }));
      // Two shards a page.
      const from = all.findIndex(({ ShardId }) => ShardId === body["ExclusiveStartShardId"]) + 1;
      const page = all.slice(from, from + 2);
      return { StreamDescription: { Shards: page, LastEvaluatedShardId: from + 2 < all.length ? page.at(-1)?.ShardId : undefined } };
    }
    const [id = body["ShardId"], text = "0", skips = "0", issued = "0"] = (body["ShardIterator"] ?? "")
      .split("|")
      .filter((part) => part !== "");
    const shard = shards.find((one) => one.id === id);
    if (shard === undefined || !listed(shard)) throw new ServiceError("ResourceNotFoundException", "no such shard");
    if (operation === "GetShardIterator") {
      const after = Number(body["SequenceNumber"] ?? 0);
      if (after > 0 && !shard.records.some((record) => record.sequence === after && kept(record))) {
        throw new ServiceError("TrimmedDataAccessException", "beyond the horizon");
      }
      return { ShardIterator: `${id}|${after}|${emptyReadsFirst}|${now}` };
    }
    assert.equal(operation, "GetRecords");
    if (now - Number(issued) > 900_000) throw new ServiceError("ExpiredIteratorException", "too old");
    if (Number(skips) > 0) return { Records: [], NextShardIterator: `${id}|${text}|${Number(skips) - 1}|${now}` };
    const rest = shard.records.filter((record) => record.sequence > Number(text) && kept(record));
    const page = rest.slice(0, 3);
    const ended = shard.closedAt !== undefined && page.length === rest.length;
    return {
      Records: page.map((record) => ({
        eventName: "INSERT",
        dynamodb: {
          Keys: { partition: { S: "p" }, event_id: { S: record.key } },
          SequenceNumber: String(record.sequence),
          ApproximateCreationDateTime: record.at / 1_000,
        },
      })),
      ...(ended ? {} : { NextShardIterator: `${id}|${page.at(-1)?.sequence ?? text}|0|${now}` }),
    };
  };
  return {
    clock,
    counts,
    read: (async (operation: string, body: object) => answer(operation, body as Record<string, string>)) as Reader,
    put(key: string, at: number): void {
      const targets = open();
      targets[at % targets.length]?.records.push({ key, sequence: ++sequence, at: now });
    },
    /** Closes a shard; its records go on in one child, or in two. */
    split(which: number, children: number): void {
      const shard = open()[which % open().length];
      if (shard === undefined || shards.length > 40) return;
      shard.closedAt = now;
      for (let i = 0; i < children; i++) grow(shard.id);
    },
    pass: (ms: number): void => void (now += ms),
    now: () => now,
  };
}

const begin = (ms: number): StreamState => ({ arn: "arn", since: ms / 1_000, shards: {} });

type Action =
  | { readonly do: "put"; readonly at: number; readonly count: number }
  | { readonly do: "split"; readonly which: number; readonly children: number }
  | { readonly do: "pass"; readonly hours: number }
  | { readonly do: "step"; readonly times: number }
  | { readonly do: "restart" };

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("put" as const), at: fc.nat(5), count: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("split" as const), which: fc.nat(5), children: fc.integer({ min: 1, max: 2 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("pass" as const), hours: fc.constantFrom(0.01, 0.2, 1, 5, 13, 19, 21, 25, 50) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("step" as const), times: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const) }) },
);

describe("stream reader", () => {
  it("loses no record without saying so, and repeats none without a gap", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 60 }), fc.nat(3), async (actions, emptyReadsFirst) => {
        const stream = fakeStream(emptyReadsFirst);
        let step = createStreamReader(stream.read, stream.clock);
        let state = begin(stream.now());
        const put: string[] = [];
        const seen: string[] = [];
        let walked = new Set<string>();
        let gaps = 0;
        const look = async (): Promise<boolean> => {
          const got = await step(state);
          if (got.kind === "gap") {
            gaps += 1;
            walked = new Set(put);
            state = begin(stream.now());
            return true;
          }
          seen.push(...got.keys.map(([, id]) => id));
          // What is not worth keeping is lost between two looks, as in the store.
          if (got.moved) state = JSON.parse(JSON.stringify(got.state)) as StreamState;
          return got.moved;
        };
        for (const next of actions) {
          if (next.do === "put") {
            for (let i = 0; i < next.count; i++) {
              const key = `evt-${put.length}`;
              put.push(key);
              stream.put(key, next.at + i);
            }
          } else if (next.do === "split") stream.split(next.which, next.children);
          else if (next.do === "pass") stream.pass(next.hours * 3_600_000);
          else if (next.do === "restart") step = createStreamReader(stream.read, stream.clock);
          else for (let i = 0; i < next.times; i++) await look();
        }
        let idle = 0;
        for (let i = 0; i < 2_000 && idle < 60; i++) idle = (await look()) ? 0 : idle + 1;
        const missing = put.filter((key) => !walked.has(key) && !seen.includes(key));
        assert.deepEqual(missing, [], "lost without a gap");
        if (gaps === 0) assert.deepEqual(seen.toSorted(), put.toSorted(), "repeated without a gap");
      }),
      { numRuns: 200 },
    );
  });

  it("reads parents before children and each shard in order", async () => {
    const stream = fakeStream(1);
    const order: string[] = [];
    for (let generation = 0; generation < 4; generation++) {
      for (let i = 0; i < 7; i++) {
        order.push(`${generation}-${i}`);
        stream.put(`${generation}-${i}`, 0);
      }
      stream.split(0, 1);
    }
    const step = createStreamReader(stream.read, stream.clock);
    let state = begin(stream.now());
    const seen: string[] = [];
    for (let i = 0; i < 40; i++) {
      const got = await step(state);
      assert.equal(got.kind, "read");
      if (got.kind !== "read") return;
      seen.push(...got.keys.map(([, id]) => id));
      state = got.state;
    }
    assert.deepEqual(seen, order);
  });

  it("stays without a gap through idle days while it keeps looking, and knows one after a pause", async () => {
    const stream = fakeStream(2);
    const step = createStreamReader(stream.read, stream.clock);
    let state = begin(stream.now());
    stream.put("first", 0);
    let saved = 0;
    for (let minute = 0; minute < 3 * 24 * 60; minute += 5) {
      stream.pass(5 * 60_000);
      const got = await step(state);
      assert.equal(got.kind, "read", got.kind === "gap" ? got.reason : "");
      if (got.kind === "read" && got.moved) {
        state = got.state;
        saved += 1;
      }
    }
    assert.ok(saved > 100 && saved < 500, `an idle reader wrote its progress down ${saved} times in three days`);
    stream.put("last", 0);
    stream.pass(21 * 3_600_000);
    assert.equal((await createStreamReader(stream.read, stream.clock)(state)).kind, "gap");
  });

  it("makes a bounded number of requests in one step, and takes turns", async () => {
    const stream = fakeStream(0);
    for (let i = 0; i < 4; i++) stream.split(0, 2);
    for (let i = 0; i < 400; i++) stream.put(`evt-${i}`, i);
    const step = createStreamReader(stream.read, stream.clock);
    let state = begin(stream.now());
    const seen = new Set<string>();
    for (let i = 0; i < 100; i++) {
      const before = stream.counts.get("GetRecords") ?? 0;
      const got = await step(state);
      assert.ok((stream.counts.get("GetRecords") ?? 0) - before <= 8);
      assert.equal(got.kind, "read");
      if (got.kind !== "read") return;
      state = got.state;
      for (const [, id] of got.keys) seen.add(id);
    }
    assert.equal(seen.size, 400);
  });
});
