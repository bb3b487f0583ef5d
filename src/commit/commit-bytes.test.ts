import assert from "node:assert/strict";
import { it } from "node:test";
import { change } from "./command.ts";
import type { Command } from "./command.ts";
import { adding, bench, counters } from "./test-kit.ts";

/** A command whose record is larger than the commits of this test. */
function keeping(id: string): Command {
  const command = adding([id]);
  return {
    ...command,
    decide: (view, at) => ({ ...command.decide(view, at), changes: [change(counters, { id, value: 1, version: 1 })] }),
  };
}

void it("fails a command that no commit can take alone, and defers what does not fit beside others", async () => {
  const { queue, commits } = bench({ limits: { commitBytes: 8_000 } });
  const huge = queue.execute(keeping("h".repeat(9_000)));
  const others = Array.from({ length: 5 }, (_, n) => queue.execute(adding([`small-${n}`])));
  await assert.rejects(huge, /no commit takes it/);
  const done = await Promise.all(others);
  assert.ok(
    done.every((executed) => executed.ok),
    "the others of its group are not touched by it",
  );
  assert.ok(commits.length >= 3, "two events of 3,000 bytes fit beside their records, three do not");
  assert.equal(queue.depth(), 0);
});
