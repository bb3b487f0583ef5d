import assert from "node:assert/strict";
import { it } from "node:test";
import { ID_SLACK_MS, listEnd, listEndId, newestIdOf, oldestIdOf } from "./id-times.ts";
import { firstIdAt } from "./ids.ts";

const NOW = 1_800_000_000_000;

it("ids that a list by time looks at reach as far beyond its times as an id may lie from what it names", () => {
  assert.equal(oldestIdOf("user", NOW), firstIdAt("user", NOW - ID_SLACK_MS));
  assert.equal(newestIdOf("user", NOW), firstIdAt("user", NOW + ID_SLACK_MS));
  for (const time of [0, ID_SLACK_MS - 1]) assert.equal(oldestIdOf("user", time), firstIdAt("user", 0));
  assert.equal(newestIdOf("user", -ID_SLACK_MS - 1), firstIdAt("user", 0));
});

it("a list has an end only where it ends before now and begins there", () => {
  const earlier = NOW - ID_SLACK_MS - 1;
  for (const [to, cursor, end] of [
    [earlier, undefined, earlier],
    [earlier + 1, undefined, undefined],
    [NOW + 1, undefined, undefined],
    [earlier, "a cursor", undefined],
    [undefined, undefined, undefined],
  ] as const) {
    assert.equal(listEnd(to, cursor, NOW), end);
    assert.equal(listEndId("event", to, cursor, NOW), end === undefined ? undefined : newestIdOf("event", end));
  }
});
