import type { OrganisationId } from "#kernel/ids.ts";
import { PARTITIONS, partitionName } from "#kernel/ids.ts";
import type { Item, Store } from "./port.ts";
import type { TableName } from "./tables.ts";
import { tableDefinition } from "./tables.ts";

export interface MergedQuery {
  readonly table: TableName;
  readonly organisationId: OrganisationId;
  /** Inclusive bounds on the range attribute. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** Exclusive: only what comes after this range value, newest first. */
  readonly before?: string | undefined;
  readonly limit: number;
  readonly keep: (item: Item) => boolean;
}

export interface MergedPage {
  readonly items: readonly Item[];
  /** The range value the next page continues before; absent at the end. */
  readonly next: string | undefined;
}

/** The most items looked at for one page: a filter that keeps little gives short pages, never long waits. */
const MAX_EXAMINED = 2000;

/**
 * Lists an organisation's items of a partitioned table, newest first, by merging its partitions. Strongly
 * consistent, since it reads primary keys only.
 */
export async function mergePartitions(store: Store, query: MergedQuery): Promise<MergedPage> {
  const { table, limit } = query;
  const range = tableDefinition(table).range ?? "id";
  const size = Math.max(4, Math.ceil(limit / 4));
  const sources = await Promise.all(
    Array.from({ length: PARTITIONS }, async (_, n) => {
      const source = { hash: partitionName(query.organisationId, n), items: [] as readonly Item[], at: 0, last: query.before, done: false };
      await fill(source);
      return source;
    }),
  );

  interface Source {
    readonly hash: string;
    items: readonly Item[];
    at: number;
    last: string | undefined;
    done: boolean;
  }

  async function fill(source: Source): Promise<void> {
    // One more than asked because the bound is inclusive in the port and exclusive here.
    const to = source.last === undefined || (query.to !== undefined && query.to < source.last) ? query.to : source.last;
    const page = await store.query({
      table,
      hash: source.hash,
      order: "descending",
      limit: size + 1,
      ...(query.from === undefined ? {} : { from: query.from }),
      ...(to === undefined ? {} : { to }),
    });
    source.items = page.items.filter((item) => source.last === undefined || String(item[range]) < source.last);
    source.at = 0;
    source.done = page.cursor === undefined;
  }

  const kept: Item[] = [];
  let last: string | undefined;
  for (let examined = 0; examined < MAX_EXAMINED; examined++) {
    let newest: Source | undefined;
    let newestId = "";
    for (const source of sources) {
      if (source.at >= source.items.length && !source.done) await fill(source);
      const id = source.items[source.at]?.[range];
      if (typeof id === "string" && id > newestId) {
        newest = source;
        newestId = id;
      }
    }
    const item = newest?.items[newest.at];
    if (newest === undefined || item === undefined) return { items: kept, next: undefined };
    if (kept.length === limit) return { items: kept, next: last };
    newest.at += 1;
    newest.last = newestId;
    last = newestId;
    if (query.keep(item)) kept.push(item);
  }
  return { items: kept, next: last };
}
