import type { Refusal } from "#kernel/problems.ts";

/** Carries a refusal through Fastify's error path where there is no reply at hand. Has no stack: it is no fault. */
export class RefusalError extends Error {
  override readonly name = "RefusalError";
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    const limit = Error.stackTraceLimit;
    // Collecting a stack costs more than refusing; clients can cause these at will.
    Error.stackTraceLimit = 0;
    super(refusal.code);
    Error.stackTraceLimit = limit;
    this.refusal = refusal;
  }
}
