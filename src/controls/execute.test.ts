import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ORG, seededRandom, testClock, testIds } from "#test/support/builders.ts";
import { createSimulatedKms } from "#test/simulation/kms.ts";
import type { Actor } from "#audit/index.ts";
import type { Executed } from "#commit/index.ts";
import { createCommitQueue, refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import type { ApprovalId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import { refuse } from "#kernel/problems.ts";
import type { ProblemCode } from "#kernel/problems.ts";
import { ALL_SCOPES } from "#kernel/scopes.ts";
import type { Collection, Versioned } from "#storage/index.ts";
import { createMemoryDatabase } from "#storage/memory/database.ts";
import type { Fault } from "#storage/memory/memory-store.ts";
import { openMemoryStore } from "#storage/memory/memory-store.ts";
import { createVault, DataKeyBlockedError } from "#vault/index.ts";
import { amendApproval, approveApproval } from "./act.ts";
import type { Approval } from "./approval.ts";
import { approvals, readApproval } from "./approval.ts";
import { createControls } from "./create-controls.ts";
import { end, executeApproved } from "./execute.ts";
import type { ControlledOperation } from "./operation.ts";
import { askControls } from "./submit.ts";

const DAY_MS = 86_400_000;

interface Counter extends Versioned {
  readonly id: string;
  readonly value: number;
}
const counters: Collection<Counter> = {
  table: "smartfinance-meta",
  keyOf: ({ id }) => ({ hash: id }),
  toItem: ({ id, value, version }) => ({ id, value, version }),
  fromItem: (item) => ({ id: String(item.id), value: Number(item.value), version: Number(item.version) }),
};
const key = { hash: "counter" };

const personOfKey = (name: string): Actor => ({
  organisationId: ORG,
  apiKeyId: name,
  personId: name,
  ip: null,
  userAgent: null,
  requestId: "req_x",
});

/** An operation that adds one to a counter, and what befalls it. */
function bench() {
  const clock = testClock();
  const database = createMemoryDatabase();
  const random = seededRandom(4);
  const ids = testIds(5, clock);
  const kms = createSimulatedKms(random);
  const trouble = {
    /** Answers before any command. */
    early: undefined as ProblemCode | undefined,
    /** Refuses inside the decision. */
    inside: undefined as ProblemCode | undefined,
    crash: false,
    gone: new Set<string>(),
    fault: undefined as ((n: number) => Fault) | undefined,
    /** Approvals whose payloads are sealed under a key that must not be used. */
    blocked: new Set<string>(),
    /** Approvals that are asked for, whatever the policy says. */
    needed: 1,
  };
  let operations = 0;
  const events: JsonObject[] = [];
  const errors: unknown[] = [];
  const operation: ControlledOperation = {
    operationId: "addOne",
    kind: "adding",
    scope: "accounts:write",
    always: true,
    facts: () => ({ approvals: trouble.needed }),
    execute(payload, { asked, queue, approvalId }): Promise<Executed> {
      if (trouble.blocked.has(approvalId)) return Promise.reject(new DataKeyBlockedError("the key is compromised"));
      if (trouble.crash) return Promise.reject(new Error("the process died"));
      if (trouble.early !== undefined) return Promise.resolve(refuseAtOnce(refuse(trouble.early), null));
      const eventId = ids.next("event");
      return queue.execute({
        actor: asked.actor,
        needs: [{ collection: counters, key, mode: "write" }],
        decide(view) {
          if (trouble.inside !== undefined) return refused(refuse(trouble.inside), null);
          const work = workOn(view);
          const before = work.get(counters, key) ?? { id: key.hash, value: 0, version: 0 };
          work.put(counters, { ...before, value: before.value + Number(payload.body.by), version: before.version + 1 });
          work.tell({ id: eventId, type: "account.updated", objectId: key.hash });
          return work.outcome(replied(200, { id: "acc_x" }));
        },
      });
    },
  };
  const node = () => {
    const store = openMemoryStore(database, {
      clock,
      faults: (what) => (what === "commit" ? (trouble.fault?.(++operations) ?? { kind: "none" }) : { kind: "none" }),
    });
    const queue = createCommitQueue({
      store,
      clock,
      random,
      onCommitted: (built) => void events.push(...built.map(({ item }) => item)),
    });
    const vault = createVault({ store, kms, clock, ids, random });
    return createControls({
      store,
      queue,
      vault,
      ids,
      clock,
      operations: [operation],
      standing: ({ apiKeyId }) =>
        Promise.resolve(trouble.gone.has(String(apiKeyId)) ? undefined : { scopes: new Set(ALL_SCOPES), principal: {} }),
      wordEpoch: () => Promise.resolve(null),
      people: () => Promise.resolve([]),
      onError: (error) => void errors.push(error),
    });
  };
  const first = node();
  const { deps } = first;
  const payload = { operation: "addOne", params: {}, body: { by: 1 }, if_match: null };
  const ask = async (): Promise<Approval> => {
    const asked = { actor: personOfKey("key_maker"), idempotency: undefined };
    const answer = await askControls(deps, asked, operation, payload, "Add one");
    assert.ok(answer?.ok && answer.reply.status === 202, JSON.stringify(answer));
    const approval = await readApproval(deps.store, ORG, (JSON.parse(answer.reply.body) as { id: ApprovalId }).id);
    assert.ok(approval);
    return approval;
  };
  const approve = ({ id, payloadHash }: Approval) =>
    approveApproval(deps, { asked: { actor: personOfKey("key_checker"), idempotency: undefined }, scopes: new Set(ALL_SCOPES) }, id, {
      payload_hash: payloadHash,
    });
  const read = async ({ id }: Approval): Promise<Approval> => {
    const approval = await readApproval(deps.store, ORG, id);
    assert.ok(approval);
    return approval;
  };
  const value = async (): Promise<number> => Number((await deps.store.get("smartfinance-meta", key))?.value ?? 0);
  const told = (type: string): number => events.filter((event) => event.event_type === type).length;
  return { clock, deps, worker: first.worker, node, trouble, errors, ask, approve, read, value, told };
}

void describe("SOX-02 an approved operation is executed exactly once", () => {
  void it("a crash between the approval and the execution is carried on by the worker, after ten seconds", async () => {
    const { clock, worker, trouble, errors, ask, approve, read, value, told } = bench();
    const approval = await ask();
    trouble.crash = true;
    const acted = await approve(approval);
    assert.ok(acted.ok && acted.approval.status === "approved" && errors.length === 1);
    trouble.crash = false;
    clock.time += 9_999;
    await worker.work();
    assert.equal(await value(), 0);
    clock.time += 1;
    await Promise.all([worker.work(), worker.work()]);
    await worker.work();
    assert.deepEqual([await value(), (await read(approval)).status, told("approval.executed")], [1, "executed", 1]);
  });

  void it("two nodes that carry it on at once do it once", async () => {
    const { clock, node, trouble, ask, approve, read, value, told } = bench();
    const made = [await ask(), await ask(), await ask()];
    trouble.crash = true;
    for (const approval of made) await approve(approval);
    trouble.crash = false;
    clock.time += 60_000;
    await Promise.all([node(), node(), node()].map(({ worker }) => worker.work()));
    for (const approval of made) assert.equal((await read(approval)).status, "executed");
    assert.deepEqual([await value(), told("approval.executed"), told("account.updated")], [3, 3, 3]);
  });

  for (const kind of ["timeout_written", "timeout_unwritten", "throttled", "unavailable"] as const)
    void it(`a store that answers ${kind} leaves it done once in the end`, async () => {
      const { clock, worker, trouble, ask, approve, read, value } = bench();
      const approval = await ask();
      let approvalsKept = false;
      // The commit of the approval goes well; those of its execution do not, for a while.
      trouble.fault = (n) => {
        if (!approvalsKept) {
          approvalsKept = true;
          return { kind: "none" };
        }
        return n < 12 ? { kind } : { kind: "none" };
      };
      await approve(approval);
      for (let n = 0; n < 12; n++) {
        clock.time += 20_000;
        await worker.work();
      }
      assert.deepEqual([await value(), (await read(approval)).status], [1, "executed"]);
    });

  void it("what passes is tried again, what does not is told, whenever it was found out", async () => {
    for (const where of ["early", "inside"] as const) {
      const { clock, worker, trouble, ask, approve, read, value } = bench();
      const passing = await ask();
      trouble[where] = "contention";
      await approve(passing);
      assert.equal((await read(passing)).status, "approved");
      trouble[where] = undefined;
      clock.time += 10_000;
      await worker.work();
      assert.deepEqual([await value(), (await read(passing)).status], [1, "executed"]);
      const lasting = await ask();
      trouble[where] = "account_frozen";
      await approve(lasting);
      const { status, failure } = await read(lasting);
      assert.deepEqual([status, failure?.code], ["failed", "account_frozen"]);
      trouble[where] = undefined;
      clock.time += 10_000;
      await worker.work();
      assert.equal(await value(), 1);
    }
  });

  void it("gives up after a day", async () => {
    const { clock, worker, trouble, ask, approve, read, value } = bench();
    const approval = await ask();
    trouble.inside = "contention";
    await approve(approval);
    clock.time += DAY_MS;
    trouble.inside = undefined;
    await worker.work();
    assert.deepEqual([await value(), (await read(approval)).status], [0, "failed"]);
  });

  void it("one whose key must not be used keeps no other from being carried on", async () => {
    const { clock, worker, trouble, errors, ask, approve, read, value } = bench();
    const [blocked, other] = [await ask(), await ask()];
    trouble.crash = true;
    for (const approval of [blocked, other]) await approve(approval);
    trouble.crash = false;
    trouble.blocked.add(blocked.id);
    clock.time += 10_000;
    await worker.work();
    assert.deepEqual([await value(), (await read(blocked)).status, (await read(other)).status], [1, "approved", "executed"]);
    assert.equal(errors.length, 3);
    trouble.blocked.clear();
    await worker.work();
    assert.deepEqual([await value(), (await read(blocked)).status], [2, "executed"]);
  });

  void it("as many as fill a round, none of which can be carried on, do not keep what is due after them", async () => {
    const { clock, worker, trouble, ask, approve, read, value } = bench();
    trouble.crash = true;
    for (let n = 0; n < 500; n++) {
      const blocked = await ask();
      trouble.blocked.add(blocked.id);
      await approve(blocked);
    }
    clock.time += 1;
    const other = await ask();
    await approve(other);
    trouble.crash = false;
    clock.time += 10_000;
    await worker.work();
    await worker.work();
    assert.deepEqual([await value(), (await read(other)).status], [1, "executed"]);
    // And back to the first, whose key may be good again.
    trouble.blocked.clear();
    await worker.work();
    assert.equal(await value(), 501);
  });

  void it("gives up after a day what cannot even be opened", async () => {
    const { clock, deps, worker, trouble, errors, ask, approve, read, value } = bench();
    const [approval, other] = [await ask(), await ask()];
    trouble.crash = true;
    await approve(approval);
    trouble.crash = false;
    const stored = await read(approval);
    const item = approvals.toItem({ ...stored, payload: other.payload, version: stored.version + 1 });
    await deps.store.commit([{ op: "put", table: approvals.table, item, condition: { version: stored.version } }]);
    clock.time += 10_000;
    await worker.work();
    assert.deepEqual([errors.length, (await read(approval)).status], [2, "approved"]);
    clock.time += DAY_MS;
    await worker.work();
    assert.deepEqual([await value(), errors.length, (await read(approval)).status], [0, 2, "failed"]);
  });

  void it("never what was not approved: a payload changed in the store fails", async () => {
    const { clock, deps, worker, trouble, ask, approve, read, value, told } = bench();
    const [approval, other] = [await ask(), await ask()];
    trouble.crash = true;
    await approve(approval);
    trouble.crash = false;
    // Whoever can write the database puts another hash into its place; the payload itself is sealed to its record.
    const stored = await read(approval);
    const item = approvals.toItem({ ...stored, payloadHash: other.payloadHash, version: stored.version + 1 });
    await deps.store.commit([{ op: "put", table: approvals.table, item, condition: { version: stored.version } }]);
    clock.time += 10_000;
    await worker.work();
    const { status, failure } = await read(approval);
    assert.deepEqual([await value(), status, failure?.code, told("approval.failed")], [0, "failed", "approval_changed", 1]);
  });

  void it("never for a maker who may not act any more", async () => {
    const { clock, worker, trouble, ask, approve, read, value, told } = bench();
    const approval = await ask();
    trouble.crash = true;
    await approve(approval);
    trouble.crash = false;
    trouble.gone.add("key_maker");
    clock.time += 10_000;
    await worker.work();
    assert.deepEqual([await value(), (await read(approval)).status, told("approval.voided")], [0, "voided", 1]);
  });

  void it("never by fewer persons than it needs when it is done", async () => {
    const { clock, worker, trouble, ask, approve, read, value } = bench();
    const approval = await ask();
    trouble.crash = true;
    await approve(approval);
    trouble.crash = false;
    trouble.needed = 2;
    clock.time += 10_000;
    await worker.work();
    const { status, failure } = await read(approval);
    assert.deepEqual([await value(), status, failure?.code], [0, "failed", "second_person_required"]);
  });

  void it("never by the word of somebody who was disabled since his request was let in", async () => {
    const { trouble, ask, approve, read, value } = bench();
    const approval = await ask();
    trouble.gone.add("key_checker");
    const acted = await approve(approval);
    assert.deepEqual(acted.ok ? "approved" : acted.code, "insufficient_scope");
    const { status, approvals: words } = await read(approval);
    assert.deepEqual([await value(), status, words.length], [0, "pending", 0]);
  });

  void it("never by the word of somebody who was disabled since he gave it", async () => {
    const { clock, worker, trouble, ask, approve, read, value } = bench();
    const approval = await ask();
    trouble.crash = true;
    await approve(approval);
    trouble.crash = false;
    trouble.gone.add("key_checker");
    clock.time += 10_000;
    await worker.work();
    const { status, failure } = await read(approval);
    assert.deepEqual([await value(), status, failure?.code], [0, "failed", "second_person_required"]);
  });

  void it("what was amended meanwhile is not voided for what it was before", async () => {
    const { deps, ask, read } = bench();
    const before = await ask();
    const operation = deps.operations.get("addOne");
    assert.ok(operation);
    const asked = { actor: personOfKey("key_maker"), idempotency: undefined };
    const payload = { operation: "addOne", params: {}, body: { by: 2 }, if_match: null };
    const amended = await amendApproval(deps, asked, before, operation, payload);
    assert.ok(amended.ok && amended.approval.revision === 2);
    await end(deps, before, "voided", { code: "insufficient_scope", detail: null });
    assert.equal((await read(before)).status, "pending");
    await end(deps, amended.approval, "voided", { code: "insufficient_scope", detail: null });
    assert.equal((await read(before)).status, "voided");
  });

  void it("nothing that is not approved", async () => {
    const { deps, ask, read, value } = bench();
    const approval = await ask();
    await executeApproved(deps, ORG, approval.id);
    assert.deepEqual([await value(), (await read(approval)).status], [0, "pending"]);
  });

  void it("a stopped worker begins nothing", async () => {
    const { clock, worker, ask, read } = bench();
    const approval = await ask();
    await worker.stop();
    clock.time += 30 * DAY_MS;
    await worker.work();
    assert.equal((await read(approval)).status, "pending");
  });
});
