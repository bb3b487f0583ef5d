import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { keep, ORG } from "#test/support/builders.ts";
import type { RiskModelId } from "#kernel/ids.ts";
// By their files: the tests' scene of models is no part of the room.
import { inState, readModel, riskModels } from "#learning/model-record.ts";
import { readRegistry, registries } from "#learning/registry.ts";
import { bench, stump } from "#learning/test-kit.ts";
import type { ControlledRooms } from "./controlled-operations.ts";
import { controlledOperations } from "./controlled-operations.ts";

/** Three models, of which the second decides, and the operation that goes back from it. */
async function scene() {
  const made = bench();
  const { quiet } = made;
  const [first, second, third] = [await made.bring(stump("amount")), await made.bring(stump("hour")), await made.bring(stump("amount"))];
  const decides = async (championId: RiskModelId, formerIds: readonly (RiskModelId | null)[]): Promise<void> => {
    const model = await readModel(quiet.store, ORG, championId);
    assert.ok(model);
    await keep(quiet.store, riskModels, [inState(model, "champion", made.clock.time)]);
    const before = await readRegistry(quiet.store, ORG);
    await keep(quiet.store, registries, [{ ...before, championId, formerIds, version: before.version + 1 }]);
  };
  await decides(second, [first, null]);
  const operation = controlledOperations(() => ({ learning: quiet.deps }) as unknown as ControlledRooms).find(
    ({ operationId }) => operationId === "rollBackRiskModel",
  );
  assert.ok(operation);
  const sent = { operation: "rollBackRiskModel", params: {}, body: {}, if_match: null };
  const asked = (await operation.pin?.(sent, ORG)) ?? sent;
  const execute = async (payload = asked) => {
    const actor = { ...made.asked.actor, apiKeyId: "key_other" };
    const execution = { asked: { actor, idempotency: undefined }, queue: quiet.deps.queue } as unknown as Parameters<
      typeof operation.execute
    >[1];
    const executed = await operation.execute(payload, execution);
    assert.ok(executed.ok);
    return JSON.parse(executed.reply.body) as { readonly code?: string; readonly champion_id?: RiskModelId | null };
  };
  return { first, second, third, decides, sent, execute };
}

void describe("an approved rollback of a model", () => {
  void it("does not leave another model than the one that decided when it was asked for", async () => {
    const { first, second, third, decides, execute } = await scene();
    await decides(third, [second, first, null]);
    assert.equal((await execute()).code, "version_conflict");
  });

  void it("does not go back to another one either", async () => {
    const { second, third, decides, execute } = await scene();
    await decides(second, [third, null]);
    assert.equal((await execute()).code, "version_conflict");
  });

  void it("goes back where nothing has changed, and where it was asked for before what was meant was kept", async () => {
    const { first, execute } = await scene();
    assert.equal((await execute()).champion_id, first);
    const before = await scene();
    assert.equal((await before.execute(before.sent)).champion_id, before.first);
  });
});
