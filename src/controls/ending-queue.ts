import type { Command, CommitQueue, Outcome, View } from "#commit/index.ts";
import { rewritingQueue } from "#commit/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { EventId } from "#kernel/ids.ts";
import type { Key } from "#storage/index.ts";
import { approvals } from "./approval.ts";
import type { ControlDeps } from "./deps.ts";

/** Items that the end of an approval adds to a command: its event, and room for one more. */
const MORE_APPENDS = 2;

/**
 * A queue that takes exactly one command, and decides it together with an approval: what an operation does and what that means for
 * the approval are one commit, or neither is.
 * @param key of the approval, which is loaded with the command
 * @param decide decides both; calls the command's own decision
 */
export function queueWith(
  { queue, ids }: Pick<ControlDeps, "queue" | "ids">,
  key: Key,
  decide: (view: View, command: Command, at: number, eventId: EventId) => Outcome,
): { readonly queue: CommitQueue; readonly used: boolean } {
  let used = false;
  return {
    get used() {
      return used;
    },
    queue: rewritingQueue(queue, (command) => {
      invariant(!used, "an approved operation is one command");
      used = true;
      // Drawn after the ids of the command, because events are listed in the order of their ids.
      const eventId = ids.next("event");
      return {
        ...command,
        needs: [...command.needs, { collection: approvals, key, mode: "write" }],
        appends: (command.appends ?? 3) + MORE_APPENDS,
        decide: (view, at) => decide(view, command, at, eventId),
      };
    }),
  };
}
