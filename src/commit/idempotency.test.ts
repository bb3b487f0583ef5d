import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ORG, T0 } from "#test/support/builders.ts";
import { IDEMPOTENCY_SECONDS, judgeClaim, keepReply } from "./idempotency.ts";
import { adding, bench, fates, gate, refusing, turns } from "./test-kit.ts";

const CLAIM = { id: "k", fingerprint: "body" };

void describe("Idempotency-Key: repeating a command", () => {
  void it("gives the same bytes and writes nothing", async () => {
    const { queue, commits, value, events } = bench();
    const first = await queue.execute(adding(["a"], { key: "k" }));
    const again = await queue.execute(adding(["a"], { key: "k" }));
    assert.ok(first.ok && again.ok);
    assert.deepEqual([first.replayed, again.replayed], [false, true]);
    assert.deepEqual(again.reply, first.reply);
    assert.deepEqual([commits.length, await value("a"), events.length], [1, 1, 1]);
  });

  void it("replays a refusal too, though it would succeed by now", async () => {
    const { queue, value } = bench();
    const refused = await queue.execute(refusing("k"));
    const again = await queue.execute(adding(["a"], { key: "k" }));
    assert.ok(refused.ok && again.ok);
    assert.deepEqual([again.reply, again.replayed, await value("a")], [refused.reply, true, 0]);
  });

  void it("refuses another request under the key and leaves the record as it was", async () => {
    const { queue, value } = bench();
    await queue.execute(adding(["a"], { key: "k" }));
    assert.deepEqual(await queue.execute(adding(["a"], { key: "k", fingerprint: "other" })), { ok: false, code: "idempotency_key_reused" });
    const again = await queue.execute(adding(["a"], { key: "k" }));
    assert.ok(again.ok && again.replayed);
    assert.equal(await value("a"), 1);
  });

  void it("is refused while the first still runs, whatever the body, and replays it afterwards", async () => {
    const { queue, script } = bench();
    const door = gate();
    script.push(door.fate);
    const first = queue.execute(adding(["a"], { key: "k" }));
    const inUse = { ok: false, code: "idempotency_key_in_use" };
    assert.deepEqual(await queue.execute(adding(["b"], { key: "k", fingerprint: "other" })), inUse);
    await turns();
    assert.deepEqual(await queue.execute(adding(["a"], { key: "k" })), inUse);
    door.open();
    await first;
    const after = await queue.execute(adding(["a"], { key: "k" }));
    assert.ok(after.ok && after.replayed);
  });

  void it("is free again when the first could not be answered", async () => {
    const { queue, script, value } = bench();
    script.push(fates.unavailable);
    assert.equal((await queue.execute(adding(["a"], { key: "k" }))).ok, false);
    await assert.rejects(queue.execute({ ...adding(["a"], { key: "k" }), needs: [] }));
    const done = await queue.execute(adding(["a"], { key: "k" }));
    assert.ok(done.ok && !done.replayed);
    assert.equal(await value("a"), 1);
  });

  void it("meets the record of another node as a conflict, and then replays it", async () => {
    const one = bench();
    const two = bench({ database: one.database });
    const door = gate();
    one.script.push(door.fate);
    const slow = one.queue.execute(adding(["a"], { key: "k" }));
    await turns();
    const fast = await two.queue.execute(adding(["a"], { key: "k" }));
    door.open();
    const late = await slow;
    assert.ok(fast.ok && late.ok);
    assert.deepEqual([fast.replayed, late.replayed, late.reply.body], [false, true, fast.reply.body]);
    assert.equal(await one.value("a"), 1);
  });

  void it("replaces a record past its thirty days, to the second", async () => {
    const { queue, clock, stored, value } = bench();
    await queue.execute(adding(["a"], { key: "k" }));
    clock.time = T0 + IDEMPOTENCY_SECONDS * 1000 - 1;
    const kept = await queue.execute(adding(["a"], { key: "k" }));
    assert.ok(kept.ok && kept.replayed);
    clock.time = T0 + IDEMPOTENCY_SECONDS * 1000;
    const anew = await queue.execute(adding(["a"], { key: "k", fingerprint: "other" }));
    assert.ok(anew.ok && !anew.replayed);
    assert.deepEqual([await value("a"), (await stored("smartfinance-idempotency", "k"))?.version], [2, 2]);
    const again = await queue.execute(adding(["a"], { key: "k", fingerprint: "other" }));
    assert.ok(again.ok && again.replayed && again.reply.body === anew.reply.body);
  });
});

void describe("judgeClaim and keepReply", () => {
  void it("keep what is needed to answer again", () => {
    const write = keepReply(ORG, CLAIM, { status: 201, body: "{}" }, undefined, T0 + 999, undefined, "req_1");
    assert.ok(write.op === "put" && write.condition === "absent");
    assert.equal(write.item.expires_at, T0 / 1000 + IDEMPOTENCY_SECONDS);
    assert.deepEqual(judgeClaim(write.item, CLAIM, T0), { kind: "reply", reply: { status: 201, body: "{}" } });
    assert.deepEqual(judgeClaim(write.item, { ...CLAIM, fingerprint: "x" }, T0), { kind: "reused" });
    assert.deepEqual(judgeClaim(undefined, CLAIM, T0), { kind: "none" });
    const expired = T0 + IDEMPOTENCY_SECONDS * 1000;
    assert.deepEqual(judgeClaim(write.item, CLAIM, expired), { kind: "none" });
    const next = keepReply(ORG, CLAIM, { status: 200, body: "[]" }, write.item, expired, undefined, "req_2");
    assert.ok(next.op === "put");
    assert.deepEqual([next.condition, next.item.version], [{ version: 1 }, 2]);
  });
});
