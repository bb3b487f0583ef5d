import type { ProblemCode } from "#kernel/problems.ts";

/** What a payment may be refused with because of its payer's authentication. */
export const scaProblems = [
  "not_found",
  "authentication_not_usable",
  "authentication_mismatch",
  "authentication_unavailable",
] as const satisfies readonly ProblemCode[];
