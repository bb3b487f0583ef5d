import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { T0 } from "#test/support/builders.ts";
import { checkCode } from "./check-factor.ts";
import { NO_LOCK } from "./factor-set.ts";
import { afterFailure, afterSuccess, FIRST_BLOCK_MS, isBlocked, LAST_BLOCK, MAX_FAILURES } from "./lock.ts";
import { unblockFactors } from "./remove-factor.ts";
import { bad, factorKit, good, times } from "./test-kit.ts";

describe("the lock", () => {
  it("SCA-03 never lets more than five failures happen between two blocks or successes", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 2 * FIRST_BLOCK_MS })), { maxLength: 300 }), (tries) => {
        let lock = NO_LOCK;
        let at = T0;
        let row = 0;
        for (const [success, wait] of tries) {
          at += wait;
          if (isBlocked(lock, at)) continue;
          if (success) {
            lock = afterSuccess();
            row = 0;
            continue;
          }
          const next = afterFailure(lock, at);
          lock = next.lock;
          row += 1;
          assert.ok(row <= MAX_FAILURES);
          assert.equal(next.step === "counted", row < MAX_FAILURES);
          if (next.step !== "counted") row = 0;
          if (next.step === "blocked_for_good") assert.ok(isBlocked(lock, at + 10 ** 12));
        }
      }),
    );
  });

  it("blocks for 15 minutes, then twice as long each time, warns, and in the end for good", () => {
    let lock = NO_LOCK;
    let at = T0;
    const steps: string[] = [];
    for (let block = 1; block <= LAST_BLOCK; block++) {
      for (let failure = 1; failure <= MAX_FAILURES; failure++) {
        assert.ok(!isBlocked(lock, at));
        const next = afterFailure(lock, at);
        lock = next.lock;
        if (failure === MAX_FAILURES) steps.push(next.step);
      }
      assert.ok(isBlocked(lock, at));
      const until = FIRST_BLOCK_MS * 2 ** (block - 1);
      assert.ok(isBlocked(lock, at + until - 1));
      assert.equal(isBlocked(lock, at + until), block === LAST_BLOCK);
      at += until;
    }
    assert.deepEqual(steps, ["blocked", "blocked", "blocked", "warned", "blocked_for_good"]);
  });

  it("SCA-03 counts concurrent failures exactly, and looks at nothing while blocked", async () => {
    const kit = factorKit();
    const { code } = await kit.totp();
    const wrong = await times(20, () => checkCode(kit.deps, kit.subject, "totp", "000000"));
    const right = await checkCode(kit.deps, kit.subject, "totp", code());
    const answers = await Promise.all(wrong.map((one) => kit.use(one)));
    const codes = answers.map((one) => (one.ok ? (JSON.parse(one.reply.body) as { code: string }).code : "?"));
    assert.equal(codes.filter((one) => one === "authentication_failed").length, MAX_FAILURES);
    assert.equal(codes.filter((one) => one === "authentication_blocked").length, 20 - MAX_FAILURES);
    bad(await kit.use(right), "authentication_blocked");
    const { lock } = await kit.set();
    assert.deepEqual(lock, { failures: 0, blocks: 1, blocked_until: T0 + FIRST_BLOCK_MS, blocked_for_good: false });
    assert.equal(kit.types().filter((type) => type === "factor.blocked").length, 1);
    kit.clock.time += FIRST_BLOCK_MS;
    good(await kit.use(await checkCode(kit.deps, kit.subject, "totp", code())), 200);
  });

  it("SCA-03 a success ends the row of failures, across factors", async () => {
    const kit = factorKit();
    const { code } = await kit.totp();
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < MAX_FAILURES - 1; n++) {
        const type = n % 2 === 0 ? "totp" : "recovery_code";
        bad(await kit.use(await checkCode(kit.deps, kit.subject, type, "wrong")), "authentication_failed");
      }
      kit.clock.time += 60_000;
      good(await kit.use(await checkCode(kit.deps, kit.subject, "totp", code())), 200);
      assert.deepEqual((await kit.set()).lock, NO_LOCK);
    }
  });

  it("SCA-03 tells the subject before it is blocked for good, and an unblocking lifts that", async () => {
    const kit = factorKit();
    const { code } = await kit.totp();
    for (let block = 1; block <= LAST_BLOCK; block++) {
      await kit.settle();
      const told = kit.notices.map(({ notice }) => notice);
      assert.equal(told.includes("last_warning"), block === LAST_BLOCK, `before block ${block}`);
      for (let n = 0; n < MAX_FAILURES; n++)
        bad(await kit.use(await checkCode(kit.deps, kit.subject, "totp", "000000")), "authentication_failed");
      kit.clock.time += FIRST_BLOCK_MS * 2 ** (block - 1);
    }
    await kit.settle();
    assert.equal(kit.notices.at(-1)?.notice, "blocked_for_good");
    kit.clock.time += 10 ** 9;
    bad(await kit.use(await checkCode(kit.deps, kit.subject, "totp", code())), "authentication_blocked");
    good(await unblockFactors(kit.deps, kit.asked, kit.subject), 200);
    good(await kit.use(await checkCode(kit.deps, kit.subject, "totp", code())), 200);
    bad(await unblockFactors(kit.deps, kit.asked, kit.newSubject()), "no_factor");
  });
});
