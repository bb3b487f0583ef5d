import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Query } from "../port.ts";
import { InvalidCursorError } from "../port.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { runQuery } from "./query.ts";
import type { Reader } from "./read.ts";

const base: Query = { table: "smartfinance-transactions", hash: "org#1", order: "ascending", limit: 10 };
const byStatus: Query = { ...base, index: "StatusTransactionsIndex", hash: "org#held" };

/** The request that a query becomes. */
async function requestOf(query: Query): Promise<Record<string, unknown> | undefined> {
  let sent: Record<string, unknown> | undefined;
  const read = ((_: string, body: object) => {
    sent = body as Record<string, unknown>;
    return Promise.resolve({ Items: [] });
  }) as Reader;
  await runQuery(read, (table) => table, query);
  return sent;
}

describe("dynamodb cursors", () => {
  it("come back as they were, printable", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1, unit: "grapheme" }), { minLength: 1, maxLength: 3 }), (values) => {
        const cursor = encodeCursor(values);
        assert.match(cursor, /^[A-Za-z0-9_-]+$/);
        assert.deepEqual(decodeCursor(cursor, values.length), values);
        assert.throws(() => decodeCursor(cursor, values.length + 1), InvalidCursorError);
      }),
    );
  });

  it("are refused when malformed, whatever the text", async () => {
    const bad = [
      "",
      " ",
      "é",
      "W10",
      encodeCursor([]),
      encodeCursor([""]),
      "eyJhIjoxfQ",
      "WzFd",
      `${encodeCursor(["a"])}=`,
      "x".repeat(9_000),
    ];
    for (const cursor of bad) {
      await assert.rejects(requestOf({ ...base, cursor }), InvalidCursorError, JSON.stringify(cursor).slice(0, 40));
    }
    await fc.assert(
      fc.asyncProperty(fc.string(), async (cursor) => {
        await requestOf({ ...base, cursor }).catch((error: unknown) => assert.ok(error instanceof InvalidCursorError));
      }),
    );
  });

  it("go on in the hash of the query only, by the range and the key of the item", async () => {
    const request = await requestOf({ ...base, cursor: encodeCursor(["txn_5"]) });
    assert.deepEqual(request?.["ExclusiveStartKey"], { partition: { S: "org#1" }, id: { S: "txn_5" } });
    const index = await requestOf({ ...byStatus, cursor: encodeCursor(["txn_5", "org#7"]) });
    assert.deepEqual(index?.["ExclusiveStartKey"], { status_key: { S: "org#held" }, id: { S: "txn_5" }, partition: { S: "org#7" } });
    await assert.rejects(requestOf({ ...byStatus, cursor: encodeCursor(["txn_5"]) }), InvalidCursorError);
  });

  it("are refused outside the bounds, and where there are no pages", async () => {
    const cursor = encodeCursor(["txn_5"]);
    await assert.rejects(requestOf({ ...base, from: "txn_6", cursor }), InvalidCursorError);
    await assert.rejects(requestOf({ ...base, to: "txn_4", cursor }), InvalidCursorError);
    await assert.rejects(requestOf({ ...base, table: "smartfinance-meta", cursor }), InvalidCursorError);
    assert.equal((await requestOf({ ...base, from: "txn_5", to: "txn_5", cursor }))?.["Limit"], 10);
  });

  it("read the primary key consistently and an index not", async () => {
    assert.equal((await requestOf(base))?.["ConsistentRead"], true);
    assert.equal((await requestOf(byStatus))?.["ConsistentRead"], false);
  });
});
