import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InvariantError } from "#kernel/assert.ts";
import type { JsonObject } from "#kernel/json.ts";
import { refuse } from "#kernel/problems.ts";
import { ORG, T0 } from "#test/support/builders.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { digestOf, IDEMPOTENCY_SECONDS, judgeClaim, keepReply } from "./idempotency.ts";
import { refused } from "./outcome.ts";
import { MAX_SENDS } from "./settle.ts";
import type { Command } from "./command.ts";
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

  void it("decides anew after a refusal that spoke of its moment only: nothing of that is kept", async () => {
    const { queue, commits, value } = bench();
    const moment = { ...refusing("k"), decide: () => refused(refuse("contention"), null) };
    const first = await queue.execute(moment);
    assert.ok(first.ok && !first.replayed);
    assert.deepEqual([first.reply.status, commits.length], [409, 0]);
    const done = await queue.execute(adding(["a"], { key: "k" }));
    assert.ok(done.ok && !done.replayed);
    assert.deepEqual([await value("a"), commits.length], [1, 1]);
    await assert.rejects(
      queue.execute({ ...adding(["a"], {}), decide: (view, at) => ({ ...adding(["a"], {}).decide(view, at), passing: true }) }),
      InvariantError,
    );
    assert.equal(await value("a"), 1);
  });

  void it("answers what is kept, and no refusal of the moment, where the kept reply was not looked for at first", async () => {
    const { queue, commits, value, events } = bench({ limits: { ordered: true } });
    const done = await queue.execute(adding(["a"], { key: "k" }));
    const moment = (key: string, fingerprint: string): Command => ({
      ...refusing(key, fingerprint),
      decide: () => refused(refuse("contention"), null),
    });
    // Beside another command, which is not to wait for the look.
    const [again, beside] = await Promise.all([queue.execute(moment("k", "body")), queue.execute(adding(["b"], { key: "other" }))]);
    assert.ok(done.ok && again.ok && beside.ok);
    assert.deepEqual([again.reply, again.replayed, beside.reply.status], [done.reply, true, 201]);
    assert.deepEqual(await queue.execute(moment("k", "another body")), { ok: false, code: "idempotency_key_reused" });
    const first = await queue.execute(moment("new", "body"));
    assert.ok(first.ok && !first.replayed);
    assert.deepEqual([first.reply.status, commits.length, events.length], [409, 2, 2]);
    assert.deepEqual([await value("a"), await value("b"), queue.depth(), queue.load()], [1, 1, 0, 0]);
  });

  void it("says of a refusal of the moment that nothing was done, also where nobody knows what became of the commands beside it", async () => {
    const { queue, script } = bench();
    for (let sends = 0; sends < MAX_SENDS; sends++) script.push(fates.lostUnknown);
    const moment = { ...refusing("k"), decide: () => refused(refuse("contention"), null) };
    const [doubtful, passed] = await Promise.all([queue.execute(adding(["a"], { key: "other" })), queue.execute(moment)]);
    assert.deepEqual(doubtful, { ok: false, code: "outcome_unknown" });
    assert.ok(passed.ok);
    assert.equal(passed.reply.status, 409);
  });

  void it("gives what was done again, though it would be a refusal of the moment by now, also where nothing was looked up first", async () => {
    for (const ordered of [false, true]) {
      const { queue, value } = bench({ limits: { ordered } });
      const done = await queue.execute(adding(["a"], { key: "k" }));
      const again = await queue.execute({ ...refusing("k"), decide: () => refused(refuse("contention"), null) });
      assert.ok(done.ok && again.ok);
      assert.deepEqual([again.reply, again.replayed, await value("a")], [done.reply, true, 1]);
    }
  });

  void it("does not say of a refusal under no key that its outcome is not known: nothing of it was sent", async () => {
    const { queue, script } = bench();
    for (let sends = 0; sends < MAX_SENDS; sends++) script.push(fates.lostUnknown);
    const [doubtful, kept, bare] = await Promise.all([
      queue.execute(adding(["a"])),
      queue.execute(refusing("k")),
      queue.execute(refusing(undefined)),
    ]);
    assert.deepEqual(
      [doubtful, kept],
      [1, 2].map(() => ({ ok: false, code: "outcome_unknown" })),
    );
    // Nor is it refused: what it rests on is in doubt.
    assert.deepEqual(bare, { ok: false, code: "store_unavailable" });
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

void describe("a reply that shows what can be shown again", () => {
  const neverSealed = (): never => assert.fail("a reply that is kept as a reference is not sealed");

  void it("is kept as a reference, and shown again for a repetition", async () => {
    const asked: unknown[] = [];
    const showReply = async (...of: readonly unknown[]): Promise<string> => (asked.push(of), "[1]");
    const { queue, stored, commits, value } = bench({ showReply });
    const command = adding(["a"], { key: "k", shows: "txn_1", sealReply: neverSealed });
    const first = await queue.execute(command);
    assert.ok(first.ok);
    const { shown, digest, body, sealed_body, status, fingerprint } = (await stored("smartfinance-idempotency", "k")) ?? {};
    assert.deepEqual([shown, digest, body, sealed_body], ["txn_1", digestOf("[1]"), undefined, undefined]);
    assert.deepEqual([status, fingerprint], [201, "body"]);
    assert.deepEqual(asked, []);
    assert.deepEqual(await queue.execute(command), { ok: true, reply: { status: 201, body: first.reply.body }, replayed: true });
    assert.deepEqual(asked, [[ORG, "txn_1", digestOf(first.reply.body)]]);
    assert.deepEqual(await queue.execute({ ...command, idempotency: { id: "k", fingerprint: "other" } }), {
      ok: false,
      code: "idempotency_key_reused",
    });
    assert.deepEqual([commits.length, await value("a"), asked.length], [1, 1, 1]);
  });

  for (const [what, error] of [
    ["the store", new StoreUnavailableError("away")],
    // As the vault tells it.
    ["a key", Object.assign(new StoreUnavailableError("away"), { outage: "kms_unavailable" })],
  ] as const)
    void it(`is not said to be nothing done while ${what} cannot be had, and the same bytes afterwards`, async () => {
      const faults = [error];
      const { queue, value } = bench({
        showReply: async () => {
          const fault = faults.shift();
          if (fault !== undefined) throw fault;
          return "[1]";
        },
      });
      const command = adding(["a"], { key: "k", shows: "txn_1" });
      const first = await queue.execute(command);
      assert.deepEqual(await queue.execute(command), { ok: false, code: "outcome_unknown" });
      const again = await queue.execute(command);
      assert.ok(first.ok && again.ok && again.replayed);
      assert.deepEqual([again.reply.body, await value("a")], [first.reply.body, 1]);
    });

  void it("is a broken invariant where nothing shows it, or where it is gone", async () => {
    const showReply = (): Promise<string> => Promise.reject(new Error("gone"));
    for (const [{ queue }, told] of [
      [bench(), /nothing shows it/],
      [bench({ showReply }), /gone/],
    ] as const) {
      await queue.execute(adding(["a"], { key: "k", shows: "txn_1" }));
      await assert.rejects(queue.execute(adding(["a"], { key: "k", shows: "txn_1" })), told);
      assert.equal(queue.depth(), 0);
    }
  });
});

void describe("a reply that is sealed", () => {
  const replyBox = {
    sealer: () => assert.fail("the command has its own sealer"),
    open: async (_organisation: unknown, record: string, { text }: JsonObject) => `${record} ${String(text)}`,
  };

  void it("by the command itself is kept sealed, and opened for a repetition", async () => {
    const { queue, stored } = bench({ replyBox });
    const command = adding(["a"], { key: "k", sealReply: (text) => ({ text }) });
    const first = await queue.execute(command);
    assert.ok(first.ok && first.reply.body === "[1]");
    const { shown, body, sealed_body } = (await stored("smartfinance-idempotency", "k")) ?? {};
    assert.deepEqual([shown, body, sealed_body], [undefined, undefined, { text: "[1]" }]);
    const again = await queue.execute(command);
    assert.ok(again.ok && again.replayed);
    assert.equal(again.reply.body, "k [1]");
  });

  void it("and cannot be sealed any more fails its own command, and nobody else's", async () => {
    for (const limits of [{}, { ordered: true }]) {
      const { queue, value } = bench({ replyBox, limits });
      const sealReply = (): never => {
        throw new StoreUnavailableError("the key has been blocked since");
      };
      const others = [queue.execute(adding(["a"], { key: "a" })), queue.execute(adding(["b"]))];
      const failing = queue.execute(adding(["a", "b"], { key: "k", sealReply }));
      others.push(queue.execute(adding(["a", "b"])));
      await assert.rejects(failing, /has been blocked/);
      assert.deepEqual(
        (await Promise.all(others)).map((one) => (one.ok ? one.reply.body : one.code)),
        ["[1]", "[1]", "[2,2]"],
      );
      assert.deepEqual([await value("a"), await value("b"), queue.depth()], [2, 2, 0]);
    }
  });

  void it("and cannot be opened now is not said to be nothing done", async () => {
    const open = (): Promise<string> => Promise.reject(Object.assign(new StoreUnavailableError("away"), { outage: "key_blocked" }));
    const { queue } = bench({ replyBox: { ...replyBox, open } });
    const command = adding(["a"], { key: "k", sealReply: (text) => ({ text }) });
    await queue.execute(command);
    assert.deepEqual(await queue.execute(command), { ok: false, code: "outcome_unknown" });
  });
});

void describe("judgeClaim and keepReply", () => {
  void it("keep a reference in the place of a body, and read all three forms", () => {
    const reply = { status: 201, body: '{"id":"txn_1"}', shows: "txn_1" };
    const write = keepReply(ORG, CLAIM, reply, undefined, T0, undefined, "req_1");
    assert.ok(write.op === "put");
    assert.deepEqual(judgeClaim(write.item, CLAIM, T0), { kind: "shown", status: 201, shows: "txn_1", digest: digestOf(reply.body) });
    assert.ok(!("body" in write.item) && !("sealed_body" in write.item));
    assert.equal(write.item.kept_id, "req_1");
    // As releases before this one have kept them.
    const { shown: _shown, digest: _digest, ...old } = write.item;
    const sealed_body = { ciphertext: "x" };
    assert.deepEqual(judgeClaim({ ...old, sealed_body }, CLAIM, T0), { kind: "sealed", status: 201, sealed: sealed_body });
    assert.deepEqual(judgeClaim({ ...old, body: "{}" }, CLAIM, T0), { kind: "reply", reply: { status: 201, body: "{}" } });
  });

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
