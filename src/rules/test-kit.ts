import type { Rule } from "./rule.ts";
import { declare } from "./language.ts";
import { paymentVariables } from "./facts.ts";

/** What the rules of these tests speak of. */
export const language = declare({ payer_count_24h: "number", payer_sum_24h: "number", flagged: "bool", ...paymentVariables });

export function aRule(fields: Partial<Rule> = {}): Rule {
  return {
    name: "rule",
    description: null,
    expression: "amount > 100",
    action: "review",
    reason_code: "reason",
    internal_text: null,
    enabled: true,
    ...fields,
  };
}
