import type { CompiledRules, Evaluation } from "./evaluate.ts";
import { evaluate } from "./evaluate.ts";
import type { Facts, ListSnapshot } from "./facts.ts";
import type { Rule, RuleAction } from "./rule.ts";

/** One past payment, as a dry run looks at it. */
export interface PastPayment {
  readonly facts: Facts;
  /** Minor units. */
  readonly amount: number;
  readonly currency: string;
  /** Somebody had to look at it. */
  readonly reviewed: boolean;
  /** A reviewer turned it down. */
  readonly rejected: boolean;
}

/** What one rule would have done. */
export interface RuleTally {
  readonly rule: string;
  readonly action: RuleAction;
  /** Payments it would have hit, those included for which it failed and counted as a hit. */
  readonly hits: number;
  /** Payments for which its expression could not be evaluated: something it reads was not stored then. */
  readonly failures: number;
  /** Of the hits. */
  readonly reviewed: number;
  readonly rejected: number;
  /** Amounts of the hits, minor units; at most twenty currencies, sums up to 9007199254740991. */
  readonly amounts: readonly { readonly currency: string; readonly amount: number }[];
}

/** What all rules together would have done. */
export interface Tally {
  readonly examined: number;
  /** Payments that any rule would have hit. */
  readonly matched: number;
  /** Of all payments examined. */
  readonly reviewed: number;
  readonly rejected: number;
  readonly rules: readonly RuleTally[];
}

const MAX_CURRENCIES = 20;

/** What is counted without a breath costs at most this, in comparisons of some 20 ns: 5 ms, or one payment. */
const COST_AT_ONCE = 250_000;
/** What a rule may cost beside its expression, its failure included. */
const COST_OF_RULE = 400;

/** How many payments may be counted at once before requests are let in. */
export function paymentsAtOnce({ cost, prepared }: CompiledRules): number {
  return Math.max(1, Math.floor(COST_AT_ONCE / (cost + prepared.length * COST_OF_RULE + 1_000)));
}

/** Nothing counted yet. Rules that are not enabled do not take part. */
export function emptyTally(rules: readonly Rule[]): Tally {
  return {
    examined: 0,
    matched: 0,
    reviewed: 0,
    rejected: 0,
    rules: rules
      .filter(({ enabled }) => enabled)
      .map(({ name, action }) => ({ rule: name, action, hits: 0, failures: 0, reviewed: 0, rejected: 0, amounts: [] })),
  };
}

/** Counts payments on top of `before`. Pure. */
export function count(before: Tally, compiled: CompiledRules, lists: ListSnapshot, payments: readonly PastPayment[]): Tally {
  const rules = new Map(
    before.rules.map((rule) => [rule.rule, { ...rule, amounts: new Map(rule.amounts.map((a) => [a.currency, a.amount])) }]),
  );
  const total = { examined: before.examined, matched: before.matched, reviewed: before.reviewed, rejected: before.rejected };
  for (const payment of payments) {
    const { hits, failures }: Evaluation = evaluate(compiled, payment.facts, lists);
    total.examined += 1;
    total.reviewed += Number(payment.reviewed);
    total.rejected += Number(payment.rejected);
    if (hits.length > 0) total.matched += 1;
    for (const { rule } of failures) {
      const counted = rules.get(rule);
      if (counted !== undefined) counted.failures += 1;
    }
    for (const { rule } of hits) {
      const counted = rules.get(rule);
      if (counted === undefined) continue;
      counted.hits += 1;
      counted.reviewed += Number(payment.reviewed);
      counted.rejected += Number(payment.rejected);
      const sum = counted.amounts.get(payment.currency);
      if (sum === undefined && counted.amounts.size >= MAX_CURRENCIES) continue;
      counted.amounts.set(payment.currency, Math.min(Number.MAX_SAFE_INTEGER, (sum ?? 0) + payment.amount));
    }
  }
  return {
    ...total,
    rules: [...rules.values()].map((rule) => ({ ...rule, amounts: [...rule.amounts].map(([currency, amount]) => ({ currency, amount })) })),
  };
}
