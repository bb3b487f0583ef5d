import type { ASTNode } from "@marcbachmann/cel-js";

/** What an expression uses of its surroundings. */
export interface Uses {
  /** Variables by their full names. */
  readonly variables: ReadonlySet<string>;
  /** Names of lists. */
  readonly lists: ReadonlySet<string>;
  /** What it costs at most, in comparisons of some 20 ns; that it fails once is not counted. */
  readonly cost: number;
}

/** Thrown inside this room for an expression that the language does not take; `offset` counts UTF-16 units from 0. */
export class ExpressionError extends Error {
  override readonly name = "ExpressionError";
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/** Operators whose cost is bounded by the length of the expression and of its facts. */
const OPERATORS: ReadonlySet<string> = new Set([
  "?:",
  "||",
  "&&",
  "!_",
  "-_",
  "==",
  "!=",
  "<",
  "<=",
  ">",
  ">=",
  "in",
  "+",
  "-",
  "*",
  "/",
  "%",
  "list",
]);
const FUNCTIONS: ReadonlySet<string> = new Set(["has", "in_list", "double", "int", "size"]);
const METHODS: ReadonlySet<string> = new Set(["startsWith", "endsWith", "contains", "size"]);

/** What looks through a whole text, which may be one of 512 characters, costs some 5 µs at worst; arithmetic is in big integers. */
const COSTS: Readonly<Record<string, number>> = { contains: 200, size: 200, "+": 3, "-": 3, "*": 3, "/": 3, "%": 3 };

/**
 * Walks a parsed expression and lets through only what is listed here: a library's next version may bring functions that
 * nobody has judged. No regular expressions (they can take exponential time), no comprehensions (nested ones multiply), no
 * clock, no time zones, no maps, no bytes.
 * @throws ExpressionError for the first part that is not allowed.
 */
export function checkExpression(root: ASTNode, declares: (name: string) => "variable" | "group" | undefined): Uses {
  const variables = new Set<string>();
  const lists = new Set<string>();
  let cost = 0;

  const visit = (node: ASTNode): void => {
    cost += COSTS[node.op === "call" || node.op === "rcall" ? node.args[0] : node.op] ?? 1;
    switch (node.op) {
      case "value": {
        const kind = typeof node.args;
        if (kind !== "string" && kind !== "number" && kind !== "bigint" && kind !== "boolean")
          throw new ExpressionError("Only texts, numbers and booleans can be written out.", node.start);
        return;
      }
      case "id": {
        const name = node.args;
        const declared = declares(name);
        if (declared === undefined) throw new ExpressionError(`There is no variable ${name}.`, node.start);
        if (declared === "group") throw new ExpressionError(`${name} is no variable itself; name one of its members.`, node.start);
        variables.add(name);
        return;
      }
      case ".": {
        const [left, member] = node.args;
        const name = left.op === "id" ? `${left.args}.${member}` : undefined;
        if (name === undefined || declares(name) !== "variable")
          throw new ExpressionError(`There is no variable ${name ?? `with a member ${member}`}.`, node.start);
        variables.add(name);
        return;
      }
      case "call": {
        const [name, args] = node.args;
        if (!FUNCTIONS.has(name)) throw new ExpressionError(`The function ${name} is not known here.`, node.start);
        if (name === "in_list") lists.add(listNameOf(args[0], node.start));
        for (const each of args) visit(each);
        return;
      }
      case "rcall": {
        const [name, receiver, args] = node.args;
        if (!METHODS.has(name)) throw new ExpressionError(`The function ${name} is not known here.`, node.start);
        visit(receiver);
        for (const each of args) visit(each);
        return;
      }
      default:
        if (!OPERATORS.has(node.op)) throw new ExpressionError("This form of expression is not known here.", node.start);
        for (const each of operandsOf(node)) visit(each);
    }
  };
  visit(root);
  return { variables, lists, cost };
}

/** The list is written out, so that it is known before any payment which lists a rule needs. */
function listNameOf(argument: ASTNode | undefined, offset: number): string {
  if (argument?.op === "value" && typeof argument.args === "string") return argument.args;
  throw new ExpressionError("The first argument of in_list is the name of a list in quotation marks.", argument?.start ?? offset);
}

/** Every part of an expression that `checkExpression` let through. */
function* everyNode(root: ASTNode): Generator<ASTNode> {
  const pending: ASTNode[] = [root];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    yield node;
    if (node.op === "call") pending.push(...node.args[1]);
    else if (node.op === "rcall") pending.push(node.args[1], ...node.args[2]);
    else if (node.op !== "value" && node.op !== "id" && node.op !== ".") pending.push(...operandsOf(node));
  }
}

/** The library keeps the type it found on the node, which its declarations do not tell. */
function typeOf(node: ASTNode): unknown {
  return (node as { readonly checkedType?: { readonly name?: unknown } }).checkedType?.name;
}

/**
 * Refuses `+` on anything but numbers, once types are known: texts and lists that grow would make what is done to them
 * cost more than the expression is long.
 * @throws ExpressionError for the first one.
 */
export function checkSums(root: ASTNode): void {
  for (const node of everyNode(root))
    if (node.op === "+" && typeOf(node) !== "int" && typeOf(node) !== "double")
      throw new ExpressionError("Only numbers can be added.", node.start);
}

/** A fact's text that is read as a number, or compared with another's to its end: some 1 µs at worst. */
const COST_OF_TEXT = 60;

/**
 * What texts of facts cost beyond what the walk above has counted, which knows no types. What is written out is no longer than the
 * expression.
 */
export function costOfTexts(root: ASTNode): number {
  let cost = 0;
  for (const node of everyNode(root))
    if (node.op === "call") {
      const [name, [read]] = node.args;
      if ((name === "double" || name === "int") && read !== undefined && read.op !== "value" && typeOf(read) === "string")
        cost += COST_OF_TEXT;
    } else if (node.op === "rcall") {
      const [name, , [other]] = node.args;
      if ((name === "startsWith" || name === "endsWith") && other?.op !== "value") cost += COST_OF_TEXT;
    }
  return cost;
}

/** The operands of an operator. */
export function operandsOf(node: ASTNode): readonly ASTNode[] {
  const args: unknown = node.args;
  return Array.isArray(args) ? (args as ASTNode[]) : [args as ASTNode];
}
