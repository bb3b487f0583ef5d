import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { OrganisationId } from "#kernel/ids.ts";
import { deviceIdOf, toBase36 } from "./device.ts";

const ORG = "org_01J0000000000000000000000B" as OrganisationId;

test("a device is kept under its hash in base 36, as it always was", () => {
  for (const edge of [1, 35, 36, 1_295, 1_296, 1_297, 46_655, 46_656, 2 ** 32 - 1, 2 ** 32, 2 ** 48 - 1, Number.MAX_SAFE_INTEGER])
    assert.equal(toBase36(edge), edge.toString(36));
  fc.assert(fc.property(fc.maxSafeNat(), (value) => toBase36(value) === value.toString(36)));
  assert.equal(deviceIdOf(ORG, 89_965_765_870_627), `${ORG}#${(89_965_765_870_627).toString(36)}`);
  assert.equal(deviceIdOf(ORG, 0), undefined);
});
