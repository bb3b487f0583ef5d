import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { keep, ORG } from "#test/support/builders.ts";
import type { RiskModelId } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import { inState, readModel, riskModels } from "./model-record.ts";
import { readRegistry, registries } from "./registry.ts";
import { rollBackModel } from "./roll-back-model.ts";
import { bench, stump } from "./test-kit.ts";

/** Two models of which the second decides, and a store in which something happens right after the next read of one record. */
async function scene() {
  const made = bench();
  const { quiet } = made;
  const first = await made.bring(stump("amount"));
  const second = await made.bring(stump("payer_count_24h"));
  const model = await readModel(quiet.store, ORG, second);
  assert.ok(model);
  await keep(quiet.store, riskModels, [inState(model, "champion", made.clock.time)]);
  const before = await readRegistry(quiet.store, ORG);
  await keep(quiet.store, registries, [{ ...before, championId: second, formerIds: [first, null], version: before.version + 1 }]);
  let between: (() => Promise<unknown>) | undefined;
  const raced: Store = {
    ...quiet.store,
    async get(...args) {
      const found = await quiet.store.get(...args);
      const happens = between;
      between = undefined;
      await happens?.();
      return found;
    },
  };
  const person = { ...made.asked.actor, apiKeyId: "key_other" };
  const rollBack = async () => {
    const executed = await rollBackModel(
      { ...quiet.deps, store: raced },
      { actor: person, idempotency: { id: "once", fingerprint: "once" } },
    );
    assert.ok(executed.ok);
    return JSON.parse(executed.reply.body) as { readonly code?: string; readonly champion_id?: RiskModelId | null };
  };
  return { ...made, first, second, rollBack, amid: (happens: () => Promise<unknown>) => void (between = happens) };
}

describe("going back to the former model", () => {
  it("is not held up by a training that begins in the same moment", async () => {
    const { first, start, rollBack, amid, quiet } = await scene();
    amid(() => start());
    assert.equal((await rollBack()).champion_id, first);
    const { championId, formerIds, trainingId } = await readRegistry(quiet.store, ORG);
    assert.deepEqual([championId, formerIds], [first, [null]]);
    assert.notEqual(trainingId, null);
  });

  it("is refused when what decides, or what decided before, is another by then", async () => {
    const { rollBack, amid, quiet } = await scene();
    amid(async () => {
      const now = await readRegistry(quiet.store, ORG);
      await keep(quiet.store, registries, [{ ...now, formerIds: [null], version: now.version + 1 }]);
    });
    assert.equal((await rollBack()).code, "contention");
  });
});
