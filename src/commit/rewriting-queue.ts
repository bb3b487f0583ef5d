import type { Command } from "./command.ts";
import type { CommitQueue } from "./queue.ts";

/** A queue in front of `queue` that hands on each command as `rewrite` makes it, such as decided together with something else. */
export function rewritingQueue(queue: CommitQueue, rewrite: (command: Command) => Command): CommitQueue {
  return {
    depth: () => queue.depth(),
    load: () => queue.load(),
    drain: () => queue.drain(),
    execute: (command) => queue.execute(rewrite(command)),
  };
}
