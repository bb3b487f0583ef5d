import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { InvariantError } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import { systemRandom } from "#kernel/random.ts";
import { cancelled, type DynamoProxy, type Fate, serviceError, startDynamoProxy } from "#test/support/dynamodb-proxy.ts";
import { dynamoServerForTests } from "#test/support/dynamodb-server.ts";
import { type Item, StoreUnavailableError, type Write } from "../port.ts";
import { type DynamoStore, openDynamoStore } from "./index.ts";
import { COMMIT_ATTEMPTS } from "./transact.ts";

const META = "smartfinance-meta";
const PASS: Fate = { kind: "pass" };
const server = await dynamoServerForTests({ durable: false });

/** Waits are told, not waited for. */
const waits: number[] = [];
const clock: Clock = {
  now: () => Date.now(),
  sleep: (ms) => {
    waits.push(ms);
    return Promise.resolve();
  },
};

let counter = 0;
const newId = (): string => `fault-${++counter}`;
const putNew = (id: string, more: Item = {}): Write => ({ op: "put", table: META, item: { id, version: 1, ...more }, condition: "absent" });

if (server !== undefined) {
  describe("dynamodb under faults", () => {
    let proxy: DynamoProxy;
    let store: DynamoStore;
    const open = (endpoint: string, createTables: boolean): Promise<DynamoStore> =>
      openDynamoStore({
        endpoint,
        region: "eu-central-1",
        credentials: { accessKeyId: "test", secretAccessKey: "test" },
        tablePrefix: `faults-${process.pid}-`,
        clock,
        random: systemRandom(),
        createTables,
        timeouts: { commitMs: 600, readMs: 600 },
      });
    /** The fates of the next requests of an operation, then `rest` for ever. */
    const fates = (operation: string, first: readonly Fate[], rest: Fate = PASS): void => {
      let met = 0;
      proxy.decide((seen) => (seen === operation ? (first[met++] ?? rest) : PASS));
    };
    const present = async (id: string): Promise<boolean> => (await store.get(META, { hash: id })) !== undefined;

    before(async () => {
      proxy = await startDynamoProxy(server.endpoint);
      store = await open(proxy.endpoint, true);
    });
    after(async () => {
      await store.close();
      await proxy.stop();
    });
    beforeEach(() => {
      proxy.decide(undefined);
      proxy.seen.clear();
      waits.length = 0;
    });
    const attempts = (): number => proxy.seen.get("TransactWriteItems") ?? 0;

    const passing: readonly [string, readonly Fate[], number][] = [
      ["concurrent transactions", [cancelled("TransactionConflict"), cancelled("None", "TransactionConflict")], 3],
      ["throttling", [serviceError("ThrottlingException"), serviceError("ProvisionedThroughputExceededException")], 3],
      ["throttled items", [cancelled("ThrottlingError"), cancelled("ProvisionedThroughputExceeded")], 3],
      ["an internal error", [serviceError("InternalServerError", {}, 500)], 2],
      ["a balancer's page", [{ kind: "answer", status: 503, body: "<html>" }], 2],
      ["its own earlier attempt in progress", [serviceError("TransactionInProgressException")], 2],
      ["a reset before delivery", [{ kind: "reset", delivered: false }], 2],
      [
        "a reset after delivery: the token makes the second attempt the first one's acknowledgement",
        [{ kind: "reset", delivered: true }],
        2,
      ],
    ];
    for (const [name, first, wanted] of passing) {
      it(`commits after ${name}`, async () => {
        const id = newId();
        fates("TransactWriteItems", first);
        assert.deepEqual(await store.commit([putNew(id)]), { outcome: "committed" });
        assert.equal(attempts(), wanted);
        assert.equal(waits.length, wanted - 1, "no attempt follows another without a wait");
        assert.ok(await present(id));
      });
    }

    it("ends in a conflict without writes when concurrent transactions never cease, within the bound", async () => {
      const id = newId();
      fates("TransactWriteItems", [], cancelled("TransactionConflict"));
      assert.deepEqual(await store.commit([putNew(id)]), { outcome: "conflict", writes: [] });
      assert.equal(attempts(), COMMIT_ATTEMPTS);
      assert.ok(waits.reduce((sum, ms) => sum + ms, 0) < 3_000);
      assert.equal(await present(id), false);
    });

    for (const fate of [serviceError("ThrottlingException"), serviceError("RequestLimitExceeded"), cancelled("ThrottlingError")]) {
      it(`is unavailable when throttled for ever: ${JSON.stringify(fate).slice(40, 160)}`, async () => {
        const id = newId();
        fates("TransactWriteItems", [], fate);
        assert.equal((await store.commit([putNew(id)])).outcome, "unavailable");
        assert.equal(attempts(), COMMIT_ATTEMPTS);
        proxy.decide(undefined);
        assert.equal(await present(id), false);
      });
    }

    it("names the failed conditions beside other reasons, without another attempt", async () => {
      fates("TransactWriteItems", [cancelled("TransactionConflict", "ConditionalCheckFailed", "None", "ConditionalCheckFailed")]);
      assert.deepEqual(await store.commit([putNew(newId())]), { outcome: "conflict", writes: [1, 3], contended: true });
      assert.equal(attempts(), 1);
    });

    for (const delivered of [true, false]) {
      it(`does not know after a timeout ${delivered ? "behind" : "before"} the write; sent again it resolves`, async () => {
        const id = newId();
        fates("TransactWriteItems", [{ kind: "swallow", delivered }]);
        assert.equal((await store.commit([putNew(id)])).outcome, "unknown");
        assert.equal(attempts(), 1, "a caller that has waited for the timeout waits no longer");
        assert.equal(await present(id), delivered);
        const again = await store.commit([putNew(id)]);
        assert.deepEqual(again, delivered ? { outcome: "conflict", writes: [0] } : { outcome: "committed" });
        assert.ok(await present(id));
      });
    }

    it("does not take a refusal for the truth after an attempt of unknown fate", async () => {
      const id = newId();
      // As a server that was restarted in between: it has the items and has forgotten the token.
      fates("TransactWriteItems", [{ kind: "reset", delivered: true }, cancelled("ConditionalCheckFailed")]);
      assert.equal((await store.commit([putNew(id)])).outcome, "unknown");
      fates("TransactWriteItems", [serviceError("InternalServerError", {}, 500)], serviceError("ThrottlingException"));
      assert.equal((await store.commit([putNew(newId())])).outcome, "unknown");
      fates("TransactWriteItems", [], { kind: "reset", delivered: false });
      assert.equal((await store.commit([putNew(newId())])).outcome, "unknown");
    });

    it("sends all attempts of one commit under one token, and two equal commits under two", async () => {
      const tokens: unknown[] = [];
      let met = 0;
      proxy.decide((operation, body) => {
        if (operation !== "TransactWriteItems") return PASS;
        tokens.push(body["ClientRequestToken"]);
        return met++ === 0 ? cancelled("TransactionConflict") : PASS;
      });
      const id = newId();
      const put = (n: number): Write => ({ op: "put", table: META, item: { id, n }, condition: "none" });
      for (const n of [1, 2, 1]) assert.equal((await store.commit([put(n)])).outcome, "committed");
      assert.equal(tokens.length, 4);
      assert.equal(tokens[0], tokens[1]);
      assert.equal(new Set(tokens).size, 3);
      assert.deepEqual(await store.get(META, { hash: id }), { id, n: 1 });
    });

    it("throws an InvariantError when DynamoDB calls the commit malformed", async () => {
      for (const fate of [serviceError("ValidationException"), cancelled("None", "ValidationError")]) {
        fates("TransactWriteItems", [fate]);
        await assert.rejects(store.commit([putNew(newId())]), InvariantError);
      }
    });

    it("is unavailable when it may not write or the tables are gone", async () => {
      for (const code of ["AccessDeniedException", "ResourceNotFoundException", "UnrecognizedClientException"]) {
        fates("TransactWriteItems", [serviceError(code)]);
        const result = await store.commit([putNew(newId())]);
        assert.equal(result.outcome, "unavailable");
      }
    });

    it("is unavailable when nobody listens, and reads throw", async () => {
      const dead = await startDynamoProxy(server.endpoint);
      const lonely = await open(dead.endpoint, false);
      await dead.stop();
      // The sockets kept open notice that the other end is gone; a request on one of them could not know its fate.
      await sleep(50);
      assert.equal((await lonely.commit([putNew(newId())])).outcome, "unavailable");
      await assert.rejects(lonely.get(META, { hash: "x" }), StoreUnavailableError);
      await assert.rejects(lonely.ping(), StoreUnavailableError);
      await lonely.close();
    });

    it("reads again after throttling, resets and timeouts, boundedly", async () => {
      const id = newId();
      await store.commit([putNew(id)]);
      fates("GetItem", [serviceError("ThrottlingException"), { kind: "reset", delivered: false }, { kind: "swallow", delivered: false }]);
      assert.ok(await present(id));
      fates("GetItem", [], serviceError("ThrottlingException"));
      proxy.seen.clear();
      await assert.rejects(present(id), StoreUnavailableError);
      assert.equal(proxy.seen.get("GetItem"), 4);
      fates("GetItem", [serviceError("AccessDeniedException")]);
      await assert.rejects(present(id), StoreUnavailableError);
      fates("GetItem", [serviceError("ValidationException")]);
      await assert.rejects(present(id), InvariantError);
    });

    it("asks again for unprocessed keys, and gives up when none is ever processed", async () => {
      const ids = Array.from({ length: 12 }, newId);
      await store.commit(ids.map((id) => putNew(id)));
      const refs = ids.map((hash) => ({ table: META, key: { hash } }) as const);
      type Keys = { [table: string]: { Keys: unknown[]; ConsistentRead: boolean } };
      // Five keys at a time: the rest comes back unprocessed.
      proxy.decide((operation, body) => {
        if (operation !== "BatchGetItem") return PASS;
        const [[table, { Keys: asked }] = ["", { Keys: [] }]] = Object.entries(body["RequestItems"] as Keys);
        const late = asked.slice(5);
        const isLate = (item: unknown): boolean => late.some((key) => (key as Item)["id"] !== undefined && sameId(key, item));
        return {
          kind: "change",
          change: (answer) => {
            const items = (answer["Responses"] as Record<string, unknown[]>)[table] ?? [];
            const UnprocessedKeys = late.length === 0 ? {} : { [table]: { Keys: late, ConsistentRead: true } };
            return { Responses: { [table]: items.filter((item) => !isLate(item)) }, UnprocessedKeys };
          },
        };
      });
      assert.deepEqual(
        (await store.getMany(refs)).map((item) => item?.["id"]),
        ids,
      );
      assert.equal(proxy.seen.get("BatchGetItem"), 3);
      proxy.decide((operation, body) =>
        operation === "BatchGetItem"
          ? { kind: "answer", status: 200, body: { Responses: {}, UnprocessedKeys: body["RequestItems"] as object } }
          : PASS,
      );
      await assert.rejects(store.getMany(refs), StoreUnavailableError);
    });

    it("fills a page although DynamoDB ends its pages early", async () => {
      const partition = newId();
      const ids = Array.from({ length: 30 }, (_, n) => `txn_${String(n).padStart(2, "0")}`);
      await store.commit(
        ids.map((id) => ({ op: "put", table: "smartfinance-transactions", item: { partition, id }, condition: "absent" })),
      );
      // DynamoDB's 1 MB is three items here.
      proxy.decide((operation) => (operation === "Query" ? { kind: "change", change: shorten } : PASS));
      const query = { table: "smartfinance-transactions", hash: partition, order: "ascending" } as const;
      const page = await store.query({ ...query, limit: 10 });
      assert.deepEqual(
        page.items.map(({ id }) => id),
        ids.slice(0, 10),
      );
      const all = await store.query({ ...query, limit: 1_000 });
      assert.equal(all.items.length, ids.length);
      assert.equal(all.cursor, undefined);
    });
  });
}

const sameId = (a: unknown, b: unknown): boolean => JSON.stringify((a as Item)["id"]) === JSON.stringify((b as Item)["id"]);

function shorten(answer: Record<string, unknown>): object {
  const items = answer["Items"] as Record<string, unknown>[];
  const last = items[2];
  if (last === undefined || items.length === 3) return answer;
  const { partition, id } = last;
  return { ...answer, Items: items.slice(0, 3), Count: 3, LastEvaluatedKey: { partition, id } };
}
