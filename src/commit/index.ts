export * from "./asked.ts";
export * from "./cancel-job.ts";
export * from "./command.ts";
export { digestOf } from "./idempotency.ts";
export type { ReplyBox, ShowReply } from "./idempotency.ts";
export * from "./outcome.ts";
export { createCommitQueue } from "./queue.ts";
export type { CommitQueue } from "./queue.ts";
export { rewritingQueue } from "./rewriting-queue.ts";
