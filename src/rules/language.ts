import { Environment } from "@marcbachmann/cel-js";
import { invariant } from "#kernel/assert.ts";
import { checkExpression, checkSums, costOfTexts, ExpressionError } from "./check-expression.ts";
import type { Uses } from "./check-expression.ts";
import type { LiveNode } from "./connectives.ts";
import { connect } from "./connectives.ts";
import type { BoundFacts, FactKind, Facts, FactValue, ListSnapshot, Variables } from "./facts.ts";
import { MAX_EXPRESSION_LENGTH } from "./rule.ts";

/** An expression that was checked against the declared variables. */
export interface Program extends Uses {
  /**
   * Whether the facts meet it. Synchronous; costs some 100 to 300 ns.
   * @throws Error when a fact is unknown that the outcome depends on, or arithmetic has no result.
   */
  readonly meets: (bound: BoundFacts, lists: ListSnapshot) => boolean;
}

export type Compiled =
  | { readonly ok: true; readonly program: Program }
  /** `position` counts characters from 1. */
  | { readonly ok: false; readonly position: number; readonly message: string };

/** CEL (the Common Expression Language) over declared variables, cut down to what has a bounded cost. */
export interface Language {
  readonly variables: Variables;
  /** Types are checked here, not when a payment waits. */
  compile(expression: string): Compiled;
  /** Binds the facts named; what is unknown or not of the declared kind is left out. */
  bind(facts: Facts, names: Iterable<string>): BoundFacts;
}

const CEL_KINDS: Readonly<Record<FactKind, string>> = { number: "double", int: "int", string: "string", bool: "bool" };
const NAME = /^[a-z][a-z0-9_]*$/;
const LIMITS = { maxAstNodes: 300, maxDepth: 24, maxListElements: 100, maxMapEntries: 0, maxCallArguments: 3 };
/** How long an error of the library is quoted at most: some quote the value at fault. */
const MAX_MESSAGE = 300;

const NO_FACTS: BoundFacts = {};
const NO_LISTS: ListSnapshot = new Map();

/** Declares what rules may speak of. @throws InvariantError for a name that CEL could not read. */
export function declare(variables: Variables): Language {
  const environment = new Environment({ limits: LIMITS });
  /** Set while an expression runs: the library hands its functions nothing but their arguments. */
  let lists: ListSnapshot | undefined;
  let present: BoundFacts = NO_FACTS;
  environment.registerFunction("in_list(string, string): bool", (name: string, value: string) => {
    const list = lists?.get(name);
    if (list === undefined) throw new Error(`The list ${name} is not known.`);
    return list.has(value);
  });

  const groups = new Map<string, Record<string, string>>();
  const slots = new Map<string, { readonly group: string | undefined; readonly member: string; readonly kind: FactKind }>();
  for (const [name, kind] of Object.entries(variables)) {
    const parts = name.split(".");
    const [first = "", second] = parts;
    invariant(parts.length <= 2 && parts.every((part) => NAME.test(part)), `rules: ${name} is no name of a variable`);
    slots.set(name, { group: second === undefined ? undefined : first, member: second ?? first, kind });
    if (second === undefined) environment.registerVariable(first, CEL_KINDS[kind]);
    else groups.set(first, { ...groups.get(first), [second]: CEL_KINDS[kind] });
  }
  const makers = new Map<string, new () => Record<string, unknown>>();
  for (const [group, fields] of groups) {
    invariant(variables[group] === undefined, `rules: ${group} is a variable and a group`);
    // An object of its own class is taken as it is; a plain one would be copied for each rule.
    const Group = class {} as unknown as new () => Record<string, unknown>;
    environment.registerType(`${group[0]?.toUpperCase()}${group.slice(1)}Facts`, { ctor: Group, fields });
    environment.registerVariable(group, `${group[0]?.toUpperCase()}${group.slice(1)}Facts`);
    makers.set(group, Group);
  }
  const declares = (name: string): "variable" | "group" | undefined =>
    slots.has(name) ? "variable" : groups.has(name) ? "group" : undefined;

  const compile = (expression: string): Compiled => {
    if (expression.length > MAX_EXPRESSION_LENGTH)
      return { ok: false, position: MAX_EXPRESSION_LENGTH + 1, message: `An expression has at most ${MAX_EXPRESSION_LENGTH} characters.` };
    try {
      const run = environment.parse(expression);
      const uses = checkExpression(run.ast, declares);
      const checked = run.check();
      if (!checked.valid) return failed(checked.error);
      checkSums(run.ast);
      if (checked.type !== "bool")
        return { ok: false, position: 1, message: `An expression is true or false; this one is of type ${checked.type}.` };
      const { missing, outcome, cost } = connect(run.ast);
      if (outcome !== undefined)
        (run.ast as unknown as LiveNode).evaluate = (evaluator, _node, context) =>
          outcome({ evaluator, context, bound: present, lists: lists ?? NO_LISTS });
      const meets: Program["meets"] = (bound, snapshot) => {
        const failure = missing(bound, snapshot);
        if (failure !== undefined) throw failure;
        lists = snapshot;
        present = bound;
        try {
          const found: unknown = run(bound);
          if (found instanceof Error) throw found;
          return found === true;
        } finally {
          lists = undefined;
          present = NO_FACTS;
        }
      };
      return { ok: true, program: { ...uses, cost: uses.cost + cost + costOfTexts(run.ast), meets } };
    } catch (error) {
      return failed(error);
    }
  };

  const bind: Language["bind"] = (facts, names) => {
    const bound: Record<string, unknown> = {};
    for (const name of names) {
      const slot = slots.get(name);
      if (slot === undefined) continue;
      const value = valueOf(slot.kind, facts[name]);
      if (slot.group === undefined) {
        if (value !== undefined) bound[slot.member] = value;
        continue;
      }
      // A group is there even when nothing of it is known, so that `has` can say so, unless it was not kept what was known.
      if (facts[slot.group] === null) continue;
      const Group = makers.get(slot.group);
      const group = (bound[slot.group] ??= Group === undefined ? {} : new Group()) as Record<string, unknown>;
      if (value !== undefined) group[slot.member] = value;
    }
    return bound;
  };

  return { variables, compile, bind };
}

/** The fact as CEL wants it, or undefined when it is not known: NaN would compare as "no" and hide what is missing. */
function valueOf(kind: FactKind, value: FactValue): unknown {
  switch (kind) {
    case "number":
      return typeof value === "number" && Number.isFinite(value) ? value : undefined;
    case "int":
      if (typeof value === "bigint") return value;
      return typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : undefined;
    case "string":
      return typeof value === "string" ? value : undefined;
    case "bool":
      return typeof value === "boolean" ? value : undefined;
  }
}

function failed(error: unknown): Extract<Compiled, { readonly ok: false }> {
  if (error instanceof ExpressionError) return { ok: false, position: error.offset + 1, message: error.message };
  const { summary, range } = error as { readonly summary?: unknown; readonly range?: { readonly start?: unknown } };
  const said = typeof summary === "string" ? summary : "The expression cannot be read.";
  const mixed = /\b(?:double|int) \S+ (?:double|int)\b/.test(said) ? " Write 3.0 instead of 3, or convert with double()." : "";
  return { ok: false, position: typeof range?.start === "number" ? range.start + 1 : 1, message: said.slice(0, MAX_MESSAGE) + mixed };
}
