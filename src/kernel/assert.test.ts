import assert from "node:assert/strict";
import { test } from "node:test";
import { InvariantError, invariant } from "./assert.ts";

test("an invariant that holds says nothing, one that does not throws its message", () => {
  for (const held of [true, 1, "x", {}, []]) assert.equal(invariant(held, "held"), undefined);
  for (const broken of [false, 0, "", null, undefined, Number.NaN]) {
    assert.throws(
      () => invariant(broken, "the sum is zero"),
      (error: unknown) => error instanceof InvariantError && error instanceof Error && error.message === "the sum is zero",
    );
  }
});
