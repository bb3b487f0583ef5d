import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { refuse } from "#kernel/problems.ts";
import { promoteModel } from "./promote-model.ts";
import { bench, stump } from "./test-kit.ts";
import type { Turns } from "./turns.ts";

describe("promoting a model", () => {
  it("keeps nothing under the Idempotency-Key of a refusal because others have their turn", async () => {
    const { quiet, bring, asked } = bench();
    const id = await bring(stump("amount"));
    let full = true;
    const turns: Turns = { take: async (work) => (full ? refuse("overloaded") : quiet.deps.turns.take(work)) };
    const other = { actor: { ...asked.actor, apiKeyId: "key_other" }, idempotency: { id: "once", fingerprint: "once" } };
    const promote = async () => {
      const executed = await promoteModel({ ...quiet.deps, turns }, other, id, {});
      assert.ok(executed.ok);
      return [executed.reply.status, (JSON.parse(executed.reply.body) as { readonly code?: string }).code, executed.replayed];
    };
    assert.deepEqual(await promote(), [503, "overloaded", false]);
    full = false;
    assert.deepEqual(await promote(), [422, "not_enough_evidence", false]);
    // What was judged is kept, and stays the answer whoever has a turn.
    full = true;
    assert.deepEqual(await promote(), [422, "not_enough_evidence", true]);
  });
});
