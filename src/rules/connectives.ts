import type { ASTNode } from "@marcbachmann/cel-js";
import { invariant } from "#kernel/assert.ts";
import { operandsOf } from "./check-expression.ts";
import type { BoundFacts, ListSnapshot } from "./facts.ts";

/** True, false, or why it cannot be told. */
export type Outcome = boolean | Error;

/** What one evaluation is about; the first two are what the library hands to every node. */
export interface Run {
  readonly evaluator: unknown;
  readonly context: unknown;
  readonly bound: BoundFacts;
  readonly lists: ListSnapshot;
}

export interface Connected {
  /** What the expression cannot do without, whatever the rest comes to: why it fails for these facts, if it does. */
  readonly missing: (bound: BoundFacts, lists: ListSnapshot) => Error | undefined;
  /** Absent where the expression is one operand without connectives, which the library evaluates. */
  readonly outcome: ((run: Run) => Outcome) | undefined;
  /** What operands that may fail in the library cost on top of their length, in comparisons of some 20 ns. */
  readonly cost: number;
}

/** A node as the library has it at run time, which its declarations do not tell. */
export interface LiveNode {
  evaluate: (evaluator: unknown, node: unknown, context: unknown) => unknown;
  readonly checkedType?: { readonly name?: unknown };
}

/** An error thrown and caught in the library, with its quotation of the expression, in comparisons: some 8 µs at worst. */
const COST_OF_FAILURE = 400;

type Operand = (run: Run) => Outcome;

/**
 * Evaluates `&&`, `||`, `!` and `? :` instead of the library, with the outcomes CEL gives them. The library tells of each operand
 * that fails by an error, so that a rule of seventy unknown variables would cost a hundred times what one of known ones does. Here
 * an operand that reads what is not known is seen to fail before it is evaluated; where that cannot be seen, it counts as dear.
 * @param root type-checked
 */
export function connect(root: ASTNode): Connected {
  let cost = 0;

  const visit = (node: ASTNode): Operand => {
    switch (node.op) {
      case "&&":
        return both(visit(node.args[0]), visit(node.args[1]), false);
      case "||":
        return both(visit(node.args[0]), visit(node.args[1]), true);
      case "!_": {
        const operand = visit(node.args);
        return (run) => {
          const outcome = operand(run);
          return typeof outcome === "boolean" ? !outcome : outcome;
        };
      }
      case "?:": {
        const [condition, yes, no] = [visit(node.args[0]), visit(node.args[1]), visit(node.args[2])];
        return (run) => {
          const outcome = condition(run);
          return typeof outcome === "boolean" ? (outcome ? yes : no)(run) : outcome;
        };
      }
      default: {
        const needs = needsOf(node);
        cost += (needs.nested + Number(needs.fallible)) * COST_OF_FAILURE;
        return operandOf(node, needs);
      }
    }
  };

  if (root.op === "&&" || root.op === "||" || root.op === "!_" || root.op === "?:") {
    const outcome = visit(root);
    return { missing: () => undefined, outcome, cost };
  }
  // It fails once for its rule at most, which every rule is allowed; only what is inside it may fail more often.
  const needs = needsOf(root);
  return { missing: (bound, lists) => missingOf(needs, bound, lists), outcome: undefined, cost: needs.nested * COST_OF_FAILURE };
}

/** `&&` and `||`: the operand that decides does so whatever became of the other. @param decisive `true` for `||` */
function both(left: Operand, right: Operand, decisive: boolean): Operand {
  return (run) => {
    const first = left(run);
    if (first === decisive) return first;
    const second = right(run);
    return typeof first === "boolean" || typeof second !== "boolean" || second === decisive ? second : first;
  };
}

function operandOf(node: ASTNode, needs: Needs): Operand {
  const live = node as unknown as LiveNode;
  return ({ evaluator, context, bound, lists }) => {
    const missing = missingOf(needs, bound, lists);
    if (missing !== undefined) return missing;
    try {
      return live.evaluate(evaluator, live, context) === true;
    } catch (error) {
      return error instanceof Error ? error : new Error("The expression cannot be evaluated.");
    }
  };
}

/** What an operand without connectives at its top needs. */
interface Needs {
  /** Without a member it is enough that the group is there: that is what `has` looks into. */
  readonly facts: { readonly group: string | undefined; readonly member: string | undefined; readonly failure: Error }[];
  readonly lists: { readonly name: string; readonly failure: Error }[];
  /** It may fail with all of these at hand: a division by zero, a text that is no number. */
  fallible: boolean;
  /** Parts that may fail below connectives inside it, which the library evaluates. */
  nested: number;
}

function missingOf({ facts, lists }: Needs, bound: BoundFacts, known: ListSnapshot): Error | undefined {
  for (const { group, member, failure } of facts) {
    const holder = group === undefined ? bound : (bound[group] as BoundFacts | undefined);
    if (holder === undefined || (member !== undefined && holder[member] === undefined)) return failure;
  }
  for (const { name, failure } of lists) if (!known.has(name)) return failure;
  return undefined;
}

function needsOf(operand: ASTNode): Needs {
  const needs: Needs = { facts: [], lists: [], fallible: false, nested: 0 };
  const visit = (node: ASTNode, below: boolean): void => {
    const fails = (): void => {
      if (below) needs.nested += 1;
      else needs.fallible = true;
    };
    switch (node.op) {
      case "value":
        return;
      case "id":
        if (below) needs.nested += 1;
        else needs.facts.push({ group: undefined, member: node.args, failure: new Error(`Unknown variable: ${node.args}`) });
        return;
      case ".": {
        const [group, member] = node.args;
        if (below) needs.nested += 1;
        else needs.facts.push({ group: String(group.args), member, failure: new Error(`No such key: ${member}`) });
        return;
      }
      case "call": {
        const [called, args] = node.args;
        // Whether something is known can be told of what is not, except where nobody kept what was known.
        if (called === "has") {
          const group = groupOf(args[0]);
          if (below) needs.nested += 1;
          else needs.facts.push({ group, member: undefined, failure: new Error(`Unknown variable: ${group}`) });
          return;
        }
        if (called === "in_list") {
          const name = String(args[0]?.args);
          if (below) needs.nested += 1;
          else needs.lists.push({ name, failure: new Error(`The list ${name} is not known.`) });
        } else if (called !== "size") fails();
        for (const each of args) visit(each, below);
        return;
      }
      case "rcall":
        visit(node.args[1], below);
        for (const each of node.args[2]) visit(each, below);
        return;
      case "&&":
      case "||":
      case "?:":
        for (const each of node.args) visit(each, true);
        return;
      default:
        if (ARITHMETIC.has(node.op) && (node as unknown as LiveNode).checkedType?.name !== "double") fails();
        for (const each of operandsOf(node)) visit(each, below);
    }
  };
  visit(operand, false);
  return needs;
}

/** The group that `has(group.member)` asks about. */
function groupOf(asked: ASTNode | undefined): string {
  invariant(asked?.op === "." && asked.args[0].op === "id", "rules: has() asks about a member of a group");
  return asked.args[0].args;
}

/** In whole numbers these may end without a result; doubles have one always. */
const ARITHMETIC: ReadonlySet<string> = new Set(["+", "-", "*", "/", "%", "-_"]);
