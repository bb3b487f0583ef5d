export * from "./command.ts";
export { createCommitQueue } from "./queue.ts";
export type { CommitQueue, Executed } from "./queue.ts";
