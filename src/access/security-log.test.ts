import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newId, ORG, testClock, testIds } from "#test/support/builders.ts";
import type { CommitQueue, Executed } from "#commit/index.ts";
import type { EventDraft } from "#audit/index.ts";
import { createSecurityLog, MAX_TOLD_PER_MINUTE } from "./security-log.ts";
import type { RefusedCall } from "./security-log.ts";

function bench(answer: () => Executed = () => ({ ok: true, replayed: false, reply: { status: 204, body: "" } })) {
  const clock = testClock();
  const events: EventDraft[] = [];
  const lost: unknown[] = [];
  const queue: Pick<CommitQueue, "execute"> = {
    execute: async (command) => {
      const executed = answer();
      const view = { get: () => undefined };
      if (executed.ok) events.push(...command.decide(view, clock.now()).events);
      return executed;
    },
  };
  const log = createSecurityLog({
    queue: queue as CommitQueue,
    ids: testIds(3, clock),
    clock,
    onLost: (why) => void lost.push(why),
  });
  const apiKeyId = newId("apiKey");
  const call = (over: Partial<RefusedCall> = {}): RefusedCall => ({
    code: "ip_not_allowed",
    allowlist: "key",
    organisationId: ORG,
    apiKeyId,
    ip: "192.0.2.1",
    requestId: "req_1",
    operation: "POST /v1/withdrawals",
    ...over,
  });
  const types = (): string[] => events.map(({ type }) => type);
  return { clock, events, lost, log, call, types, apiKeyId };
}

void describe("the log of refused calls (IP-01)", () => {
  void it("has an event for each, with the operation and the list or scope", () => {
    const { log, call, events, apiKeyId } = bench();
    log.refused(call());
    const { allowlist: _, ...plain } = call();
    log.refused({ ...plain, code: "insufficient_scope", scope: "withdrawals:write" });
    log.refused({ ...plain, code: "certificate_mismatch" });
    assert.deepEqual(
      events.map(({ type, objectId, details }) => ({ type, objectId, details })),
      [
        { type: "access.ip_refused", objectId: apiKeyId, details: { operation: "POST /v1/withdrawals", allowlist: "key" } },
        {
          type: "access.scope_refused",
          objectId: apiKeyId,
          details: { operation: "POST /v1/withdrawals", scope: "withdrawals:write" },
        },
        { type: "access.certificate_refused", objectId: apiKeyId, details: { operation: "POST /v1/withdrawals" } },
      ],
    );
  });

  void it("cannot be filled by a flood: so many events a key and minute, and one that sums up the rest", async () => {
    const { log, call, events, types, clock } = bench();
    for (let n = 0; n < 10_000; n++) log.refused(call(n % 4 === 0 ? { code: "insufficient_scope" } : {}));
    assert.equal(events.length, MAX_TOLD_PER_MINUTE);
    log.refused(call({ apiKeyId: newId("apiKey") }));
    assert.equal(events.length, MAX_TOLD_PER_MINUTE + 1, "another key is told of all the same");
    await log.flush();
    assert.equal(events.length, MAX_TOLD_PER_MINUTE + 1);
    clock.time += 60_000;
    await log.flush();
    assert.deepEqual(types().slice(-1), ["access.refusals_coalesced"]);
    assert.deepEqual(events.at(-1)?.details, {
      since: "2026-01-05T12:00:00.000Z",
      refusals: { insufficient_scope: 2_495, ip_not_allowed: 7_485 },
    });
    await log.flush(true);
    assert.equal(events.length, MAX_TOLD_PER_MINUTE + 2, "nothing is told twice");
    log.refused(call());
    assert.equal(events.length, MAX_TOLD_PER_MINUTE + 3, "a new minute begins");
  });

  void it("sums up when the next refusal comes after the minute, and at the end of the process", async () => {
    const { log, call, types, clock } = bench();
    for (let n = 0; n < MAX_TOLD_PER_MINUTE + 5; n++) log.refused(call());
    clock.time += 60_000;
    log.refused(call());
    assert.deepEqual(types().slice(-2), ["access.refusals_coalesced", "access.ip_refused"]);
    for (let n = 0; n < MAX_TOLD_PER_MINUTE; n++) log.refused(call());
    await log.flush(true);
    assert.equal(types().at(-1), "access.refusals_coalesced");
  });

  void it("goes on telling after the clock was set back by more than a minute", async () => {
    const { log, call, types, clock } = bench();
    for (let n = 0; n < MAX_TOLD_PER_MINUTE + 5; n++) log.refused(call());
    clock.time -= 3_600_000;
    await log.flush();
    assert.equal(types().at(-1), "access.refusals_coalesced");
    log.refused(call());
    assert.equal(types().at(-1), "access.ip_refused");
  });

  void it("tells when an event could not be kept, and throws nothing", async () => {
    const overloaded = bench(() => ({ ok: false, code: "overloaded" }));
    overloaded.log.refused(overloaded.call());
    const broken = bench(() => {
      throw new Error("broken");
    });
    broken.log.refused(broken.call());
    await Promise.all([overloaded.log.flush(true), broken.log.flush(true)]);
    assert.deepEqual(overloaded.lost, ["overloaded"]);
    assert.match(String(broken.lost[0]), /broken/);
  });
});
