import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createKeyed } from "./keyed.ts";
import type { Loaded, Slot } from "./slot.ts";
import { createSpeculation } from "./speculation.ts";

const TABLE = "smartfinance-accounts";

function slotOf(hash: string): Slot {
  return { table: TABLE, key: { hash }, item: undefined, speculated: false, record: undefined, collection: undefined, dirty: false };
}

function laid(speculation: ReturnType<typeof createSpeculation>, hash: string): unknown {
  const loaded: Loaded = createKeyed();
  loaded.set(TABLE, { hash }, slotOf(hash));
  speculation.lay(loaded);
  return loaded.get(TABLE, { hash })?.item?.["version"];
}

const assumed = (hash: string, version: number) => ({ slot: slotOf(hash), item: { id: hash, version } });

describe("speculation", () => {
  it("shows the newest commit in flight, and nothing once all have ended", () => {
    const speculation = createSpeculation();
    const first = speculation.add([assumed("a", 2), assumed("b", 2)]);
    const second = speculation.add([assumed("a", 3)]);
    assert.deepEqual([laid(speculation, "a"), laid(speculation, "b"), laid(speculation, "c")], [3, 2, undefined]);
    first();
    assert.deepEqual([laid(speculation, "a"), laid(speculation, "b")], [3, undefined], "the newer one stands");
    second();
    assert.equal(laid(speculation, "a"), undefined);
  });

  it("keeps what is in flight over a change of its map", () => {
    const speculation = createSpeculation();
    const standing = speculation.add([assumed("standing", 7)]);
    for (let n = 0; n < 20_000; n++) speculation.add([assumed(`passing-${n}`, 2)])();
    assert.equal(laid(speculation, "standing"), 7);
    assert.equal(laid(speculation, "passing-19999"), undefined);
    const newer = speculation.add([assumed("standing", 8)]);
    standing();
    assert.equal(laid(speculation, "standing"), 8);
    newer();
    assert.equal(laid(speculation, "standing"), undefined);
  });
});
