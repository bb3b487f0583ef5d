import type { Refusal } from "#kernel/problems.ts";
import type { RiskContext } from "#risk/index.ts";
import { checkRiskContext } from "#risk/index.ts";

/** What a schema cannot say of the circumstances a request tells, if it tells any. */
export function checkContext({ context }: { readonly context?: RiskContext }, path?: string): Refusal | undefined {
  return context === undefined ? undefined : checkRiskContext(context, path);
}
