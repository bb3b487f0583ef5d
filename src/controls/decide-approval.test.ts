import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ORG, T0, newId } from "#test/support/builders.ts";
import type { Actor } from "#audit/index.ts";
import type { Refusal } from "#kernel/problems.ts";
import type { Approval } from "./approval.ts";
import { approvals } from "./approval.ts";
import type { DecidedApproval } from "./decide-approval.ts";
import { amend, approve, cancel, claim, reject } from "./decide-approval.ts";
import { payloadHash } from "./payload.ts";

const HASH = "ab".repeat(32);
const operatorA = "opr_A";
const operatorB = "opr_B";
const actor = (fields: Partial<Actor>): Actor => ({
  organisationId: ORG,
  apiKeyId: null,
  ip: null,
  userAgent: null,
  requestId: null,
  ...fields,
});
const sessionOf = (operator: string): Actor => actor({ operatorId: operator, personId: operator });
const keyOf = (key: string, owner?: string): Actor => actor({ apiKeyId: key, personId: owner ?? key });

const anApproval = (fields: Partial<Approval> = {}): Approval => ({
  id: newId("approval"),
  organisationId: ORG,
  kind: "withdrawal",
  operation: "createWithdrawal",
  summary: "Debit an account to the outside",
  payload: { key_id: "dek_x" },
  payloadHash: HASH,
  revision: 1,
  requestedBy: sessionOf(operatorA),
  requestedAt: T0,
  requestedEpoch: null,
  requestedCount: null,
  required: 2,
  approvals: [],
  status: "pending",
  ended: null,
  failure: null,
  resultId: null,
  createdAt: T0,
  updatedAt: T0,
  expiresAt: T0 + 1_000,
  approvedAt: null,
  claimedAt: null,
  version: 1,
  ...fields,
});
const now = { stands: (): boolean => true, needed: 0 };
const word = (who: Actor) => ({ actor: who, epoch: null, payloadHash: HASH, reason: null });
const done = (decided: DecidedApproval | Refusal): Approval => {
  assert.ok(decided.ok, JSON.stringify(decided));
  return decided.approval;
};
const refusedAs = (decided: DecidedApproval | Refusal, code: string): void => assert.equal(decided.ok ? "done" : decided.code, code);

void describe("SOX-01 who may approve", () => {
  void it("not the maker, through a session, a key of his, or his second key", () => {
    const makers = [sessionOf(operatorA), keyOf("key_1", operatorA), keyOf("key_2", operatorA)];
    for (const maker of makers)
      for (const checker of makers) {
        const approval = anApproval({ requestedBy: maker });
        refusedAs(approve(approval, word(checker), now, T0), "second_person_required");
        refusedAs(reject(approval, checker, "no", T0), "second_person_required");
      }
    const key = anApproval({ requestedBy: keyOf("key_1") });
    refusedAs(approve(key, word(keyOf("key_1")), now, T0), "second_person_required");
    // A key that was given an owner meanwhile is still the key that asked.
    refusedAs(approve(key, word(keyOf("key_1", operatorB)), now, T0), "second_person_required");
    assert.equal(done(approve(key, word(keyOf("key_2")), now, T0)).approvals.length, 1);
  });

  void it("whose earlier word counts no more may give it again", () => {
    const once = done(approve(anApproval(), word(sessionOf(operatorB)), now, T0));
    const fallen = { ...now, stands: ({ at }: { readonly at: number }): boolean => at > T0 };
    const again = done(approve(once, word(sessionOf(operatorB)), fallen, T0 + 1));
    assert.deepEqual([again.status, again.approvals.map(({ at }) => at)], ["pending", [T0 + 1]]);
    assert.equal(done(approve(again, word(keyOf("key_3")), fallen, T0 + 2)).status, "approved");
  });

  void it("a person counts once, by whatever key", () => {
    const once = done(approve(anApproval(), word(sessionOf(operatorB)), now, T0));
    assert.equal(once.status, "pending");
    for (const again of [sessionOf(operatorB), keyOf("key_9", operatorB)]) {
      const decided = approve(once, word(again), now, T0);
      assert.ok(decided.ok && decided.unchanged === true && decided.approval === once);
    }
    const twice = done(approve(once, word(keyOf("key_3")), now, T0 + 5));
    assert.deepEqual([twice.status, twice.approvedAt, twice.approvals.length, twice.version], ["approved", T0 + 5, 2, 3]);
  });

  void it("the word of somebody who may not act any more is dropped", () => {
    const once = done(approve(anApproval(), word(sessionOf(operatorB)), now, T0));
    const next = done(approve(once, word(keyOf("key_3")), { ...now, stands: ({ operatorId }) => operatorId !== operatorB }, T0));
    assert.deepEqual([next.status, next.approvals.map(({ apiKeyId }) => apiKeyId)], ["pending", ["key_3"]]);
  });

  void it("so many are needed as the policy asks for by now, and never fewer than when it was asked for", () => {
    const approval = anApproval({ required: 2 });
    for (const [needed, required] of [
      [0, 2],
      [1, 2],
      [3, 3],
    ] as const) {
      const once = done(approve(approval, word(sessionOf(operatorB)), { ...now, needed }, T0));
      const twice = done(approve(once, word(keyOf("key_3")), now, T0));
      assert.deepEqual([once.required, once.status, twice.status], [required, "pending", required === 2 ? "approved" : "pending"]);
    }
  });
});

void describe("SOX-02 what is approved", () => {
  void it("is the payload that was read: another hash approves nothing", () => {
    refusedAs(approve(anApproval(), { ...word(keyOf("key_3")), payloadHash: "cd".repeat(32) }, now, T0), "approval_changed");
  });

  void it("an amendment begins anew, and only its maker makes one", () => {
    const once = done(approve(anApproval(), word(keyOf("key_3")), now, T0));
    const noted = { requestedEpoch: 3, requestedCount: 1 };
    const next = { payload: { key_id: "dek_y" }, payloadHash: "cd".repeat(32), revision: 2, required: 1, ...noted };
    refusedAs(amend(once, keyOf("key_3"), next, T0), "not_the_maker");
    refusedAs(amend(once, sessionOf(operatorA), { ...next, revision: 3 }, T0), "contention");
    const amended = done(amend(once, keyOf("key_5", operatorA), next, T0));
    assert.deepEqual([amended.requestedEpoch, amended.requestedCount], [3, 1]);
    assert.deepEqual([amended.approvals, amended.revision, amended.required, amended.status], [[], 2, 1, "pending"]);
    refusedAs(approve(amended, word(keyOf("key_3")), now, T0), "approval_changed");
  });

  void it("nothing, once it has ended or its time is over", () => {
    const other = keyOf("key_3");
    const maker = sessionOf(operatorA);
    for (const status of ["approved", "executed", "rejected", "expired", "voided", "failed"] as const) {
      const ended = anApproval({ status });
      refusedAs(approve(ended, word(other), now, T0), "approval_not_pending");
      refusedAs(reject(ended, other, "no", T0), "approval_not_pending");
      refusedAs(cancel(ended, maker, null, T0), "approval_not_pending");
      refusedAs(amend(ended, maker, { ...ended, revision: 2 }, T0), "approval_not_pending");
    }
    const late = anApproval();
    for (const at of [late.expiresAt, late.expiresAt + 1]) {
      refusedAs(approve(late, word(other), now, at), "approval_not_pending");
      refusedAs(cancel(late, maker, null, at), "approval_not_pending");
    }
    assert.equal(done(approve(late, word(other), now, late.expiresAt - 1)).approvals.length, 1);
    assert.equal(done(cancel(late, maker, "slip", T0)).status, "voided");
    refusedAs(cancel(late, other, null, T0), "not_the_maker");
  });

  void it("the hash tells apart approvals, revisions, kinds, organisations, and every part of the payload", () => {
    const approval = anApproval();
    const payload = { operation: "op", params: { id: "a" }, body: { amount: 1 }, if_match: null };
    const hashes = [
      payloadHash(approval, payload),
      payloadHash({ ...approval, id: newId("approval") }, payload),
      payloadHash({ ...approval, revision: 2 }, payload),
      payloadHash({ ...approval, kind: "k" }, payload),
      payloadHash({ ...approval, organisationId: newId("organisation") }, payload),
      payloadHash(approval, { ...payload, operation: "oq" }),
      payloadHash(approval, { ...payload, params: { id: "b" } }),
      payloadHash(approval, { ...payload, body: { amount: 2 } }),
      payloadHash(approval, { ...payload, if_match: '"1"' }),
    ];
    assert.equal(new Set(hashes).size, hashes.length);
    // The order of members says nothing.
    const ordered = { if_match: null, body: { amount: 1 }, params: { id: "a" }, operation: "op" };
    assert.equal(payloadHash(approval, ordered), hashes[0]);
  });

  void it("a secret is taken once, by the maker, of what was executed", () => {
    const executed = anApproval({ status: "executed", resultId: "key_1" });
    refusedAs(claim(executed, keyOf("key_3"), T0), "not_the_maker");
    refusedAs(claim(anApproval(), sessionOf(operatorA), T0), "nothing_to_claim");
    const taken = done(claim(executed, sessionOf(operatorA), T0));
    refusedAs(claim(taken, sessionOf(operatorA), T0), "nothing_to_claim");
    const late = executed.updatedAt + 3 * 24 * 3_600_000;
    done(claim(executed, sessionOf(operatorA), late));
    refusedAs(claim(executed, sessionOf(operatorA), late + 1), "nothing_to_claim");
  });

  void it("a stored approval reads as it was written", () => {
    const full = anApproval({
      requestedBy: { ...keyOf("key_1", operatorA), operatorId: null, ip: "192.0.2.1", userAgent: "x", requestId: "req_1" },
      approvals: [{ apiKeyId: null, operatorId: operatorB, personId: operatorB, at: T0, epoch: 2, reason: "seen" }],
      requestedEpoch: 4,
      requestedCount: 1,
      ended: { apiKeyId: "key_3", operatorId: null, personId: "key_3", at: T0, epoch: null, reason: null },
      failure: { code: "account_frozen", detail: null },
      resultId: "txn_1",
      approvedAt: T0,
      claimedAt: T0,
    });
    assert.deepEqual(approvals.fromItem(JSON.parse(JSON.stringify(approvals.toItem(full)))), full);
    assert.equal(approvals.toItem(full).due, "due");
    assert.equal(approvals.toItem({ ...full, status: "executed" }).due, undefined);
  });
});
