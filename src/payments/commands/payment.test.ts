import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aPolicy, ORG } from "#test/support/builders.ts";
import { defaultScaPolicy } from "#authentications/index.ts";
import type { ModelsInForce } from "#risk/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { governanceOf } from "./payment.ts";

const NONE: ModelsInForce = { champion: undefined, shadow: undefined };

/** An organisation whose models are in line to be read; the rest is in memory. */
function aLine() {
  const inForce = { policy: aPolicy([]), sca: defaultScaPolicy(ORG) };
  let asked = 0;
  let reading: PromiseWithResolvers<ModelsInForce> | undefined = Promise.withResolvers();
  const deps = {
    policies: { of: () => inForce.policy, forget: () => undefined },
    models: { of: () => ((asked += 1), reading === undefined ? NONE : reading.promise), find: () => undefined },
    sca: { of: () => inForce.sca, forget: () => undefined },
  };
  return {
    deps,
    inForce,
    asked: () => asked,
    read: (isKept = true): void => {
      const { resolve } = reading ?? {};
      if (isKept) reading = undefined;
      resolve?.(NONE);
    },
    fail: (): void => reading?.reject(new StoreUnavailableError("the models are still being read")),
  };
}

describe("what is in force for a payment", () => {
  it("is asked for once, and at once, when all of it is in memory", () => {
    const { deps, inForce, read, asked } = aLine();
    read();
    const found = governanceOf(deps, ORG);
    assert.ok(!(found instanceof Promise));
    assert.deepEqual([found.policy, found.models, found.sca], [inForce.policy, NONE, inForce.sca]);
    assert.equal(asked(), 1);
  });

  it("is what is in force after the models were waited for, not the rules and terms of before", async () => {
    const { deps, inForce, read } = aLine();
    const waiting = governanceOf(deps, ORG);
    const before = { ...inForce };
    inForce.policy = aPolicy([{ name: "all", expression: "amount > 0", action: "block" }]);
    inForce.sca = { ...inForce.sca, mode: "psd2" };
    read();
    const found = await waiting;
    assert.ok(found.policy === inForce.policy && found.policy !== before.policy);
    assert.ok(found.sca === inForce.sca && found.sca !== before.sca);
  });

  it("is what was waited for last where memory does not keep it, and not waited for without end", async () => {
    const { deps, read, asked } = aLine();
    const waiting = governanceOf(deps, ORG);
    read(false);
    assert.equal((await waiting).models, NONE);
    assert.equal(asked(), 3);
  });

  it("is not known when it could not be read in time", async () => {
    const { deps, fail } = aLine();
    const waiting = governanceOf(deps, ORG);
    fail();
    await assert.rejects(async () => waiting, StoreUnavailableError);
  });
});
