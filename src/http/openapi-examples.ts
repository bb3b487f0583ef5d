import type { ProblemCode } from "#kernel/problems.ts";
import { problems, refuse } from "#kernel/problems.ts";
import { exampleId, patternExample } from "./pattern-words.ts";
import { problemBody } from "./problem-body.ts";

/** As much of JSON Schema as is needed to make an example of it. */
export interface ExampledSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly examples?: readonly unknown[];
  readonly anyOf?: readonly ExampledSchema[];
  readonly oneOf?: readonly ExampledSchema[];
  readonly properties?: Readonly<Record<string, ExampledSchema>>;
  readonly items?: ExampledSchema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
}

/** The schema that was added to the server under a `$id`. */
export type LookUp = (id: string) => ExampledSchema | undefined;

/** Schemas nest a few levels; one that refers to itself must end. */
const MAX_DEPTH = 12;

/**
 * An example of a schema: its own `examples` where it has some, else put together from those of its parts, so that a new
 * operation has an example without anyone writing one. A test holds each against its schema.
 */
export function exampleOf(schema: ExampledSchema, lookUp: LookUp, depth = 0): unknown {
  const inner = (part: ExampledSchema): unknown => exampleOf(part, lookUp, depth + 1);
  if (schema.examples !== undefined && schema.examples.length > 0) return schema.examples[0];
  if (depth > MAX_DEPTH) return null;
  if (schema.$ref !== undefined) return inner(lookUp(idOf(schema.$ref)) ?? {});
  if ("const" in schema) return schema.const;
  if (schema.enum !== undefined) return schema.enum[0];
  const [choice] = schema.anyOf ?? schema.oneOf ?? [];
  if (choice !== undefined) return inner(choice);
  switch (typeof schema.type === "string" ? schema.type : schema.type?.[0]) {
    case "object":
      return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, part]) => [name, inner(part)]));
    case "array":
      return schema.items === undefined ? [] : [inner(schema.items)];
    case "integer":
    case "number":
      return Math.min(schema.maximum ?? Number.POSITIVE_INFINITY, Math.max(schema.minimum ?? 1, 1));
    case "boolean":
      return true;
    case "string":
      return (schema.pattern === undefined ? undefined : patternExample(schema.pattern)) ?? "text";
    default:
      return null;
  }
}

/** The `$id` that a reference of ours names: `Account#`. */
export function idOf(reference: string): string {
  return reference.replace(/#.*$/, "");
}

/** The field at fault and the explanation that a problem's example shows. */
const particulars: Partial<Record<ProblemCode, { readonly param: string; readonly detail?: string }>> = {
  invalid_request: { param: "from_account_id", detail: `"from_account_id" must be an account id, like ${exampleId("account")}.` },
  unknown_field: { param: "amuont", detail: '"amuont" is not known to this operation.' },
  missing_field: { param: "amount", detail: '"amount" is required.' },
  duplicate_field: { param: "amount" },
  number_out_of_range: { param: "amount" },
  invalid_cursor: { param: "cursor" },
  account_not_found: { param: "from_account_id" },
  account_frozen: { param: "from_account_id" },
  account_restricted: { param: "from_account_id", detail: "A holder of the paying account is restricted." },
  account_closed: { param: "to_account_id" },
  currency_mismatch: { param: "currency" },
  insufficient_funds: { param: "amount" },
  hold_amount_exceeded: { param: "amount", detail: "The hold still reserves 3000." },
};

/** A problem as this server answers it, for `components/examples`. */
export function problemExample(code: ProblemCode): { readonly summary: string; readonly value: unknown } {
  const { param, detail } = particulars[code] ?? {};
  return { summary: problems[code].title, value: JSON.parse(problemBody(refuse(code, param, detail), exampleId("request"))) as unknown };
}
