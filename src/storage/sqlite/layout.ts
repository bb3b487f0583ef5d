import { invariant } from "#kernel/assert.ts";
import { type IndexDefinition, type TableName, tableDefinition, tableNames } from "../tables.ts";

/**
 * What of a table is not brought to its place in the commit itself, because it would dirty a page of its own (deferred.ts).
 * - `nothing`
 * - `updates`: puts under a version condition go to the journal first (hot tables: few rows, often written, at random places).
 * - `key`: rows are appended at once but their unique index is built later (tables with a time to live: random keys).
 */
export type Deferral = "nothing" | "updates" | "key";

/** How one table of tables.ts lies in the file. */
export interface Layout {
  readonly number: number;
  readonly name: TableName;
  /** The quoted identifier. */
  readonly sql: string;
  readonly hash: string;
  readonly range: string | undefined;
  readonly ttl: string | undefined;
  /**
   * What of the hash the unique index begins with, as SQL over a hash; undefined for all of it. Keys of one name that are made one after the
   * other then lie side by side whatever part they fall into: otherwise every commit dirties a page of the index for each part.
   */
  readonly nameOf: ((hash: string) => string) | undefined;
  readonly hot: boolean;
  readonly indexes: readonly IndexDefinition[];
  /** Attributes beside the key that have a column, because an index or the time to live reads them. */
  readonly columns: readonly string[];
  /** Positions in `columns` that an update has to write: those of indexes that are not fixed, and the time to live. */
  readonly changing: readonly number[];
  readonly deferral: Deferral;
}

function layoutOf(name: TableName, number: number): Layout {
  const definition = tableDefinition(name);
  const { hash, range, ttl, indexes, parts } = definition;
  const ofIndexes = (some: readonly IndexDefinition[]): string[] => some.flatMap((index) => [index.hash, index.range]);
  const extra = (attributes: readonly string[]): string[] =>
    [...new Set([...attributes, ...(ttl === undefined ? [] : [ttl])])].filter((attribute) => attribute !== hash && attribute !== range);
  const columns = extra(ofIndexes(indexes));
  const changing = extra(ofIndexes(indexes.filter(({ fixed }) => !fixed))).map((attribute) => columns.indexOf(attribute));
  const deferral = ttl !== undefined ? "key" : definition.hot ? "updates" : "nothing";
  if (deferral !== "nothing") {
    invariant(range === undefined, `${name}: a deferred table has no range attribute`);
    // An index entry is only ever written together with its row, so a deferred update must not need one.
    invariant(
      indexes.every(({ fixed }) => fixed && deferral === "updates"),
      `${name}: a deferred table has an index that updates touch`,
    );
  }
  invariant(parts !== true || range !== undefined, `${name}: parts without a range attribute`);
  const nameOf = parts === true ? (of: string): string => `substr(${of}, 1, instr(${of}, '#'))` : undefined;
  return { number, name, sql: `"${name}"`, hash, range, ttl, nameOf, hot: definition.hot === true, indexes, columns, changing, deferral };
}

/** Every table, in the order of tables.ts; `number` is the position here and is never stored. */
export const layouts: readonly Layout[] = tableNames.map(layoutOf);

const byName = new Map(layouts.map((layout) => [layout.name, layout]));

/** The layout of a table. */
export function layoutFor(name: TableName): Layout {
  const layout = byName.get(name);
  invariant(layout !== undefined, `there is no table ${String(name)}`);
  return layout;
}

/** The condition that finds an item by its whole key, whose parameters are number `first` (the hash) and the next one (the range). */
export function keyCondition({ range, nameOf }: Layout, first = 1): string {
  const [hash, other] = [`?${first}`, `?${first + 1}`];
  const whole = range === undefined ? `hash = ${hash}` : `hash = ${hash} AND range = ${other}`;
  return nameOf === undefined ? whole : `${nameOf("hash")} = ${nameOf(hash)} AND ${whole}`;
}

/** The column an attribute is kept in. */
export function columnOf(layout: Layout, attribute: string): string {
  if (attribute === layout.hash) return "hash";
  return attribute === layout.range ? "range" : `"x_${attribute}"`;
}
