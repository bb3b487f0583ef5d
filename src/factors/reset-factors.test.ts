import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Executed } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import type { FactorId } from "#kernel/ids.ts";
import { addPasskey } from "./add-passkey.ts";
import { createRecoveryCodes } from "./add-recovery-codes.ts";
import { activateTotp, startTotp } from "./add-totp.ts";
import { startPasskey } from "./challenges.ts";
import { checkCode } from "./check-factor.ts";
import { readSecrets } from "./factor-secret.ts";
import { factorSets } from "./factor-set.ts";
import type { Begun, FactorReset } from "./reset-factors.ts";
import { prepareReset, resetsOf, wasReset, wasResetIn } from "./reset-factors.ts";
import type { FactorKit } from "./test-kit.ts";
import { bad, factorKit, good, times } from "./test-kit.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Item } from "#storage/index.ts";

const asked = ({ clock }: FactorKit) =>
  ({ reason_code: "lost", attachment_ref: "DMS-1", requested: { at: clock.time, resets: null } }) as const;

const decide = ({ deps, asked: { actor } }: FactorKit, prepared: FactorReset): Promise<Executed> =>
  deps.queue.execute({
    actor,
    needs: prepared.needs,
    decide(view, at) {
      const work = workOn(view);
      const why = prepared.apply(work, at);
      return why === undefined ? work.outcome(replied(200, {})) : refused(why, null);
    },
  });
const reset = async (kit: FactorKit): Promise<Executed> => decide(kit, await prepareReset(kit.deps, kit.subject, asked(kit)));

describe("WA-05 a reset of factors", () => {
  it("leaves nothing of what there was: factors, secrets, what was begun, failures; and the same device may come again", async () => {
    const kit = factorKit();
    const { id, device } = await kit.passkey();
    const totp = await kit.totp(await kit.prove(device));
    good(await createRecoveryCodes(kit.deps, kit.asked, kit.subject, { proof: await kit.prove(device) }), 201);
    const pending = good(await startTotp(kit.deps, kit.asked, kit.subject, {}), 201);
    const begun = good(await startPasskey(kit.deps, kit.asked, kit.subject, {}), 201);
    const challenged = await kit.prove(device);
    await kit.use(await checkCode(kit.deps, kit.subject, "totp", "000000"));
    const code = await checkCode(kit.deps, kit.subject, "totp", totp.code());
    assert.ok(code.ok);
    good(await reset(kit), 200);
    const set = await kit.set();
    assert.deepEqual([set.factors, set.challenges, set.lock.failures, set.resetAt], [[], [], 0, kit.clock.time]);
    const ids = [totp.id, String(pending.id)] as FactorId[];
    assert.equal((await readSecrets(kit.deps, kit.subject.organisationId, ids)).size, 0);
    // What was looked at before is good for nothing, and neither is what was begun.
    bad(await kit.use(code), "authentication_failed");
    const response = device.create(begun.public_key as JsonObject);
    bad(await addPasskey(kit.deps, kit.asked, kit.subject, { response }), "passkey_invalid");
    bad(
      await activateTotp(kit.deps, kit.asked, kit.subject, ids[1] ?? ("" as FactorId), { code: "000000", proof: challenged }),
      "not_found",
    );
    const { public_key } = good(await startPasskey(kit.deps, kit.asked, kit.subject, {}), 201);
    const again = good(await addPasskey(kit.deps, kit.asked, kit.subject, { response: device.create(public_key as JsonObject) }), 201);
    assert.notEqual(again.id, id);
  });

  it("is decided on what it has looked at: a factor that came meanwhile is not passed over", async () => {
    const kit = factorKit();
    const { device } = await kit.passkey();
    const prepared = await prepareReset(kit.deps, kit.subject, asked(kit));
    await kit.totp(await kit.prove(device));
    bad(await decide(kit, prepared), "contention");
    assert.equal((await kit.set()).factors.length, 2);
    good(await reset(kit), 200);
  });

  it("happens once, however many do it at once, and lifts a block", async () => {
    const kit = factorKit();
    await kit.totp();
    await times(5, async () => kit.use(await checkCode(kit.deps, kit.subject, "totp", "000000")));
    assert.notEqual((await kit.set()).lock.blocked_until, null);
    const answers = await times(20, () => reset(kit));
    assert.equal(answers.filter((one) => one.ok && one.reply.status === 200).length, 1);
    assert.equal(kit.types().filter((type) => type === "factor.reset").length, 1);
    assert.equal((await kit.set()).lock.blocked_until, null);
  });

  it("is told of what was begun before it and of nothing else, also where there was none", async () => {
    const kit = factorKit();
    const told = (begunAt: number) => wasResetIn(kit.deps.store, kit.subject, begunAt);
    assert.equal(await told(kit.clock.time), false);
    await kit.totp();
    assert.equal(await told(0), false);
    kit.clock.time += 10;
    good(await reset(kit), 200);
    assert.deepEqual([await told(kit.clock.time - 10), await told(kit.clock.time), await told(kit.clock.time + 1)], [true, true, false]);
    assert.equal(await wasResetIn(kit.deps.store, kit.newSubject(), 0), false);
  });

  it("is told by how often it was, whatever the clocks say; by the times where an earlier release kept no count", async () => {
    const kit = factorKit();
    await kit.totp();
    const before = { at: kit.clock.time, resets: await resetsOf(kit.deps.store, kit.subject) };
    kit.clock.time -= 60_000;
    good(await reset(kit), 200);
    const set = await kit.set();
    const after = { at: kit.clock.time - 1, resets: await resetsOf(kit.deps.store, kit.subject) };
    const told = (item: Item, begun: Begun): boolean => {
      const stored = factorSets.fromItem(item);
      return wasReset({ get: () => stored as never }, kit.subject, begun);
    };
    const item = factorSets.toItem(set);
    assert.deepEqual([told(item, before), told(item, after)], [true, false]);
    assert.deepEqual([told(item, { ...before, resets: null }), told(item, { ...after, resets: null })], [false, true]);
    const { resets: _, ...earlier } = item;
    assert.deepEqual([told(earlier, before), told(earlier, after)], [false, true]);
  });
});
